"""Write extended XYZ without loss: any reader of the format gets back the numbers that were written.

ASE's own writer rounds positions and other real columns to eight decimals. Here every floating-point number is written
in the fewest digits that read back as the same number.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
from ase import Atoms
from ase.io.extxyz import key_val_str_to_dict

from mlipselect.io.exact import fixed_components, labels, same

COLUMN_TYPES = {"f": "R", "i": "I", "u": "I", "b": "L", "U": "S", "S": "S", "O": "S"}
COLUMN_NAMES = {"charges": "charge"}
MATRIX_KEYS = ("virial", "stress")


def format_frame(atoms: Atoms) -> str:
    """Write one structure as a frame of extended XYZ.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure; its `info`, `arrays`, fixed components and calculator results are written.

    Returns
    -------
    str
        The frame, ending in a newline.

    Raises
    ------
    ValueError
        The format has no place for a value of the structure; the message names it.
    """
    whole, per_atom = labels(atoms)
    columns: dict[str, np.ndarray[Any, Any]] = {"species": np.array(list(atoms.symbols), dtype=object)}
    columns["pos"] = atoms.positions
    fixed = fixed_components(atoms)
    if fixed.any():
        whole_atoms = (fixed.all(axis=1) | ~fixed.any(axis=1)).all()
        columns["move_mask"] = ~fixed[:, 0] if whole_atoms else ~fixed
    for key, array in per_atom.items():
        columns[COLUMN_NAMES.get(key, key)] = np.asarray(array)

    cell = np.asarray(atoms.cell)
    lattice = f'Lattice="{_numbers(cell.ravel())}" ' if cell.any() or np.signbit(cell).any() else ""
    properties = ":".join(f"{name}:{_column_type(name, array)}" for name, array in columns.items())
    pairs = "".join(f" {quote(str(key))}={_encoded(key, value)}" for key, value in whole.items())
    pbc = " ".join("T" if periodic else "F" for periodic in atoms.pbc)
    header = f'{lattice}Properties={quote(properties)}{pairs} pbc="{pbc}"'

    text = [_column_text(array) for array in columns.values()]
    rows = [" ".join(row) for row in zip(*(column for block in text for column in block), strict=True)]
    return "\n".join([str(len(atoms)), header, *rows, ""])


def _column_type(name: str, array: np.ndarray[Any, Any]) -> str:
    if array.dtype.kind not in COLUMN_TYPES or array.ndim not in (1, 2) or ":" in name:
        raise ValueError(f"the format has no place for arrays[{name!r}] of type {array.dtype} and shape {array.shape}")
    return f"{COLUMN_TYPES[array.dtype.kind]}:{1 if array.ndim == 1 else array.shape[1]}"


def _column_text(array: np.ndarray[Any, Any]) -> list[list[str]]:
    """Return the text of each column of an array."""
    columns = [array] if array.ndim == 1 else list(array.T)
    if array.dtype.kind == "b":
        return [["T" if value else "F" for value in column] for column in columns]
    if array.dtype.kind == "f":
        return [[repr(value) for value in column.astype(np.float64).tolist()] for column in columns]
    return [[str(value) for value in column.tolist()] for column in columns]


def _encoded(key: Any, value: Any) -> str:
    """Write the value of a key of the comment line; raise `ValueError` if there is no place for it."""
    text = encode(key, value)
    if text is None:
        raise ValueError(f"the format has no place for info[{key!r}] of type {type(value).__name__}")
    return text


def encode(key: Any, value: Any) -> str | None:
    """Write the value of a key of the comment line so that ASE reads the same value; None if there is no way."""
    if not isinstance(key, str) or not key.isprintable() or not key or np.ma.is_masked(value):
        return None
    if key in MATRIX_KEYS:
        matrix = np.asarray(value)
        return (
            quote(_numbers(matrix.ravel(order="F"))) if matrix.shape == (3, 3) and matrix.dtype.kind in "fiu" else None
        )
    texts = [quote(plain)] if (plain := _plain(value)) is not None else []
    with contextlib.suppress(TypeError, ValueError):
        texts.append(quote("_JSON " + json.dumps(value, default=_as_json)))
    for text in texts:
        with contextlib.suppress(ValueError):
            read_back = key_val_str_to_dict(f"{quote(key)}={text}")  # type: ignore[no-untyped-call]
            if list(read_back) == [key] and same(read_back[key], value):
                return text
    return None


def _plain(value: Any) -> str | None:
    """Write a value in the form that every reader of the format knows; None if there is no such form."""
    if isinstance(value, str):
        return value if value.isprintable() else None
    try:
        array = np.asarray(value, dtype=object if value is None else None)
    except ValueError:  # ragged lists
        return None
    if array.ndim > 1 or array.size == 0 or array.dtype.kind not in "fiub":
        return None
    return _numbers(np.atleast_1d(array))


def _numbers(values: np.ndarray[Any, Any]) -> str:
    return " ".join(_column_text(values)[0])


def _as_json(value: Any) -> Any:
    """Turn arrays and numbers of numpy into lists and numbers of Python."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"no JSON for {type(value).__name__}")


def quote(text: str) -> str:
    """Quote a text that a reader would not take as one word."""
    if text and not set(text) & set("\"'{}[]\\=,") and text.split() == [text] and text.isprintable():
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
