"""The picks of a selection under way, in a file from which a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlipselect._core import Posterior, __version__
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.atomic import write_atomically
from mlipselect.io.untrusted import parse_json

VERSION = 1
INTERVAL = 5.0
SHOWN = 8
"""Number of digits of a digest that messages show."""


class SelectionInterrupted(KeyboardInterrupt):
    """A selection was interrupted, and its picks are in a checkpoint; the message says which."""


class Checkpoint:
    """Keeps what was decided so far, and only that: everything else follows from it and from the input.

    A selection that goes on from it makes the same picks, with the same scores to the last bit, as one that was never
    stopped.

    Parameters
    ----------
    path : path
        The file. It is replaced in one step, so it is complete at any time.
    identity : mapping
        What the picks depend on, for JSON: parameters, and digests of pool and core.
    interval : float, default=5.0
        Seconds between one writing and the next, at least.

    Attributes
    ----------
    decisions : list of int
        A pick by its index; a candidate that constraints passed over as ``-1 - index``. In order.

    Raises
    ------
    InvalidInputError
        The file is that of another selection, which is told by what differs, or is no checkpoint.
    """

    def __init__(self, path: str | os.PathLike[str], identity: Mapping[str, Any], *, interval: float = INTERVAL):
        self.path = Path(path)
        self.interval = interval
        self._identity = {"mlipselect": __version__, **json.loads(json.dumps(dict(identity)))}
        self.decisions: list[int] = self._read() if self.path.exists() else []
        self._written = time.monotonic()
        if not self.path.exists():
            self.write()  # that it can be written is found out before any work

    def is_due(self) -> bool:
        """Tell whether it is time to write."""
        return time.monotonic() - self._written >= self.interval

    def write(self) -> None:
        """Replace the file by one with the decisions so far."""
        known = {"mlipselect_checkpoint": VERSION, "identity": self._identity, "decisions": self.decisions}
        write_atomically(self.path, lambda stream: stream.write((json.dumps(known) + "\n").encode()))
        self._written = time.monotonic()

    def _read(self) -> list[int]:
        try:
            known = parse_json(self.path.read_bytes())
            version, identity, decisions = (known[k] for k in ("mlipselect_checkpoint", "identity", "decisions"))
            if not (isinstance(identity, dict) and all(type(d) is int and abs(d) < 1 << 62 for d in decisions)):
                raise TypeError("its entries are of other types")
        except OSError as error:
            raise InvalidInputError(f"{self.path}: cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInputError(f"{self.path}: no checkpoint, or a damaged one: {error}") from error
        if version != VERSION:
            raise InvalidInputError(f"{self.path}: version {version} of the format; this mlipselect reads {VERSION}")
        refuse_other(self.path, "selection", identity, self._identity)
        return list(decisions)


def refuse_other(path: Path, work: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of other work than this, and say what differs.

    Parameters
    ----------
    path : Path
        The file.
    work : str
        What messages call the work.
    theirs, ours : mapping
        What the result depends on, ready for JSON: as the file has it, and as it is now.

    Raises
    ------
    InvalidInputError
        The two differ.
    """
    for name in [*ours, *theirs]:
        if theirs.get(name) != ours.get(name):
            was, now = _differing(theirs.get(name), ours.get(name))
            raise InvalidInputError(
                f"{path}: the checkpoint of another {work}: {name} was {_short(was)} and is {_short(now)}; name "
                "another file, or delete it to begin anew"
            )


def refuse_unusable(path: str | os.PathLike[str], inputs: Sequence[str], outputs: Sequence[Path]) -> None:
    """Refuse a checkpoint that cannot be written, or that is an input or an output, before any work.

    Raises
    ------
    InvalidInputError
        Such a file; the message names it.
    """
    file = Path(path)
    if not os.access(file.parent, os.W_OK):
        raise InvalidInputError(f"{file}: the checkpoint cannot be written: {file.parent} is no folder to write to")
    others = [*map(Path, inputs), *outputs]
    if file.is_dir() or file in others or any(file.exists() and o.exists() and file.samefile(o) for o in others):
        raise InvalidInputError(f"{file}: the checkpoint cannot go there: it is a folder, an input or an output")


def _differing(theirs: Any, ours: Any) -> tuple[Any, Any]:
    """Leave out what two entries of an identity have in common, and all but the beginning of digests."""
    if isinstance(theirs, dict) and isinstance(ours, dict) and theirs.keys() == ours.keys():
        pairs = {key: _differing(theirs[key], ours[key]) for key in theirs if theirs[key] != ours[key]}
        return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}
    return _with_short_digests(theirs), _with_short_digests(ours)


def _with_short_digests(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_short_digests(item) for key, item in value.items()}
    is_digest = isinstance(value, str) and len(value) == hashlib.sha256().digest_size * 2
    return value[:SHOWN] if is_digest else value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def identity_of(value: Any) -> Any:
    """Turn what picks depend on into JSON: arrays and posteriors become digests."""
    if isinstance(value, Posterior):
        return {"logdet": value.logdet(), "covariance": digest(value.covariance)}
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "dtype": value.dtype.name, "sha256": digest(value)}
    if isinstance(value, Mapping):
        return {str(key): identity_of(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [identity_of(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def digest(array: np.ndarray[Any, Any]) -> str:
    """Digest the entries of an array, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
