"""Choose the atomic structures worth a DFT calculation."""

from mlipselect._core import __version__
from mlipselect.exceptions import (
    InvalidInputError,
    MemoryLimitError,
    MissingExtraError,
    MlipselectError,
    NotFittedError,
    StructureError,
)
from mlipselect.features import Features, balance_composition, featurize
from mlipselect.io import Frame, iter_frames, read
from mlipselect.select import select
from mlipselect.selection import Selection

__all__ = [
    "Features",
    "Frame",
    "InvalidInputError",
    "MemoryLimitError",
    "MissingExtraError",
    "MlipselectError",
    "NotFittedError",
    "Selection",
    "StructureError",
    "__version__",
    "balance_composition",
    "featurize",
    "iter_frames",
    "read",
    "select",
]
