"""Locks that let one process at a time write to a file or a folder."""

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


class Lock:
    """A lock on writing to something, held until it is released or the process ends in any way.

    Parameters
    ----------
    path : Path
        The lock file; it is removed on release.
    subject : Path
        What is written to, for messages.

    Raises
    ------
    InvalidInputError
        Another process holds the lock, or the lock file cannot be made.
    """

    def __init__(self, path: Path, subject: Path):
        self._path = path
        self._stream: IO[bytes] | None = None
        if fcntl is None:
            return
        while self._stream is None:
            try:
                stream = self._path.open("ab")
            except OSError as error:
                raise InvalidInputError(f"{subject}: cannot be written: {error.strerror}") from error
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.close()
                raise InvalidInputError(f"{subject}: another process is writing to it") from None
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

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __del__(self) -> None:
        if getattr(self, "_stream", None) is not None:
            self._stream.close()  # type: ignore[union-attr]


def folder_lock(folder: Path) -> Lock:
    """Lock a folder, in which the lock file is."""
    return Lock(folder / NAME, folder)


def file_lock(path: Path) -> Lock:
    """Lock a file, which need not exist; the lock file is hidden beside it."""
    return Lock(path.with_name(f".mlipselect-{path.name[-200:]}{NAME}"), path)
