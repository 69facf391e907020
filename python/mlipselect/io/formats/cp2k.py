"""Trajectories of CP2K: positions (``-pos-1.xyz``), with the forces and the cells in the files beside them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.formats import get_compression
from ase.units import Bohr, Hartree
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.extxyz_text import frame_texts
from mlipselect.io.formats.format import Format
from mlipselect.io.reading import Reading
from mlipselect.io.tolerant_extxyz import parse_tolerant

#: Step and energy in Hartree, as CP2K writes the second line of a frame.
_COMMENT = re.compile(r"\s*i =\s*(\d+),(?:\s*time =\s*[-+.\dE]+,)?\s*E =\s*([-+.\dE]+)\s*")
_NAME = re.compile(r"(.*)-(pos|frc|vel)-(\d+)\.xyz")


def recognises(path: str, head: bytes) -> bool:  # noqa: ARG001
    """Tell a trajectory by the second line of its first frame."""
    lines = head.decode("utf-8", "replace").split("\n", 2)
    return len(lines) > 2 and lines[0].strip().isdigit() and _COMMENT.fullmatch(lines[1].rstrip("\r")) is not None


def read(path: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the frames, with energies, and forces and cells where there are files of them.

    Raises
    ------
    InvalidInputError
        A file of forces or velocities, or files that do not belong together.
    """
    match = _NAME.fullmatch(get_compression(path)[0])
    if match and match[2] != "pos":
        what = {"frc": "forces", "vel": "velocities"}[match[2]]
        raise InvalidInputError(f"holds {what} of CP2K, not positions: name the file ...-pos-{match[3]}.xyz")
    beside = {} if match is None else _beside(match[1], match[3])
    forces = _Steps(beside["forces"], reading) if "forces" in beside else None
    cells = _Cells(beside["cells"]) if "cells" in beside else None
    parts = [f"{name} from {file.name}" for name, file in beside.items()]
    reading.notes.say(f"a trajectory of CP2K: energies are those of its comments, in Hartree; {', '.join(parts)}"
                      if parts else "a trajectory of CP2K: energies are those of its comments, in Hartree")  # fmt: skip
    runs = _Runs()
    for text in frame_texts(path):
        atoms = parse_tolerant(text, reading)
        step, energy = _step(text)
        place = runs.place(step)
        if cells is not None:
            atoms.cell[:], atoms.pbc = cells.of(step), True
        results: dict[str, Any] = {"energy": energy * Hartree}
        found = None if forces is None else forces.of(place)
        if found is not None:
            if not np.array_equal(found.numbers, atoms.numbers):
                raise InvalidInputError(f"{beside['forces'].name} has other atoms in step {step}")
            results["forces"] = found.positions * (Hartree / Bohr)
        elif forces is not None:
            reading.notes.add(f"{forces.name} has no forces of its step: read without forces")
        atoms.calc = SinglePointCalculator(atoms, **results)  # type: ignore[no-untyped-call]
        yield atoms


class _Runs:
    """Places of steps in a file to which several runs may have been written: the number of the run, and the step."""

    def __init__(self) -> None:
        self._place = (0, -1)

    def place(self, step: int) -> tuple[int, int]:
        """Return the place of the next step; a step that is not above the last one begins a run."""
        run, last = self._place
        self._place = (run + (step <= last), step)
        return self._place


class _Steps:
    """The frames of a file beside the positions, found by their steps, which both files have in the same order."""

    def __init__(self, file: Path, reading: Reading):
        self.name = file.name
        self._reading, self._runs = reading, _Runs()
        self._texts = frame_texts(str(file))
        self._next: tuple[tuple[int, int], str] | None = None
        self._advance()

    def of(self, place: tuple[int, int]) -> Atoms | None:
        """Return the frame of a step, without the atoms that are dropped; None if the file has none."""
        while self._next is not None and self._next[0] < place:
            self._advance()
        if self._next is None or self._next[0] != place:
            return None
        return parse_tolerant(self._next[1], self._reading)

    def _advance(self) -> None:
        text = next(self._texts, None)
        self._next = None if text is None else (self._runs.place(_step(text)[0]), text)


class _Cells:
    """The cells of a file beside the positions, by their steps; one cell of all steps is that of any step."""

    def __init__(self, file: Path):
        self._name, self._cells = file.name, _cells(file)
        cells = list(self._cells.values())
        self._only = cells[0] if cells and all((cell == cells[0]).all() for cell in cells) else None

    def of(self, step: int) -> NDArray[np.float64]:
        """Return the cell vectors in Å of a step."""
        found = self._cells.get(step, self._only)
        if found is None:
            raise InvalidInputError(f"{self._name} has no cell of step {step}")
        return found


def _beside(project: str, number: str) -> dict[str, Path]:
    """Find the files of forces and cells that belong to a file of positions."""
    files = {"forces": Path(f"{project}-frc-{number}.xyz"), "cells": Path(f"{project}-{number}.cell")}
    return {name: file for name, file in files.items() if file.is_file()}


def _step(text: str) -> tuple[int, float]:
    match = _COMMENT.fullmatch(text.split("\n", 2)[1].rstrip("\r"))
    if match is None:
        raise InvalidInputError("expected a comment of CP2K with step and energy, 'i = ..., time = ..., E = ...'")
    return int(match[1]), float(match[2])


def _cells(file: Path) -> dict[int, NDArray[np.float64]]:
    """Return the cell vectors in Å of each step: columns are step, time, 9 components and the volume."""
    with file.open(encoding="utf-8") as stream:
        rows = [line.split() for line in itertools.dropwhile(lambda line: line.lstrip().startswith("#"), stream)]
    if any(len(row) < 11 for row in rows if row):
        raise InvalidInputError(f"{file.name}: expected step, time and 9 components of the cell in each line")
    return {int(row[0]): np.array(row[2:11], dtype=float).reshape(3, 3) for row in rows if row}


CP2K = Format("cp2k", "trajectories of CP2K, -pos-1.xyz with -frc-1.xyz and -1.cell beside it", recognises, read)
