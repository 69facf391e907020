"""The state of a run between two rounds: everything that the next round depends on."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms

from mlipselect._core import Posterior
from mlipselect.hal.geometry import bare, geometry_of, with_geometry
from mlipselect.hal.pick import Pick
from mlipselect.hal.walker import Walker
from mlipselect.io.inspection import Rejected


@dataclass(frozen=True)
class State:
    """A run between two rounds. It is replaced as a whole, so an interruption leaves one or the other.

    Attributes
    ----------
    walkers : list of Walker
        The walkers.
    posterior : Posterior
        What is known.
    picks : list of Pick
        What was taken.
    rejected : list of Rejected
        The first frames that failed a check, with the reason; all are counted.
    failed : Counter
        Numbers of frames that failed a check, by what the check was of.
    counts : Counter
        Numbers of ``steps``, ``checks``, ``triggered`` and ``rejected`` frames, ``near`` duplicates, candidates that
        came too ``late``, and steps with a ``capped`` bias.
    round : int
        Number of rounds so far.
    idle : int
        Rounds since the last pick.
    ended : str or None
        Why the run ended.
    trajectory : list of int
        Bytes of the trajectory of each walker, if trajectories are kept.
    """

    walkers: list[Walker]
    posterior: Posterior
    picks: list[Pick] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    round: int = 0
    idle: int = 0
    ended: str | None = None
    trajectory: list[int] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Return the state, ready for JSON, from which `restored` makes the same to the last bit."""
        return {
            "walkers": [walker.record() for walker in self.walkers],
            "posterior": base64.b64encode(self.posterior.__reduce__()[1][0]).decode(),
            "picks": [pick.record() for pick in self.picks],
            "rejected": [_rejected_record(item) for item in self.rejected],
            "failed": dict(self.failed),
            "counts": dict(self.counts),
            "round": self.round,
            "idle": self.idle,
            "ended": self.ended,
            "trajectory": self.trajectory,
        }

    @classmethod
    def restored(cls, record: Mapping[str, Any], starts: Sequence[Atoms], at: str) -> State:
        """Make the state of a record."""
        return cls(
            walkers=[Walker.restored(item, starts, at) for item in record["walkers"]],
            posterior=Posterior._from_bytes(base64.b64decode(record["posterior"])),
            picks=[Pick.restored(item, starts) for item in record["picks"]],
            rejected=[_restored_rejected(item, starts) for item in record["rejected"]],
            failed=Counter(record["failed"]),
            counts=Counter(record["counts"]),
            round=record["round"],
            idle=record["idle"],
            ended=record["ended"],
            trajectory=record["trajectory"],
        )


def _rejected_record(item: Rejected) -> dict[str, Any]:
    atoms = item.atoms
    start = None if atoms is None else int(atoms.info["hal_start"])
    return {
        "walker": item.index,
        "reason": item.reason,
        "start": start,
        "geometry": None if atoms is None else geometry_of(atoms),
    }


def _restored_rejected(record: Mapping[str, Any], starts: Sequence[Atoms]) -> Rejected:
    if record["geometry"] is None:
        return Rejected(None, record["walker"], record["reason"])
    atoms = bare(with_geometry(starts[record["start"]], record["geometry"]))
    atoms.info["hal_start"] = record["start"]
    return Rejected(None, record["walker"], record["reason"], atoms)
