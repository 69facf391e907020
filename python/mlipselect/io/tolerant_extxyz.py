"""Frames of extended XYZ that ASE refuses or misreads: spelt as usual, then read by ASE."""

from __future__ import annotations

import io
import re

import ase.io
from ase import Atoms
from ase.data import atomic_numbers

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.comment_line import FORTRAN_REAL, GEOMETRY_KEYS, items, usual
from mlipselect.io.reading import Reading
from mlipselect.io.species import symbol_of


def parse_extxyz(text: str) -> Atoms:
    """Read one frame with ASE."""
    return next(ase.io.iread(io.StringIO(text), index=slice(0, 1), format="extxyz"))


def parse_tolerant(text: str, reading: Reading) -> Atoms:
    """Read one frame, with names of atoms and keys in any spelling that people use.

    Parameters
    ----------
    text : str
        The text of the frame.
    reading : Reading
        Options of reading; what was assumed is noted there.

    Raises
    ------
    InvalidInputError
        An atom that is no chemical element.
    """
    header, comment, *body = [line.rstrip("\r") for line in text.split("\n")]
    n_atoms = int(header)
    spelt = usual(comment, reading.notes)
    known = {item.key: item.value for item in items(spelt)}
    if "Lattice" in known and "pbc" not in known:
        reading.notes.add(NO_PBC)
    columns = _columns(known.get("Properties", "species:S:1:pos:R:3"))
    _refuse_without_positions(columns, known.get("Properties", ""))
    is_lammps = _LAMMPS.match(comment) is not None and reading.species is None
    lines, rest = body[:n_atoms], body[n_atoms:]
    if (count := columns_beyond(comment, lines[0] if lines else "")) > 0:
        reading.notes.add(beyond(count))
    atoms = _usual_atoms(lines, columns, reading, is_lammps)
    n_dropped = len(lines) - len(atoms)
    return parse_extxyz("\n".join([str(n_atoms - n_dropped), spelt, *atoms, *rest]))


_LAMMPS = re.compile(r"\s*Atoms\b")
"""How the comment of a frame begins that LAMMPS dumped as XYZ."""
NO_PBC = "Lattice without pbc: taken as periodic in all directions"
"""What is noted of a frame that does not say in which directions it is periodic."""


def columns_beyond(comment: str, line: str) -> int:
    """Return how many words of the line of an atom `Properties` does not name; without it, species and position."""
    known = {GEOMETRY_KEYS.get(item.key.lower(), item.key): item.value for item in items(comment)}
    return len(line.split()) - len(_columns(known.get("Properties", "species:S:1:pos:R:3")))


def beyond(count: int) -> str:
    """Say that columns of the atoms are not read."""
    return f"{count} further column{'s' * (count > 1)} of the atoms {'are' if count > 1 else 'is'} not read, as " + (
        "Properties does not name them"
    )


_POSITIONS = ("pos", "positions")
_ELEMENTS = ("species", "Z", "symbols", "numbers")


def _refuse_without_positions(columns: list[tuple[str, str]], properties: str) -> None:
    """Refuse columns without three numbers of positions, or without elements."""
    names = [name for name, _ in columns]
    if not any(names.count(name) == 3 for name in _POSITIONS):
        raise InvalidInputError(f"Properties names no positions, which are pos:R:3, only {properties}")
    if not any(name in names for name in _ELEMENTS):
        raise InvalidInputError(f"Properties names no elements, which are species:S:1 or Z:I:1, only {properties}")


def _columns(properties: str) -> list[tuple[str, str]]:
    """Return the name and the kind of each word of a line of an atom."""
    fields = properties.split(":")
    triples = zip(fields[::3], fields[1::3], fields[2::3], strict=False)
    return [(name, kind) for name, kind, width in triples if width.isdecimal() for _ in range(int(width))]


def _usual_atoms(lines: list[str], columns: list[tuple[str, str]], reading: Reading, is_lammps: bool) -> list[str]:
    """Return the lines of the atoms with chemical symbols and usual numbers, without atoms to drop."""
    names = [name for name, _ in columns]
    reals = [place for place, (_, kind) in enumerate(columns) if kind == "R"]
    if any(_MAYBE_FORTRAN.search(line) for line in lines):
        lines = [_usual_reals(line, reals) for line in lines]
    if ("species", "S") not in columns or "Z" in names:
        return lines
    place = names.index("species")
    words = [line.split()[place] if len(line.split()) > place else "" for line in lines]
    if is_lammps and all(map(str.isdecimal, words)):
        raise InvalidInputError(
            "a dump of LAMMPS, which numbers the types of its atoms: name the element of each type with --species, "
            "such as --species Si O"
        )
    symbols = {word: _symbol(word, reading) for word in dict.fromkeys(words)}
    if all(word == symbol for word, symbol in symbols.items()):
        return lines
    out = []
    for word, line in zip(words, lines, strict=True):
        symbol = symbols[word]
        if symbol == word:
            out.append(line)
        elif symbol:
            parts = line.split()
            out.append(" ".join([*parts[:place], symbol, *parts[place + 1 :]]))
    return out


_MAYBE_FORTRAN = re.compile(r"[\d.][dD][+-]?\d")
"""A number as Fortran writes it, or a name that looks like one."""


def _symbol(word: str, reading: Reading) -> str:
    """Return the symbol that ASE is given; ghost atoms and broken lines are left to later checks."""
    if word not in reading.elements and (word in ("", "X") or atomic_numbers.get(word.capitalize(), 0) > 0):
        return word
    if word.isdecimal() and word not in reading.elements:
        if reading.species is not None:
            types = reading.types()
            if not 0 < int(word) <= len(types):
                raise InvalidInputError(f"has atoms of type {word}, --species names {len(types)} types")
            return types[int(word) - 1]
        reading.notes.add("species are numbers: taken as atomic numbers; --species would name elements of types")
    return symbol_of(word, reading)


def _usual_reals(line: str, places: list[int]) -> str:
    parts = line.split()
    for place in places:
        if place < len(parts) and FORTRAN_REAL.fullmatch(parts[place]):
            parts[place] = re.sub("[dD]", "e", parts[place])
    return " ".join(parts)
