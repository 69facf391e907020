"""Labels in other units and orders than ASE's, attached to a structure as ASE attaches them."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa
from numpy.typing import NDArray

KBAR = 0.1 * GPa
"""One kbar in eV/Å^3."""


def attach(atoms: Atoms, **results: Any) -> Atoms:
    """Give a structure the results of a calculation; those that are None are absent.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure.
    **results : float or ndarray
        ``energy`` in eV, ``forces`` in eV/Å, shape (n_atoms, 3), ``stress`` in eV/Å^3, shape (6,), in ASE's order
        and sign, or other results by ASE's names.
    """
    given = {name: value for name, value in results.items() if value is not None}
    if given:
        atoms.calc = SinglePointCalculator(atoms, **given)  # type: ignore[no-untyped-call]
    return atoms


def voigt(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a 3 x 3 matrix as xx yy zz yz xz xy; components off the diagonal are means of two."""
    mean = 0.5 * (matrix + matrix.T)
    return mean[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def stress_of_virial(virial: NDArray[np.float64], atoms: Atoms) -> NDArray[np.float64] | None:
    """Return the stress in eV/Å^3 of a virial in eV, which is -volume * stress; None without three periodic directions.

    Parameters
    ----------
    virial : ndarray of shape (6,) or (3, 3)
        The virial, six numbers in the order xx yy zz yz xz xy.
    atoms : ase.Atoms
        The structure.
    """
    if not all(atoms.pbc) or atoms.cell.rank < 3:
        return None
    components = voigt(virial) if virial.shape == (3, 3) else virial
    return -components / atoms.get_volume()  # type: ignore[no-any-return,no-untyped-call]
