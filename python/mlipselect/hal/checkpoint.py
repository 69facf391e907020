"""The file from which a run goes on after it was stopped, with the same structures to the last bit."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from mlipselect._core import __version__
from mlipselect.checkpoint import refuse_other
from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.state import State
from mlipselect.io.atomic import write_atomically
from mlipselect.io.lock import file_lock
from mlipselect.io.untrusted import parse_json

VERSION = 3
INTERVAL = 5.0
"""Seconds between one writing and the next, at least."""


class HalCheckpoint:
    """Keeps the state of a run between rounds.

    Numbers are written with all digits. The file is replaced in one step, so it is complete at any time.

    Parameters
    ----------
    path : path
        The file.
    identity : mapping
        What the run depends on, ready for JSON.
    interval : float, default=5.0
        Seconds between one writing and the next, at least.
    """

    def __init__(self, path: str | os.PathLike[str], identity: Mapping[str, Any], *, interval: float = INTERVAL):
        self.path = Path(path)
        self.interval = interval
        self._identity = {"mlipselect": __version__, **json.loads(json.dumps(dict(identity)))}
        self._written = time.monotonic()
        self._seen: tuple[int, int] | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let no other process write to the file meanwhile.

        Raises
        ------
        InvalidInputError
            Another process is writing to it, or another run has written to it since this one did or read it.
        """
        with file_lock(self.path):
            if None not in (self._seen, now := self._state_of_file()) and now != self._seen:
                raise InvalidInputError(f"{self.path}: another run has written to it since: make the run anew")
            yield

    def _state_of_file(self) -> tuple[int, int] | None:
        """Return what differs once the file was replaced; None if it is not there."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def read(self, starts: Sequence[Atoms], at: str) -> State | None:
        """Return the state in the file; None if there is no file.

        Raises
        ------
        InvalidInputError
            The file is that of another run, which is told by what differs, or is no checkpoint.
        """
        if not self.path.exists():
            return None
        self._seen = self._state_of_file()
        try:
            known = parse_json(self.path.read_bytes())
            version, identity = known["mlipselect_hal_checkpoint"], dict(known["identity"])
        except OSError as error:
            raise InvalidInputError(f"{self.path}: cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInputError(f"{self.path}: no checkpoint of hal, or a damaged one: {error}") from error
        if version != VERSION:
            raise InvalidInputError(f"{self.path}: version {version} of the format; this mlipselect reads {VERSION}")
        refuse_other(self.path, "run", identity, self._identity)
        try:
            return State.restored(known["state"], starts, at)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
            raise InvalidInputError(f"{self.path}: a damaged checkpoint: {error!r}") from error

    def is_due(self) -> bool:
        """Tell whether it is time to write."""
        return time.monotonic() - self._written >= self.interval

    def write(self, state: State) -> None:
        """Replace the file by one with this state."""
        known = {"mlipselect_hal_checkpoint": VERSION, "identity": self._identity, "state": state.record()}
        write_atomically(self.path, lambda stream: stream.write(json.dumps(known).encode()))
        self._seen = self._state_of_file()
        self._written = time.monotonic()
