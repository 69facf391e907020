"""A structure that was taken, and the record of how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ase import Atoms

from mlipselect.hal.geometry import bare, geometry_of, with_geometry

#: What is kept of a pick beside its structure, and written into the `info` of its frame with this prefix.
PREFIX = "hal_"


@dataclass(frozen=True)
class Pick:
    """A structure that was taken.

    Attributes
    ----------
    atoms : ase.Atoms
        The structure, without labels.
    round : int
        Round in which it was taken, from 0 on.
    walker : int
        The walker that found it.
    start : int
        The start that the trajectory began with.
    step : int
        Step of the walker.
    temperature : float
        Temperature of the kinetic energy in K when the frame triggered.
    set_temperature : float
        Temperature of the walker in K.
    tau : float
        Strength of the bias.
    score, threshold : float
        Score of the trigger when the frame triggered, and its threshold.
    uncertainty_per_atom : float
        Standard deviation of the energy over the number of atoms when the frame was taken, in the unit of the
        surrogate.
    gain : float
        Fall of the log determinant of the covariance by it: twice the information in nat.
    nearest : str or None
        The nearest structure of the core.
    distance : float or None
        Its distance; see `MinDistance`.
    """

    atoms: Atoms
    round: int
    walker: int
    start: int
    step: int
    temperature: float
    set_temperature: float
    tau: float
    score: float
    threshold: float
    uncertainty_per_atom: float
    gain: float
    nearest: str | None
    distance: float | None

    def told(self) -> dict[str, Any]:
        """Return everything but the structure, ready for JSON."""
        return {name: value for name, value in vars(self).items() if name != "atoms"}

    def frame(self) -> Atoms:
        """Return the structure with what is known of it in `info`, under keys that begin with ``hal_``."""
        out: Atoms = self.atoms.copy()  # type: ignore[no-untyped-call]
        out.info |= {PREFIX + name: value for name, value in self.told().items() if value is not None}
        return out

    def reason(self, trigger: str, nearest: str) -> str:
        """Say in a sentence why it was taken, with this name for the nearest structure of the core."""
        said = (
            f"{trigger} {self.score:.3g} above {self.threshold:.3g} in round {self.round}, by walker {self.walker} at "
            f"step {self.step} and {self.temperature:.0f} K with tau {self.tau:.3g}"
        )
        if self.nearest is None or self.distance is None:
            return said
        return f"{said}; nearest in the core: {nearest}, at the distance {self.distance:.2g}"

    def record(self) -> dict[str, Any]:
        """Return everything, ready for JSON, from which `restored` makes the same pick to the last bit."""
        return self.told() | {"geometry": geometry_of(self.atoms)}

    @classmethod
    def restored(cls, record: Mapping[str, Any], starts: Sequence[Atoms]) -> Pick:
        """Make the pick of a record."""
        told = {name: value for name, value in record.items() if name != "geometry"}
        return cls(atoms=bare(with_geometry(starts[record["start"]], record["geometry"])), **told)
