"""A lock that lets one process at a time write to a folder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO

from mlipselect.exceptions import InvalidInputError

try:
    import fcntl
except ImportError:  # pragma: no cover - not on Windows, where nothing is locked
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"


class FolderLock:
    """A lock on writing to a folder, held until it is released or the process ends in any way.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    InvalidInputError
        Another process holds the lock, or the lock file cannot be made.
    """

    def __init__(self, folder: Path):
        self._path = folder / NAME
        self._stream: IO[bytes] | None = None
        if fcntl is None:
            return
        while self._stream is None:
            try:
                stream = self._path.open("ab")
            except OSError as error:
                raise InvalidInputError(f"{folder}: cannot be written: {error.strerror}") from error
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.close()
                raise InvalidInputError(f"{folder}: another process is writing to it") from None
            except OSError:  # some network file systems have no locks
                pass
            if self._is_there(stream):
                self._stream = stream
            else:  # its last holder removed it in between
                stream.close()

    def _is_there(self, stream: IO[bytes]) -> bool:
        try:
            return self._path.stat().st_ino == os.fstat(stream.fileno()).st_ino
        except OSError:
            return False

    def release(self) -> None:
        """Let other processes write."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._stream.close()
            self._stream = None

    def __del__(self) -> None:
        if getattr(self, "_stream", None) is not None:
            self._stream.close()  # type: ignore[union-attr]
