"""POSCAR and CONTCAR of VASP; those of VASP 4 have no line of elements."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import ase.io
from ase import Atoms
from ase.io import ParseError
from ase.io.formats import get_compression

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.extxyz_text import open_text
from mlipselect.io.formats.format import Format
from mlipselect.io.reading import Reading
from mlipselect.io.species import symbol_of, without_dropped

_NAME = re.compile(r"POSCAR|CONTCAR|CENTCAR|\.vasp$|\.poscar$")
_NUMBERS = re.compile(r"\s*[-+]?[\d.]")
_SPECIES_LINE = 5
_ADVICE = "name the element of each block of atoms with --species, such as --species Si O"


def recognises(path: str, head: bytes) -> bool:
    """Tell a POSCAR by its name, and the lines of its cell."""
    lines = head.decode("utf-8", "replace").splitlines()
    if _NAME.search(Path(get_compression(path)[0]).name) is None or len(lines) < _SPECIES_LINE + 2:
        return False
    return all(_NUMBERS.match(line) for line in lines[1:_SPECIES_LINE])


def read(path: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the one structure.

    Raises
    ------
    InvalidInputError
        Blocks of atoms that nothing names the elements of.
    """
    with open_text(path) as stream:
        lines = stream.read().split("\n")
    words = lines[_SPECIES_LINE].split()
    names_elements = bool(words) and not words[0].isdecimal()
    if not names_elements and reading.species is None:
        yield _by_comment(path, lines[0], reading)
        return
    counts = [int(word) for word in (lines[_SPECIES_LINE + 1] if names_elements else lines[_SPECIES_LINE]).split()
              if word.isdecimal()]  # fmt: skip
    if names_elements:
        symbols = [symbol_of(word.split("/")[0].split("_")[0], reading) for word in words[: len(counts)]]
    else:
        symbols = list(reading.types())
    if len(symbols) != len(counts):
        raise InvalidInputError(f"has {len(counts)} blocks of atoms, of which {len(symbols)} are named: {_ADVICE}")
    head, tail = lines[:_SPECIES_LINE], lines[_SPECIES_LINE + names_elements :]
    text = "\n".join([*head, " ".join(symbol or "H" for symbol in symbols), *tail])
    atoms = ase.io.read(io.StringIO(text), format="vasp")
    assert isinstance(atoms, Atoms)
    dropped = [symbol == "" for symbol, count in zip(symbols, counts, strict=True) for _ in range(count)]
    yield without_dropped(atoms, dropped)


def _by_comment(path: str, comment: str, reading: Reading) -> Atoms:
    """Read a file of VASP 4 with the elements that ASE finds in its first line or in a POTCAR or OUTCAR beside it."""
    try:
        atoms = ase.io.read(path, format="vasp")
    except (KeyError, ParseError) as error:
        raise InvalidInputError(f"names no elements, as VASP 4 wrote it: {_ADVICE}") from error
    assert isinstance(atoms, Atoms)
    elements = " ".join(dict.fromkeys(atoms.get_chemical_symbols()))  # type: ignore[no-untyped-call]
    reading.notes.add(
        f"names no elements, as VASP 4 wrote it: {elements} are taken from its first line {comment.strip()[:40]!r} or "
        "from the files beside it; --species names others"
    )
    return atoms


POSCAR = Format("vasp", "POSCAR and CONTCAR of VASP", recognises, read)
