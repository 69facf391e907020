"""Compare two structures in everything that they carry, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.constraints import FixAtoms, FixCartesian


def differences(atoms: Atoms, other: Atoms, ignore: str | None = None) -> list[str]:
    """List what differs between two structures.

    Species, positions, cell, periodicity, constraints, `info`, `arrays` and the results of a calculator are compared,
    floating-point numbers by their bits. Files do not distinguish a list from an array of the same values, or a label
    (``energy``, ``forces``, ...) in `info` or `arrays` from the same label among the results of a calculator; both
    count as equal.

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
    if not same(*(x.get_celldisp() for x in (atoms, other))):  # type: ignore[no-untyped-call]
        found.append("the displacement of the cell")
    if _constraints(atoms) != _constraints(other):
        found.append("constraints")
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
        per_atom_result = np.ndim(value) > 0 and len(value) == len(atoms) and key in PER_ATOM
        target = per_atom if per_atom_result else whole
        if key in target and not same(target[key], value):
            target[key] = _Conflict()
        else:
            target[key] = value
    if "stress" in whole and np.shape(whole["stress"]) == (6,):
        xx, yy, zz, yz, xz, xy = np.asarray(whole["stress"])
        whole["stress"] = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    return whole, per_atom


PER_ATOM = frozenset({"born_effective_charges", "charges", "energies", "forces", "magmoms", "stresses"})
"""Results of a calculator that have one row per atom."""


class _Conflict:
    """The value of a label that a structure carries twice with different values: equal to nothing."""


def results(atoms: Atoms) -> dict[str, Any]:
    """Return the results of the calculator that still hold for the structure."""
    calculator = atoms.calc
    if calculator is None or getattr(calculator, "check_state", lambda _: [])(atoms):
        return {}
    known = getattr(calculator, "results", {})
    return {key: value for key, value in known.items() if key in all_properties and value is not None}


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
        return bool(first == second)
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


def _constraints(atoms: Atoms) -> Any:
    """Return constraints in a comparable form: the fixed components if no other kind of constraint is set."""
    if all(isinstance(constraint, (FixAtoms, FixCartesian)) for constraint in atoms.constraints):
        return fixed_components(atoms).tolist()
    return [constraint.todict() for constraint in atoms.constraints]


def fixed_components(atoms: Atoms) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Mark the Cartesian components that `FixAtoms` and `FixCartesian` fix, shape (n_atoms, 3)."""
    fixed = np.zeros((len(atoms), 3), dtype=bool)
    for constraint in atoms.constraints:
        if isinstance(constraint, FixAtoms):
            fixed[constraint.index] = True
        elif isinstance(constraint, FixCartesian):
            fixed[constraint.index] |= np.asarray(constraint.mask, dtype=bool)
    return fixed
