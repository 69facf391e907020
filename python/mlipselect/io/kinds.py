"""Of what kinds the parts of a structure are: structures of equal kinds fit into a file in the same way."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from ase import Atoms

from mlipselect.io.as_text import with_text
from mlipselect.io.exact import displacement, fixed_directions, full_stress, further_results, is_stale, results, same

INT32 = np.iinfo(np.int32)


def kinds(atoms: Atoms, ignore: str | None = None) -> Hashable:
    """Say of what kinds the parts of a structure are.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure.
    ignore : str, optional
        Keys of `info` that start with this prefix are passed over.

    Returns
    -------
    hashable
        Equal for two structures whose parts have equal names, types, shapes and peculiarities. What becomes of a
        part in a file depends on nothing else: not on numbers, and not on the number of atoms.
    """
    known = results(atoms)
    info = tuple(
        (key, kind(value)) for key, value in atoms.info.items() if ignore is None or not str(key).startswith(ignore)
    )
    arrays = tuple(
        (name, column_kind(array)) for name, array in atoms.arrays.items() if name not in ("numbers", "positions")
    )
    labels = tuple((key, _label_kind(key, value, len(atoms))) for key, value in known.items())
    further = tuple((key, _label_kind(key, value, len(atoms))) for key, value in further_results(atoms).items())
    conflicts = tuple(
        (place, key)
        for place, held in (("info", atoms.info), ("arrays", atoms.arrays))
        for key in held
        if key in known and not same(full_stress(held[key]), full_stress(known[key]))
    )
    constraints = tuple(
        (type(constraint).__name__, fixed_directions(constraint, atoms) is None) for constraint in atoms.constraints
    )
    rest = (bool(displacement(atoms).any()), is_stale(atoms), len(atoms) == 0, len(atoms) == 1)
    return info, arrays, labels, further, conflicts, constraints, rest


def geometry_kind(atoms: Atoms) -> Hashable:
    """Say what formats of rounded numbers depend on: periodicity, orientation, and atoms outside the cell."""
    cell = np.asarray(atoms.cell)
    rank = int(atoms.cell.rank)
    standard = bool(np.array_equal(cell, np.tril(cell)) and np.all(np.diag(cell) >= 0))
    inside = True
    if rank == 3 and len(atoms):
        scaled = atoms.cell.scaled_positions(atoms.positions)
        inside = bool(np.all((scaled >= 0) & (scaled < 1)))
    by_species = bool(np.all(np.diff(atoms.numbers) >= 0))
    return tuple(atoms.pbc.tolist()), rank, standard, inside, by_species


def kind(value: Any) -> Hashable:
    """Say of what kind a value of `Atoms.info` is."""
    if value is None or isinstance(value, (bool, np.bool_, str)):
        return type(value).__name__
    if isinstance(value, (int, np.integer)):
        return "int" if -(2**63) <= int(value) < 2**63 else "large int"
    if isinstance(value, (float, np.floating)):
        return "float"
    if isinstance(value, dict):
        return "dict", tuple((type(key).__name__, key, kind(item)) for key, item in value.items())
    if isinstance(value, np.ndarray):
        items = tuple(map(kind, value.ravel().tolist())) if value.dtype.kind not in "fibcUSV" else ()
        return "array", value.dtype.kind, value.shape, tuple(dict.fromkeys(items)), _is_symmetric(value)
    if isinstance(value, (list, tuple)):
        return type(value).__name__, len(value), _shortened(tuple(map(kind, value))), _is_symmetric(value)
    try:
        return type(value).__name__, type(with_text(value)).__name__
    except ValueError:
        return type(value).__name__, None


def _shortened(items: tuple[Hashable, ...]) -> Hashable:
    """Say once what is true of all items."""
    return items[0] if items and items.count(items[0]) == len(items) else items


def _label_kind(key: str, value: Any, n_atoms: int) -> Hashable:
    if isinstance(value, (str, int, float, dict)):
        return kind(value)
    array = np.asarray(value)
    per_atom = array.ndim > 0 and len(array) == n_atoms
    shape = array.shape[1:] if per_atom else array.shape
    stress = key == "stress" and _is_symmetric(array)
    return array.dtype.kind, per_atom, shape, column_kind(array) if per_atom else kind(array), stress


def _is_symmetric(value: Any) -> bool:
    """Tell whether a 3 x 3 matrix, or its 9 numbers, are symmetric."""
    try:
        matrix = np.reshape(np.asarray(value), (3, 3))
    except ValueError:
        return False
    return same(matrix, matrix.T)


def column_kind(array: np.ndarray[Any, Any]) -> Hashable:
    """Say of what kind an array of `Atoms.arrays` is, whatever the number of atoms."""
    peculiar: Hashable = None
    if array.dtype.kind in "iu" and array.size:
        peculiar = fits_int32(array), bool(np.array_equal(array.astype(np.float64).astype(array.dtype), array))
    elif array.dtype.kind in "OUS":
        peculiar = are_words(array), tuple(sorted({type(item).__name__ for item in array.ravel().tolist()}))
    return array.dtype.kind, array.shape[1:], peculiar


def fits_int32(array: np.ndarray[Any, Any]) -> bool:
    """Tell whether integers are in the range that ASE reads from columns."""
    return array.size == 0 or bool(INT32.min <= array.min() and array.max() <= INT32.max)


def are_words(array: np.ndarray[Any, Any]) -> bool:
    """Tell whether every entry is a text without blanks, and not empty."""
    return all(
        isinstance(item, str) and len(item.split()) == 1 and item == item.strip() for item in array.ravel().tolist()
    )
