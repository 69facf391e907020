"""Linear ACE potentials fitted to the core and a selection, and how well they predict all of the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from benches.paper.silicon import REFERENCE_ENERGIES, Silicon

import mlipselect as ms
from mlipselect._core import LeastSquares
from mlipselect.labels import LabelOptions, read_labels
from mlipselect.progress import progress_bar

KEYS = LabelOptions("dft_energy", "dft_force", "dft_virial", "none")
WEIGHTS = {"energy": 30.0, "forces": 1.0, "virial": 30.0}
ONLY_FORCES = LabelOptions("none", "dft_force", "none", "none")


def paper_potential() -> ms.LinearPotential:
    """Make the potential of the paper, not yet fitted."""
    return ms.LinearPotential(
        ms.ACE(["Si"], order=3, totaldegree=16, rcut=5.0),
        **{f"{kind}_weight": weight for kind, weight in WEIGHTS.items()},
        prior_power=4.0,
        reference_energies=REFERENCE_ENERGIES,
    )


@dataclass(frozen=True)
class Laboratory:
    """Triangles that every fit and every error is made of.

    Attributes
    ----------
    core : LeastSquares
        Weighted rows of the core.
    pool : list of LeastSquares
        Weighted rows of each structure of the pool.
    energies, forces : LeastSquares
        Energies per atom, and forces, of core and pool together.
    """

    core: LeastSquares
    pool: list[LeastSquares]
    energies: LeastSquares
    forces: LeastSquares

    @classmethod
    def build(cls, data: Silicon) -> Laboratory:
        """Differentiate every structure once."""
        potential, total = paper_potential(), data.core + data.pool
        core_labels, pool_labels = read_labels(data.core, KEYS), read_labels(data.pool, KEYS)
        pool = progress_bar(None, iterable=iter(data.pool), total=len(data.pool), desc="pool", unit="structure")
        return cls(
            core=potential.rows(data.core, core_labels, REFERENCE_ENERGIES).weighted(WEIGHTS),
            pool=[
                potential.rows([atoms], [labels], REFERENCE_ENERGIES).weighted(WEIGHTS)
                for atoms, labels in zip(pool, pool_labels, strict=True)
            ],
            energies=_energies_per_atom(potential, total),
            forces=potential.rows(total, read_labels(total, ONLY_FORCES), REFERENCE_ENERGIES).factors["forces"],
        )

    def fit(self, picks: tuple[int, ...]) -> ms.LinearPotential:
        """Fit a potential to the core and some structures of the pool."""
        rows = self.core.copy()
        for pick in picks:
            rows.merge(self.pool[pick])
        return paper_potential().fit_rows(rows, REFERENCE_ENERGIES)

    def errors(self, potential: ms.LinearPotential) -> tuple[float, float]:
        """Root mean square errors over core and pool: of energies, in eV an atom, and of force components, in eV/Å."""
        scaled = potential.weights_ * potential.descriptor.smoothness_prior(4.0)
        squares = [part.squared_error(scaled) / part.n_rows for part in (self.energies, self.forces)]
        return float(np.sqrt(squares[0])), float(np.sqrt(squares[1]))


def _energies_per_atom(potential: ms.LinearPotential, structures: list[Atoms]) -> LeastSquares:
    """Rows of energies per atom, not weighted."""
    means = potential.descriptor.structure_features(structures) / potential.descriptor.smoothness_prior(4.0)
    targets = [atoms.info["dft_energy"] / len(atoms) - REFERENCE_ENERGIES["Si"] for atoms in structures]
    rows = LeastSquares(means.shape[1])
    rows.add(means, np.array(targets), np.ones(len(targets)))
    return rows
