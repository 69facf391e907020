"""Trajectories in PDB: each model is a frame, in the cell of the first model where it has none of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator

from ase import Atoms
from ase.data import atomic_numbers
from ase.io.proteindatabank import read_proteindatabank

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.extxyz_text import open_text
from mlipselect.io.formats.format import Format
from mlipselect.io.reading import Reading
from mlipselect.io.species import no_element, without_dropped

_ATOMS = ("ATOM  ", "HETATM")
_GEOMETRY = ("CRYST1", "ORIGX")


def recognises(path: str, head: bytes) -> bool:
    """Tell PDB by its name, or by its first records."""
    if path.lower().removesuffix(".gz").endswith(".pdb"):
        return True
    lines = head.decode("latin1").splitlines()
    return any(line.startswith("CRYST1") for line in lines) and any(line.startswith(_ATOMS) for line in lines)


def read(path: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the models. One without atoms, such as what follows the last ``ENDMDL``, is left out."""
    geometry: list[str] = []
    for lines in _models(path):
        own = [line for line in lines if line.startswith(_GEOMETRY)]
        atoms = [line for line in lines if line.startswith(_ATOMS)]
        if atoms and not own and any(line.startswith("CRYST1") for line in geometry):
            reading.notes.add("models without a cell of their own are given that of the model before")
        geometry = own or geometry
        if atoms:
            yield _build(geometry, atoms, reading)


def _models(path: str) -> Iterator[list[str]]:
    lines: list[str] = []
    with open_text(path) as stream:
        for line in stream:
            if line.startswith("END"):
                yield lines
                lines = []
            else:
                lines.append(line.rstrip("\n"))
    yield lines


def _build(geometry: list[str], atoms: list[str], reading: Reading) -> Atoms:
    symbols = [_symbol(line, reading) for line in atoms]
    given = [f"{line[:76]:76}{symbol or 'H':>2}" for line, symbol in zip(atoms, symbols, strict=True)]
    text = "\n".join([*geometry, *given, "END", ""])
    made: Atoms = read_proteindatabank(io.StringIO(text), index=0)
    return without_dropped(made, [symbol == "" for symbol in symbols])


def _symbol(line: str, reading: Reading) -> str:
    """Return the element of an atom: by the options, by columns 77 and 78, or by how its name is aligned."""
    name = line[12:16].strip()
    if (given := reading.element(name)) is not None:
        return given
    element = line[76:78].strip().capitalize()
    if (given := reading.element(element)) is not None:
        return given
    if atomic_numbers.get(element, 0) > 0:
        return element
    reading.notes.add(
        "atoms have no element in columns 77 and 78: taken from the first two columns of their names, so that ' CA ' "
        "is carbon and 'CA  ' calcium"
    )
    first = line[12:14].strip(" 0123456789").capitalize()
    if len(name) == 4 and name.startswith("H"):  # such as HG11, which fills the columns of longer symbols
        first = "H"
    if atomic_numbers.get(first, 0) == 0:
        first = first[:1]
    if atomic_numbers.get(first, 0) == 0:
        raise InvalidInputError(no_element(name))
    return first


PDB = Format("proteindatabank", "models in PDB", recognises, read)
