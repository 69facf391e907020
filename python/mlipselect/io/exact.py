"""Compare two structures in everything that they carry, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_changes, all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixCartesian, FixedLine, FixedPlane, FixScaled


def differences(atoms: Atoms, other: Atoms, ignore: str | None = None) -> list[str]:
    """List what differs between two structures.

    Species, positions, cell, periodicity, constraints, `info`, `arrays` and the results of a calculator are compared,
    floating-point numbers by their bits. Files do not distinguish a list from an array of the same values, or a label
    (``energy``, ``forces``, ...) in `info` or `arrays` from the same label among the results of a calculator; both
    count as equal. So do constraints that fix the same Cartesian components.

    Parameters
    ----------
    atoms, other : ase.Atoms
        The two structures.
    ignore : str, optional
        Keys that start with this prefix are not compared.

    Returns
    -------
    list of str
        Names of the parts that differ, such as ``"info['config_type']"``; empty if the structures are equal.
    """
    if len(atoms) != len(other):
        return ["the number of atoms"]
    geometry = ("numbers", "positions", "cell", "pbc")
    found = [name for name in geometry if not same(*(np.asarray(getattr(x, name)) for x in (atoms, other)))]
    if not same(*(displacement(x) for x in (atoms, other))):
        found.append(DISPLACEMENT)
    if not same(*map(_constraints, (atoms, other))):
        found.append(CONSTRAINTS)
    for place, first, second in zip(("info", "arrays"), labels(atoms), labels(other), strict=True):
        for key in [*first, *(key for key in second if key not in first)]:
            if ignore is not None and str(key).startswith(ignore):
                continue
            if key not in first or key not in second or not same(first[key], second[key]):
                found.append(f"{place}[{key!r}]")
    return found


def labels(atoms: Atoms) -> tuple[dict[str, Any], dict[str, Any]]:
    """Collect the labels of a structure: values of the whole structure, and values per atom.

    The results of a calculator are included, unless the structure has changed since they were computed. Stress is a
    3 x 3 matrix.
    """
    whole: dict[str, Any] = dict(atoms.info)
    per_atom: dict[str, Any] = {
        key: array for key, array in atoms.arrays.items() if key not in ("numbers", "positions")
    }
    for key, value in results(atoms).items():
        target = per_atom if is_per_atom(key, value, len(atoms)) else whole
        if key in target and not same(target[key], value):
            target[key] = _Conflict()
        else:
            target[key] = value
    if "stress" in whole:
        whole["stress"] = full_stress(whole["stress"])
    return whole, per_atom


def full_stress(value: Any) -> Any:
    """Return a stress of 6 numbers (xx, yy, zz, yz, xz, xy) or 9 as a 3 x 3 matrix, and anything else as it is."""
    try:
        shape = np.shape(value)
    except ValueError:  # ragged lists
        return value
    if shape == (6,):
        xx, yy, zz, yz, xz, xy = np.asarray(value)
        return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    return np.reshape(value, (3, 3)) if shape == (9,) else value


PER_ATOM = frozenset({"born_effective_charges", "charges", "energies", "forces", "magmoms", "stresses"})
"""Results of a calculator that have one row per atom."""


def is_per_atom(key: str, value: Any, n_atoms: int) -> bool:
    """Tell whether a result of a calculator has one row per atom."""
    return key in PER_ATOM and np.ndim(value) > 0 and len(value) == n_atoms


class _Conflict:
    """The value of a label that a structure carries twice with different values: equal to nothing."""


def results(atoms: Atoms) -> dict[str, Any]:
    """Return the results of the calculator that still hold for the structure, by the names that ASE knows."""
    return {key: value for key, value in _valid(atoms).items() if key in all_properties}


def further_results(atoms: Atoms) -> dict[str, Any]:
    """Return the results of the calculator that still hold, under names that ASE does not know."""
    return {str(key): value for key, value in _valid(atoms).items() if key not in all_properties}


def is_stale(atoms: Atoms) -> bool:
    """Tell whether the calculator has results that belong to other positions, cell or species than the structure's."""
    known = getattr(atoms.calc, "results", {})
    return any(value is not None for value in known.values()) and bool(_changes_since(atoms))


def _valid(atoms: Atoms) -> dict[str, Any]:
    known = getattr(atoms.calc, "results", {})
    if not known or _changes_since(atoms):
        return {}
    return {key: value for key, value in known.items() if value is not None}


def _changes_since(atoms: Atoms) -> list[str]:
    """Name what has changed since the calculator computed its results."""
    calculator = atoms.calc
    if isinstance(calculator, SinglePointCalculator) and _is_equal(calculator.atoms, atoms):
        return []
    check = getattr(calculator, "check_state", None)
    try:
        return [] if check is None else list(check(atoms))
    except TypeError:  # charges or moments that are no numbers
        return ["what cannot be compared"]


