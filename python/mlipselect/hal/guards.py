"""What a frame has to be before it may be taken: sound, or its trajectory ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.inspection import Rejected, problem_of
from mlipselect.utils.option import option

#: What kind of problem a text is of, by a part of it.
_KINDS = {
    " Å apart": "atoms too close",
    "a force of ": "a force too large",
    "a temperature of ": "too hot",
    " times the volume of the start": "too large a change of the volume",
    "the dynamics failed": "the dynamics failed",
}


#: Of no kind above: what no descriptor can describe, such as a position that is no number.
OTHER = "a structure that cannot be described"

_COOLER = (
    "lower `temperature`, `timestep` or the bias by `tau_rel` or `tau`, or fit the potential to some of the rejected "
    "frames"
)
#: What to change where most trajectories end by a kind of problem.
HINTS = {
    "too hot": "raise `friction` or `temperature`, or lower the bias by `tau_rel` or `tau`",
    "too large a change of the volume": "lower `pressure` or `temperature`, or raise `max_volume_change`",
}


def kind_of(problem: str) -> str:
    """Return what kind of problem ended a trajectory, without the numbers of the frame.

    Parameters
    ----------
    problem : str
        What was wrong with a frame, as `Guards.problem` says it.
    """
    return next((kind for part, kind in _KINDS.items() if part in problem), OTHER)


def kind_of_rejected(item: Rejected) -> str:
    """Return what kind of problem ended a trajectory, given the frame with the step and the problem."""
    return kind_of(item.reason.partition(": ")[2])


def hint_for(kind: str) -> str:
    """Say what to change where most trajectories end by a kind of problem."""
    return HINTS.get(kind, _COOLER)


@dataclass(frozen=True)
class Guards:
    """Limits of a sound frame.

    Raises
    ------
    InvalidInputError
        A limit that is not positive, or a change of volume below 1.
    """

    title: ClassVar[str] = (
        "checks of frames; a frame that fails one ends its trajectory and is written to NAME.rejected.xyz"
    )

    min_bond: float = option(
        0.6, "smallest distance, in sums of covalent radii, images included (default: %(default)s)",
        type=float, metavar="FRACTION",
    )  # fmt: skip
    max_force: float = option(
        50.0, "largest force of the base on an atom, in eV/Å (default: %(default)s)", type=float, metavar="FORCE"
    )
    max_heat: float = option(
        5.0, "largest temperature, in temperatures of the walker (default: %(default)s)", type=float, metavar="FACTOR"
    )
    max_volume_change: float = option(
        2.0, "largest factor by which the volume may grow or shrink (default: %(default)s)",
        type=float, metavar="FACTOR",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 <= value < np.inf or (name != "min_bond" and value == 0.0):
                raise InvalidInputError(f"{name}: expected a number above 0, got {value}")
        if self.max_volume_change < 1.0:
            raise InvalidInputError(f"max_volume_change: expected at least 1, got {self.max_volume_change}")

    def problem(self, atoms: Atoms, base_forces: NDArray[np.float64], temperature: float, start: Atoms) -> str | None:
        """Say what is wrong with a frame; None if it is sound.

        Parameters
        ----------
        atoms : ase.Atoms
            The frame, with momenta.
        base_forces : ndarray of shape (n_atoms, 3)
            Forces of the base, without the bias.
        temperature : float
            Temperature of the walker in K.
        start : ase.Atoms
            The structure that the trajectory began with.
        """
        found = problem_of(atoms, self.min_bond)
        if found is not None:
            return found
        lengths = np.linalg.norm(base_forces, axis=1)
        if not (lengths <= self.max_force).all():
            atom = int(np.argmax(np.where(np.isnan(lengths), np.inf, lengths)))
            return (
                f"a force of {lengths[atom]:.4g} eV/Å on atom {atom} ({atoms.symbols[atom]}), above {self.max_force:g}"
            )
        heat = float(atoms.get_temperature())  # type: ignore[no-untyped-call]
        if not heat <= self.max_heat * temperature:
            return f"a temperature of {heat:.0f} K, above {self.max_heat:g} times {temperature:g} K"
        if atoms.cell.rank == 3:
            change = float(abs(atoms.cell.volume / start.cell.volume))
            if not 1.0 / self.max_volume_change <= change <= self.max_volume_change:
                return f"{change:.3g} times the volume of the start, limited to a factor of {self.max_volume_change:g}"
        return None
