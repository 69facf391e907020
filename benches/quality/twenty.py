"""A system of twenty elements, made here: `python -m benches.quality.twenty -o FOLDER`, then `--data FOLDER`.

Alloys of two to five of twenty metals in strained and rattled cells, with energies and forces in the second-moment
approximation (F. Cleri and V. Rosato, Phys. Rev. B 48, 22 (1993)). Parameters of an element are drawn with one seed
around those of metals, with its distance from its covalent radius; those of a pair are the means of both. Core, pool
and test set: 60 cells of one element, 240 and 120 alloys.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, covalent_radii
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from mlipselect.io import write_exact

METALS = [
    *("Al", "Ti", "V", "Cr", "Fe", "Co", "Ni", "Cu", "Zr", "Nb"),
    *("Mo", "Ru", "Rh", "Pd", "Ag", "Hf", "Ta", "W", "Pt", "Au"),
]
CUTOFF = 5.5


@dataclass(frozen=True)
class SecondMoment:
    """Energies and forces of ``E_i = sum_j A exp(-p x_ij) - sqrt(sum_j xi^2 exp(-2 q x_ij))``, ``x = r / r0 - 1``.

    Attributes
    ----------
    repulsion, hopping, p, q, distance : dict
        Parameters of elements, by atomic number: A and xi in eV, r0 in Å.
    """

    repulsion: dict[int, float]
    hopping: dict[int, float]
    p: dict[int, float]
    q: dict[int, float]
    distance: dict[int, float]

    @classmethod
    def drawn(cls, seed: int = 0) -> SecondMoment:
        """Draw the parameters of the twenty metals."""
        rng, numbers = np.random.default_rng(seed), [atomic_numbers[symbol] for symbol in METALS]

        def near(value: float, spread: float) -> dict[int, float]:
            return dict(zip(numbers, (value * np.exp(rng.normal(scale=spread, size=20))).tolist(), strict=True))

        hopping = near(1.5, 0.3)
        # In equilibrium at about r0: repulsion in proportion to the hopping.
        repulsion = {number: 0.1 * hopping[number] * factor for number, factor in near(1.0, 0.2).items()}
        distance = {number: 2.0 * float(covalent_radii[number]) for number in numbers}
        return cls(repulsion, hopping, near(10.5, 0.1), near(2.8, 0.15), distance)

    def labels(self, atoms: Atoms) -> tuple[float, NDArray[np.float64]]:
        """Return the energy in eV and the forces in eV/Å."""
        i, j, vectors, r = neighbor_list("ijDd", atoms, CUTOFF)

        def pair(values: dict[int, float]) -> NDArray[np.float64]:
            own = np.array([values[number] for number in atoms.numbers.tolist()])
            mean: NDArray[np.float64] = 0.5 * (own[i] + own[j])
            return mean

        a, xi, p, q, r0 = map(pair, (self.repulsion, self.hopping, self.p, self.q, self.distance))
        smooth = (1.0 - (r / CUTOFF) ** 2) ** 2
        slope = -4.0 * r / CUTOFF**2 * (1.0 - (r / CUTOFF) ** 2)
        repulsion, density = a * np.exp(-p * (r / r0 - 1)), xi**2 * np.exp(-2 * q * (r / r0 - 1))
        bond = np.sqrt(np.bincount(i, density * smooth, len(atoms)))
        energy = float((repulsion * smooth).sum() - bond.sum())
        # Each pair is there twice: half of the change of both atoms with the distance.
        of_repulsion = repulsion * (slope - p / r0 * smooth)
        of_bond = density * (slope - 2 * q / r0 * smooth) * 0.5 * (1 / bond[i] + 1 / bond[j])
        along = (2 * of_repulsion - of_bond)[:, None] * vectors / r[:, None]
        return energy, np.array([np.bincount(i, along[:, k], len(atoms)) for k in range(3)]).T


def cells(rng: np.random.Generator, n: int, n_elements: tuple[int, int], potential: SecondMoment) -> list[Atoms]:
    """Make labelled fcc cells of 16 atoms."""
    out = []
    for _ in range(n):
        some = rng.choice(METALS, rng.integers(*n_elements), replace=False)
        atoms = bulk("Cu", cubic=True, a=4.0) * (2, 2, 1)
        atoms.symbols = rng.choice(some, len(atoms))
        edge = np.sqrt(2) * np.mean([potential.distance[number] for number in atoms.numbers.tolist()])
        strain = np.eye(3) + rng.normal(size=(3, 3)) * 0.03
        atoms.set_cell(atoms.cell[:] @ strain * edge / 4.0 * rng.uniform(0.93, 1.05), scale_atoms=True)
        atoms.rattle(rng.uniform(0.02, 0.2), rng=rng)
        energy, forces = potential.labels(atoms)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        out.append(atoms)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("twenty"), help="folder of the files")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    potential, rng = SecondMoment.drawn(), np.random.default_rng(1)
    for part, n, n_elements in (("core", 60, (1, 2)), ("pool", 240, (2, 6)), ("test", 120, (2, 6))):
        write_exact(folder / f"Twenty.{part}.xyz", cells(rng, n, n_elements, potential))


if __name__ == "__main__":
    main()
