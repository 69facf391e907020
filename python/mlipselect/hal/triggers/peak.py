"""When a score that is followed in time triggers: at a threshold, or at a peak above it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ase import Atoms

from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.geometry import geometry_of, with_geometry


class Crossing:
    """Triggers as soon as the score is above the threshold."""

    def follow(self, atoms: Atoms, score: float, threshold: float) -> tuple[Atoms, float] | None:
        """Take note of a score; return the structure to take and its score, if there is one."""
        return (atoms, score) if score > threshold else None

    def forget(self) -> None:
        """Begin anew, after a restart or a trigger: nothing was kept."""

    def state(self) -> dict[str, Any]:
        """Return what earlier scores left, ready for JSON."""
        return {}

    def restore(self, state: Mapping[str, Any], atoms: Atoms) -> None:
        """Go on from what `state` returned."""


@dataclass
class Peak:
    """Triggers once the score has fallen again after a peak above the threshold and above the mean score so far.

    Attributes
    ----------
    mean : float
        Mean of all scores so far.
    count : int
        Number of scores so far.
    before, last : float or None
        The last two scores.
    frame : ase.Atoms or None
        The structure of the last score.
    """

    mean: float = 0.0
    count: int = 0
    before: float | None = None
    last: float | None = None
    frame: Atoms | None = None

    def follow(self, atoms: Atoms, score: float, threshold: float) -> tuple[Atoms, float] | None:
        """Take note of a score; return the structure of the peak and its score, if the score has fallen after it."""
        found = None
        if self.last is not None and self.frame is not None:
            has_risen = self.before is None or self.last >= self.before
            if has_risen and score < self.last and self.last > max(threshold, self.mean):
                found = (self.frame, self.last)
        self.count += 1
        self.mean += (score - self.mean) / self.count
        self.before, self.last = self.last, score
        self.frame = atoms.copy()  # type: ignore[no-untyped-call]
        return found

    def forget(self) -> None:
        """Forget the last scores, but not their mean."""
        self.before = self.last = self.frame = None

    def state(self) -> dict[str, Any]:
        """Return what earlier scores left, ready for JSON."""
        kept = {"mean": self.mean, "count": self.count, "before": self.before, "last": self.last}
        return kept | {"frame": None if self.frame is None else geometry_of(self.frame)}

    def restore(self, state: Mapping[str, Any], atoms: Atoms) -> None:
        """Go on from what `state` returned; `atoms` has the atoms of the structure."""
        self.mean, self.count = float(state["mean"]), int(state["count"])
        self.before, self.last = state["before"], state["last"]
        self.frame = None if state["frame"] is None else with_geometry(atoms, state["frame"])


Follower = Crossing | Peak
"""What follows a score in time."""

FOLLOWERS: dict[str, type[Crossing] | type[Peak]] = {"threshold": Crossing, "peak": Peak}
"""What follows a score in time, by the name that options have for it."""


def make_follower(at: str) -> Follower:
    """Make what follows a score, by its name.

    Raises
    ------
    InvalidInputError
        There is none of that name.
    """
    if at not in FOLLOWERS:
        raise InvalidInputError(f"at: expected one of {', '.join(FOLLOWERS)}, got {at!r}")
    return FOLLOWERS[at]()
