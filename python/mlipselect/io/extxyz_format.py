"""Fit a structure into extended XYZ: what the format has no place for becomes text, changes its shape, or is let go."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.io.extxyz import per_config_properties
from ase.io.formats import open_with_compression

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.as_text import with_text
from mlipselect.io.changes import AS_PAIRS, AS_REALS, AS_TEXT, CHANGED, RENAMED, Change
from mlipselect.io.exact import (
    DISPLACEMENT,
    PER_ATOM,
    differences,
    displacement,
    fixed_directions,
    full_stress,
    is_per_atom,
    results,
    same,
)
from mlipselect.io.extxyz import COLUMN_NAMES, encode, format_frame
from mlipselect.io.kinds import are_words, fits_int32
from mlipselect.io.misfits import remove_misfits
from mlipselect.io.raw_frames import raw_frames
from mlipselect.io.tolerant_extxyz import parse_extxyz
from mlipselect.utils.as_array import as_array

#: Keys of the comment line, in lower case, that say how the rest is read.
RESERVED_KEYS = frozenset({"pbc", "lattice", "properties"})
#: Names of columns that readers make something else of than an array of that name.
RESERVED_COLUMNS = frozenset({"species", "pos", "z", "symbols", "numbers", "positions", "move_mask", "charge"})
#: Keys whose values ASE turns into arrays of real numbers.
REAL_RESULTS = frozenset(per_config_properties) - {"energy", "free_energy", "magmom"}


class ExtxyzFormat:
    """Extended XYZ with every digit, written by `format_frame`.

    Attributes
    ----------
    is_exact : bool
        Whether numbers are kept whatever they are.
    holds_one : bool
        Whether a file holds one structure only.
    """

    is_exact = True
    holds_one = False

    def fit(self, atoms: Atoms) -> list[Change]:
        """Change a structure so that a file can hold it exactly.

        Parameters
        ----------
        atoms : ase.Atoms
            A copy of the structure, with a `SinglePointCalculator` or none; it is changed.

        Returns
        -------
        list of Change
            What was changed.
        """
        changes = []
        if displacement(atoms).any():
            changes.append(Change(DISPLACEMENT))
        atoms.set_celldisp(np.zeros(3))  # type: ignore[no-untyped-call]
        kept = []
        for constraint in atoms.constraints:
            name = type(constraint).__name__
            if fixed_directions(constraint, atoms) is not None:
                kept.append(constraint)
            elif name in ("FixScaled", "FixedLine", "FixedPlane"):
                changes.append(Change(f"{name} in directions between the axes"))
            else:
                changes.append(Change(name))
        atoms.set_constraint(kept)  # type: ignore[no-untyped-call]
        changes += _fit_results(atoms)
        changes += _fit_info(atoms)
        changes += _fit_arrays(atoms)
        return changes

    def try_out(
        self,
        atoms: Atoms,
        other: Atoms | None,  # noqa: ARG002
        filename: str,  # noqa: ARG002
    ) -> tuple[list[Change], list[Change]]:
        """Find keys and arrays of a structure that are not read as they are written, and remove them.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure, which fits; it is changed.
        other : ase.Atoms, optional
            A structure to write before it, which makes no difference here.
        filename : str
            Name of a file, which makes no difference either.

        Returns
        -------
        misfits, changes : list of Change
            What was removed, and an empty list.

        Raises
        ------
        InvalidInputError
            Number, species or places of the atoms are not read as they are written.
        """
        misfits = remove_misfits(atoms, lambda trial: not _lost(trial))
        if parts := _lost(atoms):
            raise InvalidInputError(f"cannot keep {', '.join(parts)}")
        return misfits, []

    def write(self, path: str, structures: Sequence[Atoms], filename: str) -> list[Atoms]:  # noqa: ARG002
        """Write structures, and read the file back."""
        with open_with_compression(path, "wb") as stream:
            for atoms in structures:
                stream.write(format_frame(atoms).encode())
        return [raw.build() for raw in raw_frames(path)] if structures else []

    def changes(self, atoms: Atoms, found: Atoms) -> list[Change]:
        """Say what has become of a structure that was read back."""
        return [Change(part, CHANGED) for part in differences(atoms, found)]


def _lost(atoms: Atoms) -> list[str]:
    """Name the parts of a structure that are not read as they are written."""
    try:
        return differences(atoms, parse_extxyz(format_frame(atoms)))
    except Exception as error:  # readers fail in many ways
        return [f"the structure: {error}"]


def _fit_results(atoms: Atoms) -> list[Change]:
    """Give the results of the calculator the shapes that columns and keys have."""
    changes = []
    held = {} if atoms.calc is None else atoms.calc.results
    for key, value in results(atoms).items():
        array, part = np.asanyarray(value), f"the result {key}"
        if is_per_atom(key, value, len(atoms)):
            column, what = as_column(array)
            if what is None:
                continue
            changes.append(Change(part, what))
            if column is None:
                del held[key]
            else:
                held[key] = column
        elif key == "stress":
            full = full_stress(array)
            if full.shape != (3, 3):
                changes.append(Change(part))
                del held[key]
            elif not same(full, full.T):
                upper = np.triu(full)
                held[key] = upper + np.triu(full, 1).T
                changes.append(Change(f"{part}, which is not symmetric", CHANGED))
    return changes


def _fit_info(atoms: Atoms) -> list[Change]:
    """Rename keys of `info` that mean something else in a file, and write as text what is no number."""
    known = {key: value for key, value in results(atoms).items() if not is_per_atom(key, value, len(atoms))}
    fitted: dict[str, Any] = {}
    changes = []
    for key, value in atoms.info.items():
        part = f"info[{key!r}]"
        if key in known:
            if same(full_stress(value), full_stress(known[key])):
                continue
            name = f"info_{key}"
        else:
            name = _key(key, value)
        while name in fitted or (name != key and name in atoms.info):
            name += "_"
        try:
            value, what = _value(name, value)
        except ValueError:
            changes.append(Change(part))
            continue
        fitted[name] = value
        if name != key:
            changes.append(Change(f"{part} as {name}", RENAMED))
        if what is not None:
            changes.append(Change(part, what))
    atoms.info = fitted
    return changes


def _key(key: Any, value: Any) -> str:
    """Return the key under which a value of `info` reads back as one."""
    text = "".join(character if character.isprintable() else "_" for character in str(key))
    if text.lower() in RESERVED_KEYS:
        return f"info_{text}"
    if text in ("stress", "virial"):
        matrix = full_stress(value)
        matrix = matrix if isinstance(matrix, (np.ndarray, list, tuple)) else None
        with contextlib.suppress(ValueError):  # ragged lists
            matrix = np.asarray(matrix)
        if not isinstance(matrix, np.ndarray):
            return f"info_{text}"
        fits = matrix.shape == (3, 3) and matrix.dtype.kind in "fiu" and (text == "virial" or same(matrix, matrix.T))
        return text if fits else f"info_{text}"
    return text if text not in per_config_properties or _is_numeric(value) else f"info_{text}"


def _is_numeric(value: Any) -> bool:
    """Tell whether a value of `info` can be a label: numbers, none of them missing."""
    return as_array(value).dtype.kind in "fiub"


def _value(key: str, value: Any) -> tuple[Any, str | None]:
    """Return what takes the place of a value of `info`, and what that is; None for the value itself.

    Raises
    ------
    ValueError
        Nothing can take its place.
    """
    if key in REAL_RESULTS:
        real = np.array(full_stress(value), float)
        return (value, None) if same(real, full_stress(value)) else (real, AS_REALS)
    if encode(key, value) is not None:
        return value, None
    text = with_text(value)
    for other in (text, text if isinstance(text, str) else json.dumps(text)):
        if encode(key, other) is not None:
            return other, CHANGED if isinstance(value, np.ndarray) and value.size == 0 else AS_TEXT
    raise ValueError(f"no place for {key}")


def _fit_arrays(atoms: Atoms) -> list[Change]:
    """Rename arrays that mean something else in a file, and give all of them the form of columns."""
    known, changes = results(atoms), []
    fields = {"species", "pos0", "pos1", "pos2", *(f"move_mask{c}" for c in ("", 0, 1, 2))}
    for key, value in known.items():
        if is_per_atom(key, value, len(atoms)):
            fields |= _fields(COLUMN_NAMES.get(key, key), np.asarray(value))
    for key in [key for key in atoms.arrays if key not in ("numbers", "positions")]:
        array, part = atoms.arrays[key], f"arrays[{key!r}]"
        if key in known and is_per_atom(key, known[key], len(atoms)) and same(array, known[key]):
            continue
        del atoms.arrays[key]
        name = "".join(character if character.isprintable() and character != ":" else "_" for character in str(key))
        column, what = as_column(array)
        if name.lower() in RESERVED_COLUMNS or name in known or not name.strip():
            name = f"arrays_{name.strip()}"
        elif name in (*all_properties, "initial_charges") and not _is_label(name, column):
            name = f"arrays_{name}"
        if column is not None and (name in PER_ATOM or name == "initial_charges") and column.dtype.kind != "f":
            column, what = column.astype(float), AS_REALS
        while column is not None and (name in atoms.arrays or _fields(COLUMN_NAMES.get(name, name), column) & fields):
            name = f"{name}_" if name.startswith("arrays_") else f"arrays_{name}"
        if name != key and column is not None:
            changes.append(Change(f"{part} as {name}", RENAMED))
        if what is not None:
            changes.append(Change(part, what))
        if column is not None:
            fields |= _fields(COLUMN_NAMES.get(name, name), column)
            atoms.arrays[name] = column
    return changes


def _is_label(name: str, column: np.ndarray[Any, Any] | None) -> bool:
    """Tell whether a column under the name of a label can be one: real numbers for each atom."""
    is_numeric = column is not None and column.dtype.kind in "fiub"
    return is_numeric and (name in PER_ATOM or name == "initial_charges")


def _fields(name: str, array: np.ndarray[Any, Any]) -> set[str]:
    """Return the names that ASE's reader gives the columns of an array."""
    width = array.shape[1] if array.ndim == 2 else 1
    return {name} if width == 1 else {f"{name}{column}" for column in range(width)}


