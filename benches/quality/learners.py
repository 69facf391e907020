"""Two learners that judge picks: a linear ACE potential, and kernel regression on SOAP, which is not ours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms
from benches.quality.systems import System, atomic_energies
from numpy.typing import NDArray

import mlipselect as ms
from mlipselect._core import LeastSquares

#: Total degree of the ACE that is fitted, by the number of elements: longer than what selects.
FITTED_DEGREE = {1: 14, 2: 8}

#: The ACE that is fitted to systems of so many elements that `ACE` takes species channels.
MANY, FITTED_CHANNELS = 12, {"species": "channels", "n_channels": 24, "totaldegree": [10, 7, 4]}

#: Weight of an energy times the root of the number of atoms; a force component has 1.
ENERGY_WEIGHT = 30.0


@dataclass(frozen=True)
class Errors:
    """Root mean square errors: of energies in meV per atom, of force components in eV/Å; NaN where not predicted."""

    energy: float
    forces: float


class Learner(ABC):
    """Learns from core and picks of a system, and predicts the rest of its pool and its test set."""

    name: ClassVar[str]
    #: What has to be installed.
    package: ClassVar[str | None] = None

    def __init__(self, system: System):
        self.core, self.pool, self.test = system.core, system.pool, system.test

    @abstractmethod
    def errors(self, picks: NDArray[np.int64]) -> Errors:
        """Learn from the core and the picks; return the errors over test set and rest of the pool together."""

    def judged(self, picks: NDArray[np.int64]) -> list[int]:
        """Return the positions, in pool and test set together, of what was not learned from."""
        chosen = set(picks.tolist())
        return [k for k in range(len(self.pool) + len(self.test)) if k not in chosen]


class LinearACE(Learner):
    """Bayesian linear regression of energies and forces on ACE, weights 30 per root of atoms and 1.

    `LinearPotential` fits it, prior and noise by the evidence. Energies of free atoms are fitted to the core.
    """

    name = "linear ACE"

    def __init__(self, system: System):
        super().__init__(system)
        n = len(system.elements)
        fitted = FITTED_CHANNELS if n >= MANY else {"totaldegree": FITTED_DEGREE.get(n, 5)}
        self._descriptor = ms.ACE(system.elements, **fitted)
        self._potential = ms.LinearPotential(
            self._descriptor, energy_weight=ENERGY_WEIGHT, forces_weight=1.0, n_threads=1
        )
        self._scales = self._descriptor.smoothness_prior(4.0)
        self._references = atomic_energies(self.core)
        self._of_core = LeastSquares(len(self._scales))
        for atoms in self.core:
            _add(self._of_core, *self._rows(atoms))
        self._others = self.pool + self.test
        self._made = [self._rows(atoms) for atoms in self._others]

    def errors(self, picks: NDArray[np.int64]) -> Errors:
        """Fit to the core and the picks."""
        wrong = self.residuals(picks)
        energies = [wrong[k][0] / len(self._others[k]) for k in self.judged(picks)]
        forces = [wrong[k][1:] for k in self.judged(picks)]
        return Errors(1000.0 * _rms(np.array(energies)), _rms(np.concatenate(forces)))

    def residuals(self, picks: Iterable[int]) -> list[NDArray[np.float64]]:
        """Fit to the core and the picks; return what energy and forces of each structure of pool and test set miss."""
        learned = self._of_core.copy()
        for k in picks:
            _add(learned, *self._made[k])
        weights = self._potential.fit_rows(learned, {}).weights_ * self._scales
        return [rows @ weights - targets for rows, targets in self._made]

    def _rows(self, atoms: Atoms) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the rows of the energy and the forces of a structure, and what they have to be."""
        design = self._descriptor.design(atoms)
        rows = np.concatenate([design.energy[None], design.forces.reshape(3 * len(atoms), -1)]) / self._scales
        return rows, np.concatenate([[_referred(atoms, self._references)], atoms.calc.results["forces"].ravel()])


