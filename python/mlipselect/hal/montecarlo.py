"""Monte Carlo moves between bursts, on the biased energy: swaps of unlike atoms, and changes of the volume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError, StructureError

Energy = Callable[[Atoms], float]
"""The biased energy of a structure in eV, with the strength of the bias as it is."""


@dataclass(frozen=True)
class MonteCarlo:
    r"""Moves that are tried before each burst, and accepted by the rule of Metropolis.

    Parameters
    ----------
    swaps : int
        Exchanges of the positions of two unlike atoms that are free to move. Each atom keeps its momentum.
    cell_moves : int
        Changes of the volume of a cell that is periodic in all directions, with all fractional coordinates kept.
    cell_step : float
        Largest change of the logarithm of the volume.
    pressure : float
        In GPa.

    Notes
    -----
    A swap is accepted with the probability :math:`\min(1, e^{-\Delta E / kT})`, and a change of :math:`\ln V` with
    :math:`\min(1, e^{-(\Delta E + P \Delta V) / kT} (V'/V)^{N + 1})` [1]_, [2]_.

    References
    ----------
    .. [1] N. Metropolis, A. W. Rosenbluth, M. N. Rosenbluth, A. H. Teller, E. Teller, J. Chem. Phys. 21, 1087 (1953).
    .. [2] R. Eppenga, D. Frenkel, Mol. Phys. 52, 1303 (1984).
    """

    swaps: int
    cell_moves: int
    cell_step: float
    pressure: float

    def check(self, starts: list[Atoms]) -> None:
        """Refuse starts that a move does not apply to.

        Raises
        ------
        InvalidInputError
            Swaps with no start that has unlike atoms, or changes of a cell that is not periodic in all directions.
        """
        if self.swaps and not any(len(set(atoms.numbers[_free(atoms)])) > 1 for atoms in starts):
            raise InvalidInputError("swaps: expected a start with unlike atoms that are free to move, got none")
        if self.cell_moves:
            for number, atoms in enumerate(starts):
                if not (atoms.pbc.all() and atoms.cell.rank == 3):
                    raise InvalidInputError(
                        f"cell_moves: expected starts that are periodic in all directions, and start {number} is not"
                    )

    def run(self, atoms: Atoms, energy: Energy, temperature: float, rng: np.random.Generator) -> Counter[str]:
        """Try all moves on a structure, which is changed by those that are accepted; return how many were of each."""
        counts: Counter[str] = Counter()
        if not self.swaps and not self.cell_moves:
            return counts
        now = energy(atoms)
        for name, number, change in (("swaps", self.swaps, swapped), ("cell_moves", self.cell_moves, self._rescaled)):
            for _ in range(number):
                tried = change(atoms, rng)
                if tried is None:
                    continue
                counts[name] += 1
                new, weight = tried
                # The random number is drawn in any case, so that the sequence does not depend on the energy.
                draw = rng.random()
                try:
                    then = energy(new)
                except StructureError:  # atoms that are too close for the descriptor
                    continue
                exponent = weight(temperature) - (then - now) / (units.kB * temperature)
                if np.log(draw) < exponent:
                    atoms.cell[:] = new.cell.array
                    atoms.positions[:] = new.positions
                    now = then
                    counts[f"{name}_accepted"] += 1
        return counts

    def _rescaled(self, atoms: Atoms, rng: np.random.Generator) -> tuple[Atoms, Callable[[float], float]]:
        change = float(rng.uniform(-self.cell_step, self.cell_step))
        new: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
        factor = np.exp(change / 3.0)
        new.cell[:] = atoms.cell.array * factor
        new.positions[:] = atoms.positions * factor
        volume = abs(float(np.linalg.det(atoms.cell.array)))
        work = self.pressure * units.GPa * volume * (np.exp(change) - 1.0)
        return new, lambda temperature: (len(atoms) + 1) * change - work / (units.kB * temperature)


def swapped(atoms: Atoms, rng: np.random.Generator) -> tuple[Atoms, Callable[[float], float]] | None:
    """Exchange the positions of an atom and one of another element; None if there are no two that are free to move."""
    free = _free(atoms)
    if len(set(atoms.numbers[free])) < 2:
        return None
    first = int(rng.choice(free))
    second = int(rng.choice(free[atoms.numbers[free] != atoms.numbers[first]]))
    new: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    new.positions[[first, second]] = atoms.positions[[second, first]]
    return new, lambda _: 0.0


def _free(atoms: Atoms) -> NDArray[np.int64]:
    """Return the atoms that no constraint acts on."""
    fixed = {int(index) for constraint in atoms.constraints for index in np.ravel(constraint.get_indices())}
    return np.array([index for index in range(len(atoms)) if index not in fixed], dtype=np.int64)
