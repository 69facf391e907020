"""Standard input and pipes, which can be read only once: copied to a temporary file."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import IO

from mlipselect.exceptions import StructureError
from mlipselect.io.compression import ending_of

STDIN = "-"
_BLOCK = 1 << 20


def is_pipe(path: str) -> bool:
    """Tell standard input (``-``), a named pipe or a device from files and folders."""
    return path == STDIN or (Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir())


def spool(path: str) -> str:
    """Copy what comes from standard input or a pipe to a temporary file, and return the path of that.

    The caller removes the file. Its name ends like that of the pipe; one that ends in no way, such as ``/dev/stdin``,
    is given the ending of a compression that its content has.

    Raises
    ------
    StructureError
        Nothing can be read from there.
    """
    try:
        with contextlib.ExitStack() as stack:
            if path == STDIN:
                if sys.stdin is None or sys.stdin.isatty():
                    raise StructureError("expected structures from a pipe or a file, got a terminal", source=path)
                stream: IO[bytes] = sys.stdin.buffer
            else:
                stream = stack.enter_context(Path(path).open("rb"))
            block = stream.read(_BLOCK)
            suffix = "".join(Path(path).suffixes) or ending_of(block)
            handle, name = tempfile.mkstemp(prefix="mlipselect-", suffix=suffix)
            with os.fdopen(handle, "wb") as file:
                while block:
                    file.write(block)
                    block = stream.read(_BLOCK)
    except OSError as error:
        raise StructureError(f"cannot be read: {error.strerror}", source=path) from error
    return name
