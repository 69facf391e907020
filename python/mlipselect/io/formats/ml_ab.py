"""VASP's `ML_AB` and `ML_ABN`: what a run with a force field learned on the fly computed with DFT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.formats.format import Format
from mlipselect.io.formats.labels import KBAR, attach
from mlipselect.io.formats.text import Block, as_floats, blocks
from mlipselect.io.reading import Reading
from mlipselect.io.species import symbol_of, without_dropped

_COUNT = "The number of configurations"
_TYPES = "Atom types and atom numbers"
_CELL = "Primitive lattice vectors (ang.)"
_POSITIONS = "Atomic positions (ang.)"
_ENERGY = "Total energy (eV)"
_FORCES = "Forces (eV ang.^-1)"
_STRESSES = ("XX YY ZZ", "XY YZ ZX")
_READ = {"System name", "CTIFOR", _TYPES, _CELL, _POSITIONS, _ENERGY, _FORCES, *_STRESSES}
#: Sections of a configuration that follow from other sections, or hold none of their own numbers.
_REDUNDANT = {"The number of atom types", "The number of atoms", "Stress (kbar)"}

_Sections = dict[str, tuple[int, Sequence[str]]]
"""For each title, the place of the first line of the section in its block, and its lines."""


def recognises(path: str, head: bytes) -> bool:  # noqa: ARG001
    """Tell an `ML_AB` by its first line and its first section."""
    return b"Version" in head.partition(b"\n")[0] and _COUNT.encode() in head


def read(path: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the configurations, periodic, with their atoms in the order of the file.

    The energy is the file's total energy. The file's stress is in kbar, in the order xx yy zz xy yz zx, and positive
    under compression, as in VASP's other files; the calculator has it in eV/Å^3 with ASE's order and sign. The name of
    the system is in `info`, and so is ``CTIFOR``, VASP's threshold of the errors of forces.
    """
    declared, n_frames = _declared(path), 0
    for block in blocks(path, lambda before, line: line.startswith("Configuration num.") and _is_rule(before)):
        sections = _sections(block)
        for title in sections.keys() - _READ - _REDUNDANT:
            reading.notes.add(f"the section {title!r} is not read")
        yield _structure(block, sections, reading)
        n_frames += 1
    if n_frames < declared:
        raise InvalidInputError(f"the file is truncated: it ends after {n_frames} of {declared} configurations")
    if n_frames > declared:
        reading.notes.say(f"its header announces {declared} configurations, all {n_frames} are read")


def _declared(path: str) -> int:
    """Return the number of configurations that the header announces."""
    header = next(blocks(path, lambda _, line: line == _COUNT, lambda line: line.isdecimal()), None)
    if header is None:
        raise InvalidInputError(f"expected a section {_COUNT!r} in the header, got none")
    return int(header.lines[-1])


def _is_rule(line: str) -> bool:
    """Tell whether a line is a rule between sections: many ``*``, ``=`` or ``-``."""
    return len(line) >= 10 and len(set(line)) == 1 and line[0] in "*=-"


def _sections(block: Block) -> _Sections:
    """Cut a configuration into sections, whose titles stand between two rules."""
    lines = block.lines
    rules = [k for k, line in enumerate(lines) if _is_rule(line)]
    found: _Sections = {}
    for above, below, end in zip(rules, rules[1:], [*rules, len(lines)][2:], strict=False):
        title = lines[below - 1]
        # The rows of stresses stand between rules too.
        if below == above + 2 and lines[below][0] == "-" and as_floats(title.split()) is None:
            found[title] = (below + 1, lines[below + 1 : end])
    return found


def _structure(block: Block, sections: _Sections, reading: Reading) -> Atoms:
    for title in (_TYPES, _CELL, _POSITIONS, _ENERGY, _FORCES, *_STRESSES):
        if title not in sections:
            problem = f"the frame ends without a section {title!r}; the file may be truncated"
            raise block.error(problem, len(block.lines) - 1)
    symbols = _symbols(block, *sections[_TYPES], reading)

    def table(title: str, rows: int, columns: int = 3) -> NDArray[np.float64]:
        start, lines = sections[title]
        if len(lines) > rows:
            raise block.error(f"expected {rows} lines in {title!r}, got {len(lines)}", start + rows)
        return block.table(start, rows, columns, f"{rows} x {columns} numbers in {title!r}")

    atoms = Atoms(
        numbers=[atomic_numbers[symbol] if symbol else 0 for symbol in symbols],
        positions=table(_POSITIONS, len(symbols)),
        cell=table(_CELL, 3),
        pbc=True,
    )
    name = " ".join(sections["System name"][1]) if "System name" in sections else ""
    if name:
        atoms.info["system_name"] = name
    if "CTIFOR" in sections:
        atoms.info["CTIFOR"] = float(table("CTIFOR", 1, 1)[0, 0])
    (xx, yy, zz), (xy, yz, zx) = (table(title, 1)[0] for title in _STRESSES)
    stress = -KBAR * np.array([xx, yy, zz, yz, zx, xy])
    attach(atoms, energy=float(table(_ENERGY, 1, 1)[0, 0]), forces=table(_FORCES, len(symbols)), stress=stress)
    return without_dropped(atoms, [symbol == "" for symbol in symbols])


def _symbols(block: Block, start: int, lines: Sequence[str], reading: Reading) -> list[str]:
    """Return the chemical symbol of each atom, empty for an atom to drop."""
    symbols: list[str] = []
    for line, text in enumerate(lines, start):
        words = text.split()
        if len(words) != 2 or not words[1].isdecimal():
            raise block.error(f"expected an element and its number of atoms, got {text[:60]!r}", line)
        try:
            symbols += [symbol_of(words[0], reading)] * int(words[1])
        except InvalidInputError as error:
            raise block.error(str(error), line) from error
    if not symbols:
        raise block.error("expected an element and its number of atoms", start)
    return symbols


ML_AB = Format("ml-ab", "ML_AB and ML_ABN of VASP's force fields learned on the fly", recognises, read)
