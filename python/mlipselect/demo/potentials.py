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

from mlipselect.demo.surfaces import surface_energy
from mlipselect.demo.tersoff import silicon_tersoff
from mlipselect.descriptors import ACE
from mlipselect.labels import LabelOptions
from mlipselect.models import LinearPotential, prediction_errors

#: Total degree of the ACE, small enough for fits of a second.
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
    surface : float
        Energy of the relaxed (100) surface in J/m^2; NaN if the relaxation does not converge.
    """

    energy_rmse: float
    force_rmse: float
    surface: float


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


def potential_quality(core: Sequence[Atoms], pool: Sequence[Atoms], picks: NDArray[np.int64]) -> Quality:
    """Fit a linear potential to the core and some of the pool, and measure its errors.

    Parameters
    ----------
    core, pool : sequence of ase.Atoms
        Structures with results.
    picks : ndarray of int64
        Indices of the structures of the pool to fit to.

    Returns
    -------
    Quality
        Errors over all of the pool.
    """
    descriptor = ACE(["Si"], totaldegree=TOTALDEGREE)
    training = [*core, *(pool[pick] for pick in picks)]
    # Tersoff's energy of a free atom is zero.
    potential = LinearPotential(descriptor, reference_energies={"Si": 0.0}).fit(training, energy_key="calculator")
    errors = prediction_errors(potential, pool, LabelOptions("calculator", "calculator", "none", "none"))
    return Quality(1000.0 * errors.energy, errors.forces, surface_energy("100", potential.calculator()))


def _labelled(atoms: Atoms) -> Atoms:
    calculator = silicon_tersoff()
    out: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    out.calc = calculator
    results = {"energy": out.get_potential_energy(), "forces": out.get_forces(), "stress": out.get_stress()}  # type: ignore[no-untyped-call]
    out.calc = SinglePointCalculator(out, **results)  # type: ignore[no-untyped-call]
    return out
