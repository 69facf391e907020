"""Text dumps of LAMMPS: elements from a column of names, or from numbered types that the user names."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.lammpsrun import read_lammps_dump_text

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.extxyz_text import open_text
from mlipselect.io.formats.format import Format
from mlipselect.io.reading import Reading
from mlipselect.io.species import element_of_mass, symbol_of, without_dropped


def recognises(path: str, head: bytes) -> bool:  # noqa: ARG001
    """Tell a dump by its first section."""
    return head.startswith((b"ITEM: TIMESTEP", b"ITEM: UNITS", b"ITEM: TIME"))


def read(path: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the frames. They have no energy: LAMMPS does not dump it."""
    with open_text(path) as stream:
        units = "metal"
        for lines in _frames(stream):
            if "ITEM: UNITS\n" in lines:
                units = lines[lines.index("ITEM: UNITS\n") + 1].strip()
            yield _build(lines, units, reading)


def _frames(stream: IO[str]) -> Iterator[list[str]]:
    """Cut a dump before each time step; what precedes the first one belongs to it."""
    lines: list[str] = []
    for line in stream:
        if line.startswith("ITEM: TIMESTEP") and any(known.startswith("ITEM: ATOMS") for known in lines):
            yield lines
            lines = []
        lines.append(line)
    if any(line.strip() for line in lines):
        yield lines


def _build(lines: list[str], units: str, reading: Reading) -> Atoms:
    start = next((k for k, line in enumerate(lines) if line.startswith("ITEM: ATOMS")), len(lines))
    n_atoms = _number_of_atoms(lines)
    if start + n_atoms >= len(lines) or len(lines) < 2:
        present = max(len(lines) - start - 1, 0)
        raise InvalidInputError(f"the file is truncated: it ends after {present} of the {n_atoms} atoms of this frame")
    columns = lines[start].split()[2:]
    rows = [line.split() for line in lines[start + 1 : start + 1 + n_atoms]]
    symbols = _symbols(columns, rows, reading)
    # ASE is given symbols that it knows, whatever the file calls them.
    columns, rows = _with_elements(columns, rows, symbols)
    text = [*lines[:start], " ".join(["ITEM: ATOMS", *columns]) + "\n", *(" ".join(row) + "\n" for row in rows)]
    atoms: Atoms = read_lammps_dump_text(io.StringIO("".join(text[_timestep(text) :])), index=0, units=units)
    origin = np.ravel(atoms.get_celldisp())  # type: ignore[no-untyped-call]
    atoms.set_celldisp(origin.reshape(3, 1))  # type: ignore[no-untyped-call]
    if "x" not in columns and "xu" not in columns:  # scaled coordinates count from the origin of the cell
        atoms.positions += origin
    if atoms.calc is not None:  # with an energy of 0, which ASE makes up
        atoms.calc = SinglePointCalculator(atoms, forces=atoms.calc.results["forces"])  # type: ignore[no-untyped-call]
    order = np.argsort([int(row[columns.index("id")]) for row in rows]) if "id" in columns else range(n_atoms)
    return without_dropped(atoms, [symbols[k] == "" for k in order])


def _number_of_atoms(lines: Sequence[str]) -> int:
    place = next((k for k, line in enumerate(lines) if line.startswith("ITEM: NUMBER OF ATOMS")), None)
    if place is None or place + 1 >= len(lines):
        raise InvalidInputError("expected a section 'ITEM: NUMBER OF ATOMS', got none")
    return int(lines[place + 1])


def _timestep(lines: Sequence[str]) -> int:
    return next(k for k, line in enumerate(lines) if line.startswith("ITEM: TIMESTEP"))


def _symbols(columns: Sequence[str], rows: Sequence[Sequence[str]], reading: Reading) -> list[str]:
    """Return the chemical symbol of each row, empty for an atom to drop."""
    names = next((name for name in ("element", "typelabel") if name in columns), None)
    if names is None and reading.species is not None and "type" in columns:
        kinds = [int(row[columns.index("type")]) for row in rows]
        if max(kinds, default=0) > len(reading.types()):
            raise InvalidInputError(
                f"has atoms of type {max(kinds)}, --species names the elements of {len(reading.species)} types"
            )
        return [reading.species[kind - 1] for kind in kinds]
    names = names or ("mass" if "mass" in columns else None)
    if names is not None:
        words = [row[columns.index(names)] for row in rows]
        known = {word: _element(word, names, reading) for word in dict.fromkeys(words)}
        return [known[word] for word in words]
    types = sorted({int(row[columns.index("type")]) for row in rows}) if "type" in columns else []
    raise InvalidInputError(
        f"it numbers the types of its atoms ({', '.join(map(str, types)) or 'none'}) and names no elements: name the "
        "element of each type with --species, such as --species Si O"
    )


def _element(word: str, column: str, reading: Reading) -> str:
    if column != "mass":
        return symbol_of(word, reading)
    reading.notes.add("elements were found from the masses of the atoms")
    return element_of_mass(float(word))


def _with_elements(
    columns: Sequence[str], rows: Sequence[Sequence[str]], symbols: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Replace a column of names by symbols, or add one; a dropped atom is given some symbol."""
    place = columns.index("element") if "element" in columns else len(columns)
    new_columns: list[Any] = [*columns[:place], "element", *columns[place + 1 :]]
    known = [symbol or "H" for symbol in symbols]
    return new_columns, [[*row[:place], symbol, *row[place + 1 :]] for row, symbol in zip(rows, known, strict=True)]


LAMMPS_DUMP = Format("lammps-dump", "text dumps of LAMMPS", recognises, read)