def as_column(array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any] | None, str | None]:
    """Turn an array with one row per atom into columns of numbers, words or marks.

    Returns
    -------
    array : ndarray of shape (n_atoms,) or (n_atoms, k), or None
        The columns; None if it has to be let go.
    what : str or None
        What was changed; None if nothing was.
    """
    if np.ma.is_masked(array):
        return None, "let go"
    array = np.asarray(array)
    kind = array.dtype.kind
    if 0 in array.shape[1:] or kind not in "fiubcOUS":
        return None, "let go"
    if kind == "O" and not are_words(array):
        numbers = _numbers(array)
        return (None, "let go") if numbers is None else (as_column(numbers)[0], "kept as numbers")
    if kind == "S":
        array = np.char.decode(array, "latin-1")
    if kind in "US" and not are_words(array):
        words = np.array(["_".join(text.split()) or "_" for text in array.ravel().tolist()], dtype=object)
        return as_column(words.reshape(array.shape))[0], "kept with _ for blanks"
    if kind == "c":
        pairs = np.stack([array.real, array.imag], axis=-1)
        return pairs.reshape(len(array), 2 * array[:1].size or 2), AS_PAIRS
    what = None
    if kind in "iu" and not fits_int32(array):
        reals = array.astype(np.float64)
        exact = np.array_equal(reals.astype(array.dtype), array)
        array, what = (reals, AS_REALS) if exact else (array.astype(str).astype(object), AS_TEXT)
    if array.ndim > 2:
        width = int(np.prod(array.shape[1:]))
        shape = " x ".join(map(str, array.shape[1:]))
        array = array.reshape(len(array), width)
        what = f"kept as {width} column{'s' * (width > 1)} for {shape}"
    if array.ndim == 2 and array.shape[1] == 1:
        array, what = array[:, 0], "kept as one column"
    return array, what


def _numbers(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Return the numbers that an array of objects holds; None if it holds anything else."""
    try:
        numbers = np.array(array.tolist())
    except ValueError:
        return None
    fits = numbers.dtype.kind in "fiub" and numbers.ndim and len(numbers) == len(array)
    return numbers if fits else None
