"""Data files of LAMMPS: elements of types from the options, labels, comments or masses, never from their numbers."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.io.lammpsdata import read_lammps_data

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.extxyz_text import open_text
from mlipselect.io.formats.format import Format
from mlipselect.io.reading import Reading
from mlipselect.io.species import element_of_mass, symbol_of, without_dropped

_COUNT = re.compile(rb"^\s*\d+\s+atoms\b", re.MULTILINE)
_BOX = re.compile(rb"\bxlo\s+xhi\b|\bavec\b")
_TYPES = re.compile(r"^\s*(\d+)\s+atom\s+types\b", re.MULTILINE)


def recognises(path: str, head: bytes) -> bool:  # noqa: ARG001
    """Tell a data file by the lines of its header."""
    return _COUNT.search(head) is not None and _BOX.search(head) is not None


def read(path: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the one structure.

    Raises
    ------
    InvalidInputError
        Types that nothing names the elements of.
    """
    with open_text(path) as stream:
        text = stream.read()
    symbols = _symbols(text, reading)
    numbers = {kind: atomic_numbers[symbol or "H"] for kind, symbol in symbols.items()}
    atoms: Atoms = read_lammps_data(io.StringIO(text), Z_of_type=numbers)
    atoms.set_celldisp(np.reshape(atoms.get_celldisp(), (3, 1)))  # type: ignore[no-untyped-call]
    yield without_dropped(atoms, [symbols[int(kind)] == "" for kind in atoms.arrays["type"]])


def _symbols(text: str, reading: Reading) -> dict[int, str]:
    """Return the chemical symbol of each type, empty for atoms to drop."""
    count = _TYPES.search(text)
    n_types = 0 if count is None else int(count[1])
    if reading.species is not None:
        if len(reading.types()) < n_types:
            problem = f"has {n_types} types of atoms, --species names the elements of {len(reading.species)} types"
            raise InvalidInputError(problem)
        return dict(enumerate(reading.species, start=1))
    labels = _section(text, "Atom Type Labels")
    if labels:
        return {int(line.split()[0]): symbol_of(line.split()[1], reading) for line in labels}
    found: dict[int, str] = {}
    for line in _section(text, "Masses"):
        values, _, comment = line.partition("#")
        name = comment.split()[0] if comment.split() else ""
        if name in reading.elements or atomic_numbers.get(name, 0) > 0:
            found[int(values.split()[0])] = symbol_of(name, reading)
        else:
            found[int(values.split()[0])] = element_of_mass(float(values.split()[1]))
            reading.notes.add("elements were found from the masses of the types")
    if len(found) < max(n_types, 1):
        raise InvalidInputError(
            f"it numbers the {n_types} types of its atoms and names no elements: name the element of each type with "
            "--species, such as --species Si O"
        )
    return found


def _section(text: str, title: str) -> list[str]:
    """Return the lines of a section that are not blank."""
    match = re.search(rf"^\s*{title}\s*(?:#.*)?$\n((?:^\s*(?:\d.*)?$\n?)*)", text, re.MULTILINE)
    return [] if match is None else [line for line in match[1].splitlines() if line.strip()]


LAMMPS_DATA = Format("lammps-data", "data files of LAMMPS", recognises, read)
