"""The second line of a frame of extended XYZ: keys and values with where they stand, and their usual spelling."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.notes import Notes

GEOMETRY_KEYS = {key.lower(): key for key in ("Lattice", "Properties", "pbc")}
"""Keys that say what is described, as ASE spells them, by their spelling in lower case."""
_MATRICES = ("stress", "virial")

_KEY = re.compile(r"[^\s=\"'{}\[\]\\]+")
_VALUE = re.compile(
    r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|\{[^{}]*\}"
    r"|\[\s*\[[^\"'={}]*\]\s*\]|\{\s*\{[^\"'=\[\]]*\}\s*\}|\[[^\[\]]*\]|[^\s\"'{\[]\S*"
)
_NEXT_KEY = re.compile(r"[A-Za-z_][\w-]*=")
_QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|\{[^{}]*\}|\[[^\[\]]*\]")
#: A number as Fortran writes it. One without a point or a sign, such as 7d31, may be a name.
FORTRAN = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+)[dD][+-]?\d+|[+-]?\d+[dD][+-]\d+")
FORTRAN_REAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)[dD][+-]?\d+")
"""Such a number, also without a point or a sign, where nothing but a number may stand."""
FORTRAN_SOMEWHERE = re.compile(r"\d\.\d*[dD][+-]?\d|\d[dD][+-]\d")
"""Where such a number may be part of a text."""
_EMPTY = r'"_JSON \"\""'


@dataclass
class Item:
    """A key with a value: where both stand in the line, and what the value is without its quotes."""

    key: str
    start: int
    end: int
    text: str
    value: str


def items(line: str) -> Iterator[Item]:
    """Find the keys that have values.

    Yields
    ------
    Item
        In their order. A value may be empty: nothing between quotes, or nothing before the next key.
    """
    place = 0
    while place < len(line):
        key = _KEY.match(line, place)
        if key is None:
            quoted = _QUOTED.match(line, place)
            place = quoted.end() if quoted else place + 1
            continue
        equals = re.compile(r"[ \t]*=").match(line, key.end())
        if equals is None:
            place = key.end()
            continue
        begin = re.compile(r"[ \t]*").match(line, equals.end()).end()  # type: ignore[union-attr]
        found = _VALUE.match(line, begin)
        is_tight = equals.end() == key.end() + 1
        if found is None and begin < len(line):  # quotes that do not close: left to ASE
            place = begin + 1
            continue
        if found is None or (is_tight and begin > equals.end() and _NEXT_KEY.match(line, begin)):
            text, end = "", equals.end()
        else:
            text, end = found.group(), found.end()
        closed = len(text) > 1 and text[0] in "\"'{["
        yield Item(key.group(), key.start(), end, text, text[1:-1] if closed else text)
        place = max(end, key.end() + 1)


def usual(line: str, notes: Notes) -> str:
    """Spell a line as ASE reads it; what ASE reads by itself stays as it is.

    Keys of the geometry in any case, empty values, stress and virial of 6 numbers or in nested brackets, a lattice of
    three lengths, rows of numbers in nested brackets, and numbers as Fortran writes them get the usual spelling. A
    stress or virial that is no matrix is left out.

    Parameters
    ----------
    line : str
        The line, without its end.
    notes : Notes
        Where it is noted what was assumed or left out.
    """
    found = [_with_bare_words(item, line) for item in items(line)]
    exact = {item.key for item in found}
    parts, place = [], 0
    for item in found:
        usual_key = GEOMETRY_KEYS.get(item.key.lower(), item.key)
        key = item.key if usual_key in exact else usual_key
        text = _usual_value(key, item, notes)
        if key != item.key or text != item.text:
            parts += [line[place : item.start], "" if text is None else f"{key}={text}"]
            place = item.end
    return "".join([*parts, line[place:]])


def _with_bare_words(item: Item, line: str) -> Item:
    """Return periodicity without quotes, ``pbc=T T F``, as one value."""
    bare = _BARE_PERIODICITY.match(line, item.end)
    if item.key.lower() != "pbc" or item.text not in _BARE or bare is None:
        return item
    text = line[item.end - len(item.text) : bare.end()]
    return Item(item.key, item.start, bare.end(), text, text)


_BARE = ("T", "F", "t", "f", "0", "1")
_BARE_PERIODICITY = re.compile(r"[ \t]+[TFtf01][ \t]+[TFtf01](?=[ \t]|$)")


def _usual_value(key: str, item: Item, notes: Notes) -> str | None:
    """Return the usual spelling of a value; None for a value to leave out."""
    if key in _MATRICES:
        return _matrix(key, item, notes)
    if not item.value.strip():
        return None if key in GEOMETRY_KEYS.values() else _EMPTY
    if key == "Properties":
        return _properties(item)
    if key == "Lattice":
        numbers = _numbers(item.value)
        if numbers is None or (len(numbers) == 9 and not re.search(r"[dD]|\[\s*\[", item.text)):
            return item.text
        rows = numbers if len(numbers) == 9 else np.diag(numbers).ravel().tolist() if len(numbers) == 3 else None
        if rows is None:
            raise InvalidInputError(f"Lattice: expected 9 numbers, got {len(numbers)}")
        return _quoted(rows)
    return _periodicity(item) if key == "pbc" else _nested(item) or _without_fortran(item)


def _nested(item: Item) -> str | None:
    """Return rows of numbers in nested brackets as ASE reads them; None for any other value, texts in quotes too."""
    if not re.match(r"[\[{]\s*[\[{]", item.text):
        return None
    rows = [_numbers(row) for row in re.findall(r"[\[{]([^\[\]{}]*)[\]}]", item.text)]
    if any(row is None or len(row) != len(rows[0] or ()) for row in rows):
        return None
    return f'"_JSON {json.dumps(rows)}"'


_PERIODIC = {"t": "T", "true": "T", "1": "T", "f": "F", "false": "F", "0": "F"}


def _periodicity(item: Item) -> str:
    """Return one truth value or three of them; ASE takes any other text for periodic in all directions."""
    words = item.value.lower().replace(",", " ").split()
    if len(words) == 1 and re.fullmatch("[tf]{3}|[01]{3}", words[0]):
        words = list(words[0])
    if len(words) not in (1, 3) or not set(words) <= _PERIODIC.keys():
        raise InvalidInputError(f'pbc: expected T or F for each direction, such as pbc="T T F", got {item.text}')
    return f'"{" ".join(_PERIODIC[word] for word in words)}"'


def _properties(item: Item) -> str:
    """Return the columns of the atoms with the usual names and kinds."""
    fields = item.value.split(":")
    usual_names = {"species": "species", "pos": "pos", "z": "Z"}
    names = {name: usual_names.get(name.lower(), name) for name in fields[::3]}
    fields[::3] = [name if names[name] in fields[::3] else names[name] for name in fields[::3]]
    fields[1::3] = [kind.upper() for kind in fields[1::3]]
    usual_text = ":".join(fields)
    return item.text if usual_text == item.value else f'"{usual_text}"'


def _matrix(key: str, item: Item, notes: Notes) -> str | None:
    """Return the 9 numbers of a symmetric or nested matrix, column after column as ASE wants them."""
    numbers = _numbers(item.value)
    is_nested = item.text.replace(" ", "").startswith("[[")
    if numbers is not None and len(numbers) == 9:
        return _quoted(np.reshape(numbers, (3, 3)).T.ravel().tolist()) if is_nested else re.sub("[dD]", "e", item.text)
    if numbers is not None and len(numbers) == 6:
        notes.add(f"{key} of 6 numbers is taken as xx yy zz yz xz xy")
        xx, yy, zz, yz, xz, xy = numbers
        return _quoted([xx, xy, xz, xy, yy, yz, xz, yz, zz])
    notes.add(f"{key} that is no matrix of 6 or 9 numbers is left out, such as {item.value[:30]!r}")
    return None


def _numbers(value: str) -> list[float] | None:
    words = re.findall(r"[^\s,\[\]{}]+", value)
    try:
        return [float(re.sub("[dD]", "e", word) if FORTRAN_REAL.fullmatch(word) else word) for word in words]
    except ValueError:
        return None


def _without_fortran(item: Item) -> str:
    if not any(FORTRAN.fullmatch(word) for word in item.value.replace(",", " ").split()):
        return item.text
    if _numbers(item.value) is None:
        return item.text
    return re.sub("[dD]", "e", item.text)


def _quoted(numbers: list[float]) -> str:
    return '"' + " ".join(map(repr, numbers)) + '"'
