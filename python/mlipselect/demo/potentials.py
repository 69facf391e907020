"""Potentials fitted to the core and chosen or random structures, and their errors."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

from mlipselect.demo.tersoff import silicon_tersoff
from mlipselect.descriptors import ACE
from mlipselect.labels import LabelOptions, read_labels
from mlipselect.models import LinearPotential
from mlipselect.models.rows import LabelRows

#: Total degree of the ACE, small enough for fits of a fraction of a second.
TOTALDEGREE = 12


@dataclass(frozen=True)
class Quality:
    """Errors of a potential.

    Attributes
    ----------
    energy_rmse : float
        Root mean square error of the energy over the pool, in meV per atom.
    force_rmse : float
        Root mean square error of force components over the pool, in eV/Å.
    """

    energy_rmse: float
    force_rmse: float


class Trials:
    """Potentials that are fitted to the core and some of the pool, and judged by all of the pool.

    The rows of every structure are computed once, and reduced to triangular factors that a fit merges.

    Parameters
    ----------
    core, pool : sequence of ase.Atoms
        Structures of silicon with results.
    n_threads : int, optional
        Number of threads, by default all cores.
    """

    def __init__(self, core: Sequence[Atoms], pool: Sequence[Atoms], n_threads: int | None = None):
        descriptor = ACE(["Si"], totaldegree=TOTALDEGREE)
        # Tersoff's energy of a free atom is zero.
        self._references = {"Si": 0.0}
        self._potential = LinearPotential(descriptor, reference_energies=self._references, n_threads=n_threads)
        self._n_threads = n_threads
        self._core = self._rows(core)
        self._pool = [self._rows([atoms]) for atoms in pool]
        self._sizes = np.array([len(atoms) for atoms in pool])
        designs = list(descriptor.designs(pool, n_threads=n_threads))
        self._energy_rows = np.array([design.energy for design in designs])
        self._force_rows = np.concatenate([design.forces for design in designs])
        self._energies = np.array([atoms.get_potential_energy() for atoms in pool])  # type: ignore[no-untyped-call]
        self._forces = np.concatenate([atoms.get_forces().ravel() for atoms in pool])  # type: ignore[no-untyped-call]

    def quality(self, picks: NDArray[np.int64]) -> Quality:
        """Fit to the core and the picks, and measure the errors over all of the pool.

        Parameters
        ----------
        picks : ndarray of int64
            Indices of the structures of the pool to fit to.

        Returns
        -------
        Quality
            The errors.
        """
        rows = LabelRows(self._core.dim)
        for part in (self._core, *(self._pool[pick] for pick in picks)):
            rows.merge(part, n_threads=self._n_threads)
        weights = self._potential.fit_rows(rows, self._references).weights_
        energies = (self._energy_rows @ weights - self._energies) / self._sizes
        forces = self._force_rows @ weights - self._forces
        return Quality(1000.0 * float(np.sqrt(np.mean(energies**2))), float(np.sqrt(np.mean(forces**2))))

    def _rows(self, structures: Sequence[Atoms]) -> LabelRows:
        labels = read_labels(structures, LabelOptions("calculator", "calculator", "none", "calculator"))
        return self._potential.rows(structures, labels, self._references)


def label(structures: Sequence[Atoms], n_processes: int = 1) -> list[Atoms]:
    """Compute energies, forces and stresses with Tersoff's silicon, which stands in for density functional theory.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        Structures of silicon.
    n_processes : int, default=1
        Number of processes. More than one need a script that can be imported, as `multiprocessing` does.

    Returns
    -------
    list of ase.Atoms
        Copies with results.
    """
    if n_processes == 1:
        return [_labelled(atoms) for atoms in structures]
    # A fork would copy locks of threads that do not exist in the child.
    with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as processes:
        return list(processes.map(_labelled, structures, chunksize=4))


def _labelled(atoms: Atoms) -> Atoms:
    calculator = silicon_tersoff()
    out: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    out.calc = calculator
    results = {"energy": out.get_potential_energy(), "forces": out.get_forces(), "stress": out.get_stress()}  # type: ignore[no-untyped-call]
    out.calc = SinglePointCalculator(out, **results)  # type: ignore[no-untyped-call]
    return out
