"""Replace a file in one step: a run that is killed leaves either the old file or the new one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from mlipselect.exceptions import InvalidInputError


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file, flushed to the disk, complete or not at all.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced.
    write : callable
        Function that writes to the open binary file it is called with.

    Raises
    ------
    InvalidInputError
        The file cannot be written; an existing one is left as it was.
    """
    temporary = path.with_name(f".mlipselect-{path.name}")
    try:
        try:
            with temporary.open("wb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            _flush_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidInputError(f"{path}: cannot be written: {error.strerror}") from error


def _flush_folder(folder: Path) -> None:
    """Flush a folder, and with it a rename, to disk on systems that can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
