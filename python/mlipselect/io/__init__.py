"""Structures in and out: streamed reading with provenance, exact and atomic writing."""

from mlipselect.io.collection import Structures
from mlipselect.io.exact import differences
from mlipselect.io.frame import Frame
from mlipselect.io.frames import iter_frames, read
from mlipselect.io.output import Output
from mlipselect.io.reading import Reading
from mlipselect.io.writer import write_exact

__all__ = ["Frame", "Output", "Reading", "Structures", "differences", "iter_frames", "read", "write_exact"]
