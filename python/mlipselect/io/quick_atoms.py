"""Make structures and their results without the constructors of ASE, which take longer than parsing small frames.

An `ase.Atoms` is a handful of attributes. Where the installed ASE has just those that are known here, they are set
directly; else the constructors are called. Both give the same objects, which tests compare.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cell import Cell
from ase.io.extxyz import per_config_properties, set_calc_and_arrays
from numpy.typing import NDArray

#: The attributes of a structure, and of a calculator that holds results.
_OF_ATOMS = {"_cellobj", "_pbc", "arrays", "_celldisp", "_constraints", "info", "_calc"}
_OF_CALCULATOR = {"atoms", "results", "parameters", "_directory", "prefix", "get_spin_polarized", "use_cache"}

_PROPERTIES = frozenset(all_properties)
_OF_THE_WHOLE = frozenset(per_config_properties)
_SCALARS = ("energy", "magmom", "free_energy")

_CALCULATOR = SinglePointCalculator(Atoms("H"), energy=0.0)  # type: ignore[no-untyped-call]
_GET_SPIN_POLARIZED: Any = getattr(getattr(_CALCULATOR, "get_spin_polarized", None), "__func__", None)
_IS_KNOWN = (
    _GET_SPIN_POLARIZED is not None
    and vars(Atoms("H")).keys() == _OF_ATOMS
    and vars(_CALCULATOR).keys() == _OF_CALCULATOR
)


def make_atoms(
    numbers: NDArray[np.int64],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64] | None,
    pbc: Any,
    info: dict[str, Any],
    arrays: dict[str, Any],
) -> Atoms:
    """Make a structure as ASE's reader of extended XYZ does.

    Parameters
    ----------
    numbers : ndarray of shape (n_atoms,)
        Atomic numbers, kept without a copy.
    positions : ndarray of shape (n_atoms, 3)
        Positions in Å, kept without a copy.
    cell : ndarray of shape (3, 3), optional
        Cell vectors in Å.
    pbc : bool or three of them, optional
        Periodicity.
    info : dict
        Values of the whole structure, kept without a copy; those that are results of a calculator are moved there.
    arrays : dict
        Further properties of the atoms; those that are results of a calculator become that.
    """
    if not _IS_KNOWN:
        atoms = Atoms(numbers=numbers, positions=positions, cell=cell, pbc=pbc, info=info)
        set_calc_and_arrays(atoms, arrays)  # type: ignore[no-untyped-call]
        return atoms
    results = {name: array for name, array in arrays.items() if name in _PROPERTIES}
    own = {name: np.array(array, order="C") for name, array in arrays.items() if name not in results}
    for key in [key for key in info if key in _OF_THE_WHOLE]:
        value = info.pop(key)
        if key == "stress" and value.shape == (3, 3):
            value = value[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        results[key] = value
    lattice = np.zeros((3, 3)) if cell is None else np.array(cell, dtype=float)
    periodic = np.zeros(3, dtype=bool)
    if pbc is not None:
        periodic[:] = pbc
    geometry = {"numbers": numbers, "positions": positions}
    atoms = _atoms(geometry | own, lattice, periodic, info)
    if results:
        atoms._calc = _calculator(atoms, results)
    return atoms


def _atoms(
    arrays: dict[str, NDArray[Any]], cell: NDArray[np.float64], pbc: NDArray[np.bool_], info: dict[str, Any]
) -> Atoms:
    atoms = Atoms.__new__(Atoms)
    atoms.__dict__ = {
        "_cellobj": Cell(cell),  # type: ignore[no-untyped-call]
        "_pbc": pbc,
        "arrays": arrays,
        "_celldisp": np.zeros((3, 1)),
        "_constraints": [],
        "info": info,
        "_calc": None,
    }
    return atoms


def _calculator(atoms: Atoms, results: dict[str, Any]) -> SinglePointCalculator:
    """Make a calculator that holds results of the structure as it is now."""
    made = SinglePointCalculator.__new__(SinglePointCalculator)
    arrays = {name: array.copy() for name, array in atoms.arrays.items()}
    made.__dict__ = vars(_CALCULATOR) | {
        "atoms": _atoms(arrays, atoms._cellobj.array.copy(), atoms._pbc.copy(), dict(atoms.info)),
        "results": {
            name: value if name in _SCALARS else np.asarray(value, dtype=float) for name, value in results.items()
        },
        "parameters": type(_CALCULATOR.parameters)(),
        "get_spin_polarized": types.MethodType(_GET_SPIN_POLARIZED, made),
    }
    return made