def _is_equal(before: Atoms | None, atoms: Atoms) -> bool:
    """Tell faster than ASE whether two structures are equal to the last bit in what results depend on."""
    if before is None or not (np.array_equal(before.pbc, atoms.pbc) and np.array_equal(before.cell, atoms.cell)):
        return False
    names = [name for name in all_changes if name in before.arrays or name in atoms.arrays]
    return all(
        name in before.arrays and name in atoms.arrays and same(before.arrays[name], atoms.arrays[name])
        for name in names
    )


def same(first: Any, second: Any) -> bool:
    """Tell whether two values are equal: arrays by kind, shape and bits, other values by type and equality."""
    if isinstance(first, dict) or isinstance(second, dict):
        return (
            isinstance(first, dict)
            and isinstance(second, dict)
            and list(first) == list(second)
            and all(same(first[key], second[key]) for key in first)
        )
    if first is None or second is None:
        return first is second
    try:
        a, b = np.asarray(first), np.asarray(second)
    except ValueError:  # ragged lists
        listed = all(isinstance(value, (list, tuple)) or np.ndim(value) > 0 for value in (first, second))
        return listed and len(first) == len(second) and all(map(same, first, second))
    kinds = {_kind(a), _kind(b)}
    if len(kinds) > 1 or a.shape != b.shape:
        return False
    if kinds == {"float"}:
        a, b = a.astype(np.float64), b.astype(np.float64)
        return bool(np.all((a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))))
    if kinds == {"object"} and a.ndim > 0:
        return all(same(x, y) for x, y in zip(a.ravel(), b.ravel(), strict=True))
    return bool(np.all(a == b))


def _kind(array: np.ndarray[Any, Any]) -> str:
    names = {
        "f": "float",
        "i": "integer",
        "u": "integer",
        "U": "text",
        "S": "text",
        "b": "logical",
        "c": "complex",
    }
    if array.dtype.kind == "O" and all(isinstance(item, str) for item in array.ravel()):
        return "text"  # ASE reads columns of text as objects
    return names.get(array.dtype.kind, "object")


CONSTRAINTS = "constraints"
DISPLACEMENT = "the displacement of the cell"


def displacement(atoms: Atoms) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the displacement of the cell, shape (3,), whose zeros have no sign."""
    return np.ravel(atoms.get_celldisp()).astype(np.float64) + 0.0  # type: ignore[no-untyped-call]


def _constraints(atoms: Atoms) -> list[Any]:
    """Return constraints in a comparable form: the components that are fixed, then constraints of other kinds."""
    others = [described(constraint) for constraint in atoms.constraints if fixed_directions(constraint, atoms) is None]
    return [{"fixed": fixed_components(atoms), "others": dict(enumerate(others))}]


def described(constraint: Any) -> dict[str, Any]:
    """Return what a constraint is, in a form that `same` compares."""
    return constraint.todict() if hasattr(constraint, "todict") else {"name": repr(constraint)}


def fixed_components(atoms: Atoms) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Mark the Cartesian components that constraints fix, shape (n_atoms, 3); see `fixed_directions`."""
    fixed = np.zeros((len(atoms), 3), dtype=bool)
    for constraint in atoms.constraints:
        directions = fixed_directions(constraint, atoms)
        if directions is not None:
            fixed[constraint.index] |= directions
    return fixed


def fixed_directions(constraint: Any, atoms: Atoms) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Tell which Cartesian components a constraint fixes.

    Parameters
    ----------
    constraint : ase.constraints.FixConstraint
        A constraint of `atoms`.
    atoms : ase.Atoms
        The structure, whose cell a `FixScaled` refers to.

    Returns
    -------
    ndarray of bool, shape (3,), or None
        None for a constraint of another kind, or in directions that are not along Cartesian axes.
    """
    if isinstance(constraint, FixAtoms):
        return np.ones(3, dtype=bool)
    if isinstance(constraint, FixCartesian):
        return np.asarray(constraint.mask, dtype=bool)
    if isinstance(constraint, FixScaled):
        # A scaled coordinate that is fixed forbids displacements along its reciprocal vector.
        directions = np.linalg.pinv(atoms.cell.complete()).T[np.asarray(constraint.mask, dtype=bool)]
    elif isinstance(constraint, (FixedLine, FixedPlane)):
        directions = np.asarray(constraint.dir, dtype=float).reshape(1, 3)
    else:
        return None
    projector = np.linalg.pinv(directions) @ directions if len(directions) else np.zeros((3, 3))
    if isinstance(constraint, FixedLine):
        projector = np.eye(3) - projector
    fixed = np.diag(projector) > 0.5
    return fixed if np.allclose(projector, np.diag(fixed), rtol=0, atol=1e-12) else None
