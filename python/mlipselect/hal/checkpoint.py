"""The file from which a run goes on after it was stopped, with the same structures to the last bit."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from mlipselect._core import __version__
from mlipselect.checkpoint import refuse_other
from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.state import State
from mlipselect.io.atomic import write_atomically

VERSION = 2
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

    def read(self, starts: Sequence[Atoms], at: str) -> State | None:
        """Return the state in the file; None if there is no file.

        Raises
        ------
        InvalidInputError
            The file is that of another run, which is told by what differs, or is no checkpoint.
        """
        if not self.path.exists():
            return None
        try:
            known = json.loads(self.path.read_bytes())
            version, identity = known["mlipselect_hal_checkpoint"], known["identity"]
        except OSError as error:
            raise InvalidInputError(f"{self.path}: cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInputError(f"{self.path}: no checkpoint of hal, or a damaged one: {error}") from error
        if version != VERSION:
            raise InvalidInputError(f"{self.path}: version {version} of the format; this mlipselect reads {VERSION}")
        refuse_other(self.path, "run", identity, self._identity)
        try:
            return State.restored(known["state"], starts, at)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise InvalidInputError(f"{self.path}: a damaged checkpoint: {error!r}") from error

    def is_due(self) -> bool:
        """Tell whether it is time to write."""
        return time.monotonic() - self._written >= self.interval

    def write(self, state: State) -> None:
        """Replace the file by one with this state."""
        known = {"mlipselect_hal_checkpoint": VERSION, "identity": self._identity, "state": state.record()}
        write_atomically(self.path, lambda stream: stream.write(json.dumps(known).encode()))
        self._written = time.monotonic()
