"""Read the record of a selection, whose entries have the types that a selection writes, or it is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.untrusted import parse_json

Check = Callable[[Any], bool]

#: What every record has.
_ALWAYS = ("mlipselect", "parameters.method", "inputs.pool", "indices")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    """Tell whether a value is a number that numpy keeps as one: an integer of at most 64 bits, or a float."""
    return (type(value) is int and abs(value) < 1 << 63) or (type(value) is float and abs(value) < 1e300)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 48


def _is_share(value: Any) -> bool:
    """Tell whether a value is such as ``"1/8"``."""
    return _is_text(value) and re.fullmatch(r"[1-9]\d{0,5}/[1-9]\d{0,5}", value) is not None


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _one_of(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _row_of(*checks: Check) -> Check:
    """Check a list of so many entries, each in its own way."""
    return lambda value: (
        isinstance(value, list)
        and len(value) == len(checks)
        and all(check(item) for check, item in zip(checks, value, strict=True))
    )


def _mapping_of(known: Mapping[str, Check], *needed: str) -> Check:
    """Check a mapping that may have more entries than are known."""
    return lambda value: (
        isinstance(value, dict)
        and all(name in value for name in needed)
        and all(check(value[name]) for name, check in known.items() if name in value)
    )


def _is_array(value: Any) -> bool:
    """Tell whether a value is a list of numbers, or of rows of numbers of the same length."""
    if not isinstance(value, list) or not value or not isinstance(value[0], list):
        return _list_of(_is_number)(value)
    return all(_list_of(_is_number)(row) and len(row) == len(value[0]) for row in value)


_texts = _list_of(_is_text)
_file = _mapping_of({"path": _is_text, "sha256": _is_text, "frames": _is_text}, "path", "sha256")
_part = _mapping_of(
    {
        "files": _list_of(_file),
        "candidates": _is_count,
        "isolated": _is_count,
        "store": _is_text,
        "features": _texts,
        "parts": _texts,
    },
    "files", "candidates",
)  # fmt: skip
_potential = _mapping_of({"path": _is_text, "sha256": _is_text})
_reading = _mapping_of(
    {
        "format": _is_text,
        "species": _texts,
        "species_map": _is_mapping,
        "cell": _is_array,
        "occupancy": _is_text,
    }
)
_precision = _one_of(_is_positive, _is_array, _is_mapping)
_parameters: dict[str, Check] = {
    "n": _is_count,
    "method": _is_text,
    "score": _or_none(_is_text),
    "update": _or_none(_is_text),
    "ridge": _or_none(_is_number),
    "posterior_ridge": _or_none(_is_number),
    "scale": _or_none(_is_text),
    "posterior_scale": _or_none(_is_text),
    "prior_precision": _or_none(_precision),
    "posterior_prior_precision": _or_none(_precision),
    "noise_precision": _or_none(_is_positive),
    "posterior": _or_none(_is_mapping),
    "composition": _or_none(_one_of(_is_flag, _texts)),
    "composition_scale": _or_none(_is_number),
    "isolated": _or_none(_one_of(_is_text, _texts)),
    "dtype": lambda value: value in (None, "float32", "float64"),
    "groups": _or_none(_is_text),
    "shard": _or_none(_is_share),
    "next_score": _or_none(_is_number),
    "min_bond": _or_none(_is_number),
    "max_force": _or_none(_is_number),
    "skip_bad": _or_none(_is_flag),
    "reading": _reading,
}
_expected_error = _mapping_of(
    {
        "unit": _is_text,
        "source": _is_text,
        "curve": _list_of(_is_number),
        "mean_std": _or_none(_is_number),
        "largest_std": _or_none(_is_number),
        "noise": _or_none(_is_number),
        "structures": _is_count,
        "largest_force_std": _or_none(_is_number),
    },
    "unit", "source", "curve", "mean_std", "largest_std", "noise", "structures",
)  # fmt: skip
_entries: dict[str, Check] = {
    "mlipselect": _is_text,
    "parameters": _is_mapping,
    **{f"parameters.{name}": check for name, check in _parameters.items()},
    "descriptor": _is_mapping,
    "descriptor.name": _is_text,
    "notes": _texts,
    "inputs": _is_mapping,
    "inputs.pool": _part,
    "inputs.core": _or_none(_part),
    "inputs.target": _or_none(_part),
    "inputs.potential": _or_none(_potential),
    "effective_dimension": _is_number,
    "indices": _list_of(_is_count),
    "scores": _list_of(_or_none(_is_number)),
    "information": _list_of(_is_number),
    "reasons": _texts,
    "expected_error": _expected_error,
    "rejected": _list_of(_row_of(_or_none(_is_text), _or_none(_is_count), _is_text)),
    "run": _is_mapping,
}
"""How the entries are checked that something is made of, by their names, from the outside inwards."""


def read_record(path: str | os.PathLike[str], *needed: str) -> dict[str, Any]:
    """Read the record of a selection.

    Parameters
    ----------
    path : path
        The record.
    *needed : str
        Entries that it must have beside those of every record, such as ``"inputs.core"``.

    Raises
    ------
    InvalidInputError
        It cannot be read, is no record, lacks what is needed, or has an entry of another type than a selection writes.
    """
    try:
        record = parse_json(Path(path).read_bytes())
    except OSError as error:
        raise InvalidInputError(f"{path}: the record of a selection cannot be read: {error.strerror}") from error
    except ValueError:
        record = None
    if any(_entry(record, name) is _ABSENT for name in _ALWAYS):
        raise InvalidInputError(
            f"{path}: expected the record of a selection, the .json file that `select` and `hal` write beside the "
            "selected structures"
        )
    for name, check in _entries.items():
        value = _entry(record, name)
        if value is not _ABSENT and not check(value):
            raise InvalidInputError(f"{path}: a damaged record: no selection writes such {name}")
    lengths = {len(record[name]) for name in ("indices", "scores", "information") if name in record}
    if len({*lengths, len(record.get("reasons") or record["indices"])}) > 1:
        raise InvalidInputError(f"{path}: a damaged record: its picks are not as many as their scores or reasons")
    known: dict[str, Any] = record
    need(path, known, *needed)
    return known


def need(path: str | os.PathLike[str], record: Mapping[str, Any], *names: str) -> None:
    """Refuse a record that lacks one of some entries.

    Raises
    ------
    InvalidInputError
        It lacks one.
    """
    missing = [name for name in names if _entry(record, name) is _ABSENT]
    if missing:
        raise InvalidInputError(f"{path}: the record does not say {', '.join(missing)}, which is needed: select again")


_ABSENT = object()


def _entry(record: Any, name: str) -> Any:
    """Find an entry by its name, such as ``"inputs.core"``."""
    for key in name.split("."):
        if not isinstance(record, dict) or key not in record:
            return _ABSENT
        record = record[key]
    return record
