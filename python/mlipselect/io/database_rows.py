"""Write structures as rows of ASE's databases, with `info` in their key-value pairs and data."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import ase.db
import numpy as np
from ase import Atoms
from ase.db.core import reserved_keys, str_represents, word
from ase.formula import Formula

DATABASES = frozenset({"db", "json", "aselmdb"})
"""ASE's names of the formats that are databases."""


def write_rows(path: str, structures: Sequence[Atoms]) -> None:
    """Write a new database with one row a structure.

    Keys of `info` that ASE allows as key-value pairs, which can be searched for, become that; the others become data of
    the row.
    """
    with ase.db.connect(path, serial=True, append=False) as rows:  # type: ignore[no-untyped-call]
        for atoms in structures:
            pairs = {key: value for key, value in atoms.info.items() if is_pair(key, value)}
            data = {key: value for key, value in atoms.info.items() if key not in pairs}
            rows.write(atoms, key_value_pairs=pairs, data=data)


def is_pair(key: Any, value: Any) -> bool:
    """Tell whether ASE allows a key and its value as key-value pair of a row."""
    if not isinstance(key, str) or not word.match(key) or key in reserved_keys or key == "external_tables":
        return False
    if isinstance(value, str):
        return not _is_formula(key) and not any(
            str_represents(value, kind)  # type: ignore[no-untyped-call]
            for kind in (bool, int, float)
        )
    is_number = isinstance(value, (numbers.Real, np.bool_)) and not isinstance(value, np.ndarray)
    return is_number and math.isfinite(value) and not _is_formula(key)


def _is_formula(key: str) -> bool:
    """Tell whether a query for the key would be one for a chemical formula."""
    try:
        Formula(key, strict=True)
    except ValueError:
        return False
    return True
