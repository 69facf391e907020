"""Short faithful texts for values that files of structures have no place for."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import json
import os
import re
import uuid
from typing import Any

import numpy as np
from ase.spacegroup import Spacegroup

#: Types whose text in Python says all.
PRINTED = (
    str,
    os.PathLike,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    np.generic,
)
LONGEST = 1000
"""Characters of the longest text that an object is written as."""


def with_text(value: Any) -> Any:
    """Replace what JSON has no place for by texts, inside dictionaries and sequences too.

    Parameters
    ----------
    value
        A value of `Atoms.info`.

    Returns
    -------
    None, bool, int, float, str, list or dict
        The value in types of JSON.

    Raises
    ------
    ValueError
        An object that no short text stands for, such as a function.
    """
    if value is None or isinstance(value, (bool, int, float)) or type(value) in (str, np.str_):
        return value
    if isinstance(value, dict):
        texts = {key if isinstance(key, str) else str(with_text(key)): with_text(item) for key, item in value.items()}
        if len(texts) < len(value):
            raise ValueError("two keys have the same text")
        return texts
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fiubUOS":
        listed = value.tolist()
        return listed if value.dtype.kind in "fiub" else with_text(listed)
    if isinstance(value, (list, tuple)):
        return [with_text(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((with_text(item) for item in value), key=repr)
    return as_text(value)


def as_text(value: Any) -> str:
    """Return a short text that says what an object is.

    Raises
    ------
    ValueError
        There is none: the object shows its address, or is long.
    """
    if isinstance(value, Spacegroup):
        text = f"{value.no} {value.symbol}" + (f" (setting {value.setting})" if value.setting != 1 else "")
    elif isinstance(value, (complex, np.complexfloating)):
        text = repr(complex(value))
    elif isinstance(value, enum.Enum):
        text = value.name
    elif isinstance(value, bytes):
        text = value.decode()
    elif isinstance(value, np.ndarray):
        text = json.dumps(value.tolist(), default=as_text)
    elif isinstance(value, PRINTED):
        text = str(value)
    elif callable(getattr(value, "todict", None)) and not isinstance(value, type):
        text = json.dumps(with_text(value.todict()))
    else:
        text = repr(value)
        if text.startswith("<") or re.search(r"\bat 0x[0-9a-f]+", text):
            raise ValueError(f"{type(value).__name__} has no text of its own")
    if len(text) > LONGEST:
        raise ValueError(f"the text of {type(value).__name__} is longer than {LONGEST} characters")
    return text