def _add(learned: LeastSquares, rows: NDArray[np.float64], targets: NDArray[np.float64]) -> None:
    """Add the rows of the energy and the forces of a structure to a fit."""
    weights = np.ones(len(targets))
    weights[0] = ENERGY_WEIGHT / (len(targets) // 3) ** 0.5
    learned.add(rows, targets, weights, n_threads=1)


class KernelSOAP(Learner):
    """Sparse Gaussian process regression of energies on DScribe's SOAP, with the kernel of GAP: a power of the cosine.

    The noise maximises the likelihood over a grid. Forces are not predicted. Above `FULL` elements the power spectrum
    has a block for each element in place of one for each pair of them (J. P. Darby et al., npj Comput. Mater. 8, 166
    (2022)).
    """

    name = "kernel on SOAP"
    package = "dscribe"
    POWER, N_SPARSE, FULL = 4, 400, 4

    def __init__(self, system: System):
        super().__init__(system)
        from dscribe.descriptors import SOAP

        mode = "off" if len(system.elements) <= self.FULL else "mu1nu1"
        soap = SOAP(
            species=system.elements, r_cut=5.0, n_max=6, l_max=5, sigma=0.5, periodic=True, compression={"mode": mode}
        )
        everything = [*self.core, *self.pool, *self.test]
        sites = [_normalised(soap.create(atoms)) for atoms in everything]
        species = [atoms.numbers for atoms in everything]
        rng = np.random.default_rng(0)
        own, numbers = (
            np.concatenate(sites[: len(self.core) + len(self.pool)]),
            np.concatenate(species[: len(self.core) + len(self.pool)]),
        )
        sparse = rng.permutation(len(own))[: self.N_SPARSE]
        # Atoms of different elements have nothing in common.
        self._rows = np.array(
            [
                ((rows @ own[sparse].T) ** self.POWER * (z[:, None] == numbers[sparse])).mean(axis=0)
                for rows, z in zip(sites, species, strict=True)
            ]
        )
        gram = (own[sparse] @ own[sparse].T) ** self.POWER * (numbers[sparse][:, None] == numbers[sparse])
        values, vectors = np.linalg.eigh(gram)
        kept = values > 1e-10 * values[-1]
        self._rows = self._rows @ (vectors[:, kept] / np.sqrt(values[kept]))

    def errors(self, picks: NDArray[np.int64]) -> Errors:
        """Fit to the core and the picks."""
        learned = [*range(len(self.core)), *(len(self.core) + picks)]
        everything = [*self.core, *self.pool, *self.test]
        references = atomic_energies([everything[k] for k in learned])
        targets = np.array([_referred(atoms, references) / len(atoms) for atoms in everything])
        judged = [len(self.core) + k for k in self.judged(picks)]
        found = _ridge(self._rows[learned], targets[learned], self._rows[judged])
        return Errors(1000.0 * _rms(found - targets[judged]), float("nan"))


LEARNERS: tuple[type[Learner], ...] = (LinearACE, KernelSOAP)


def _ridge(rows: NDArray[np.float64], targets: NDArray[np.float64], asked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Predict by Gaussian process regression; the ratio of noise and prior maximises the likelihood over a grid."""
    values, vectors = np.linalg.eigh(rows @ rows.T)
    values, projected = np.maximum(values, 0.0), vectors.T @ targets

    def likelihood(noise: float) -> float:
        spread = values + noise
        scale = float(np.mean(projected**2 / spread))
        return -0.5 * (len(targets) * np.log(scale) + float(np.log(spread).sum()))

    noise = max(np.logspace(-10, 0, 41) * values[-1], key=likelihood)
    return asked @ (rows.T @ (vectors @ (projected / (values + noise))))


def _referred(atoms: Atoms, references: dict[int, float]) -> float:
    return float(atoms.calc.results["energy"] - sum(references.get(number, 0.0) for number in atoms.numbers.tolist()))


def _normalised(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))
