"""The `.cfg` of MLIP, the program of moment tensor potentials: frames from `BEGIN_CFG` to `END_CFG`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.formats.format import Format
from mlipselect.io.formats.labels import attach, stress_of_virial
from mlipselect.io.formats.text import Block, as_floats, blocks, number_or_text
from mlipselect.io.reading import Reading

_VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")
_CARTESIAN = ("cartes_x", "cartes_y", "cartes_z")
_DIRECT = ("direct_x", "direct_y", "direct_z")
_FORCES = ("fx", "fy", "fz")
_COLUMNS = {"id", "type", *_CARTESIAN, *_DIRECT, *_FORCES}


def recognises(path: str, head: bytes) -> bool:  # noqa: ARG001
    """Tell a `.cfg` of MLIP by its first word; AtomEye's files have the same ending."""
    return head.lstrip().startswith(b"BEGIN_CFG")


def read(path: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the frames, periodic along the vectors of their `Supercell`; without one they have no cell.

    The file numbers its types of atoms from 0; ``reading.species`` has their elements in that order. `PlusStress` is
    the virial in eV, which is -volume * stress. Further columns of `AtomData` are in `arrays`, and each `Feature` is in
    `info`.
    """
    if reading.species is None:
        raise InvalidInputError(
            "it numbers the types of its atoms from 0 and names no elements: name the element of each type with "
            "--species, such as --species Si O"
        )
    for block in blocks(path, lambda _, line: line == "BEGIN_CFG", lambda line: line == "END_CFG"):
        yield _Frame(block, reading).structure(reading.types())


class _Frame:
    """The parts of one frame, as they are found line by line."""

    def __init__(self, block: Block, reading: Reading):
        self.block, self.reading = block, reading
        self.size = 0
        self.cell: NDArray[np.float64] = np.zeros((0, 3))
        self.columns: dict[str, NDArray[np.float64]] = {}
        self.header = 0
        self.energy: float | None = None
        self.virial: NDArray[np.float64] | None = None
        self.info: dict[str, object] = {}
        line = 1
        while line < len(block.lines) - 1:
            line = self._read_part(line, block.lines[line].split())

    def _read_part(self, line: int, words: Sequence[str]) -> int:
        """Read the part of the frame that begins in a line; return the line after it."""
        block, keyword = self.block, words[0].lower() if words else ""
        if keyword == "size":
            self.size = block.count(line + 1, "the number of atoms")
        elif keyword == "supercell":
            self.cell = block.table(line + 1, min(self._numeric_lines(line + 1), 3), 3, "a vector of the cell")
            return line + 1 + len(self.cell)
        elif keyword in ("atomdata:", "atomic_data:"):
            expected = f"the {len(words) - 1} columns {' '.join(words[1:])} of one of {self.size} atoms"
            table = block.table(line + 1, self.size, len(words) - 1, expected)
            self.columns, self.header = dict(zip(words[1:], table.T, strict=True)), line
            return line + 1 + self.size
        elif keyword == "energy":
            self.energy = block.numbers(line + 1, 1, "the energy in eV")[0]
        elif keyword == "plusstress:":
            if sorted(words[1:]) != sorted(_VOIGT):
                raise block.error(f"expected PlusStress: {' '.join(_VOIGT)}, got {' '.join(words)!r}", line)
            values = dict(zip(words[1:], block.numbers(line + 1, 6, "the 6 components of PlusStress"), strict=True))
            self.virial = np.array([values[component] for component in _VOIGT])
        elif not keyword:
            return line + 1
        elif keyword == "feature" and len(words) > 1:
            self.info[words[1]] = number_or_text(" ".join(words[2:]))
            return line + 1
        elif as_floats(words) is None:
            self.reading.notes.add(f"the part {words[0]!r} is not read")
            return line + 1 + self._numeric_lines(line + 1)
        else:
            raise block.error(f"expected the name of a part of a frame, got {' '.join(words)[:60]!r}", line)
        return line + 2

    def _numeric_lines(self, line: int) -> int:
        """Return how many lines from this one on hold nothing but numbers."""
        words = (text.split() for text in self.block.lines[line:])
        return next(k for k, found in enumerate(words) if not found or as_floats(found) is None)

    def structure(self, species: Sequence[str]) -> Atoms:
        """Build the structure of the frame."""
        if not self.columns:
            raise self.block.error("the frame ends without AtomData", len(self.block.lines) - 1)
        cell = np.zeros((3, 3))
        cell[: len(self.cell)] = self.cell
        positions, direct = self._vectors(_CARTESIAN), self._vectors(_DIRECT)
        if positions is None and direct is not None:
            positions = direct @ cell
        if positions is None:
            raise self.block.error(f"expected the columns {' '.join(_CARTESIAN)}", self.header)
        pbc = [row < len(self.cell) for row in range(3)]
        atoms = Atoms(numbers=self._numbers(species), positions=positions, cell=cell, pbc=pbc, info=self.info)
        for name in self.columns.keys() - _COLUMNS:
            atoms.set_array(name, self.columns[name])  # type: ignore[no-untyped-call]
        stress = None if self.virial is None else stress_of_virial(self.virial, atoms)
        if self.virial is not None and stress is None:
            self.reading.notes.add("PlusStress is not read where the Supercell has not three vectors")
        return attach(atoms, energy=self.energy, forces=self._vectors(_FORCES), stress=stress)

    def _vectors(self, names: Sequence[str]) -> NDArray[np.float64] | None:
        if not self.columns.keys() >= set(names):
            return None
        return np.column_stack([self.columns[name] for name in names])

    def _numbers(self, species: Sequence[str]) -> list[int]:
        types = self.columns.get("type", np.zeros(self.size))
        for atom, kind in enumerate(types):
            if kind not in range(len(species)):
                problem = f"type {kind:g}: types count from 0, and --species names the elements of {len(species)} types"
                raise self.block.error(problem, self.header + 1 + atom)
        return [atomic_numbers[species[int(kind)]] for kind in types]


MTP = Format("mtp", "configurations of MLIP (moment tensor potentials), BEGIN_CFG ... END_CFG", recognises, read)
