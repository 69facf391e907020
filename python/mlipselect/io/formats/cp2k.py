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
    forces = frame_texts(str(beside["forces"])) if "forces" in beside else None
    cells = _cells(beside["cells"]) if "cells" in beside else None
    parts = [f"{name} from {file.name}" for name, file in beside.items()]
    reading.notes.say(f"a trajectory of CP2K: energies are those of its comments, in Hartree; {', '.join(parts)}"
                      if parts else "a trajectory of CP2K: energies are those of its comments, in Hartree")  # fmt: skip
    for text in frame_texts(path):
        atoms = parse_tolerant(text, reading)
        step, energy = _step(text)
        if cells is not None:
            if step not in cells:
                raise InvalidInputError(f"{beside['cells'].name} has no cell of step {step}")
            atoms.cell[:], atoms.pbc = cells[step], True
        results: dict[str, Any] = {"energy": energy * Hartree}
        if forces is not None:
            results["forces"] = _forces(next(forces, ""), step, len(atoms), beside["forces"].name, reading)
        atoms.calc = SinglePointCalculator(atoms, **results)  # type: ignore[no-untyped-call]
        yield atoms


def _beside(project: str, number: str) -> dict[str, Path]:
    """Find the files of forces and cells that belong to a file of positions."""
    files = {"forces": Path(f"{project}-frc-{number}.xyz"), "cells": Path(f"{project}-{number}.cell")}
    return {name: file for name, file in files.items() if file.is_file()}


def _step(text: str) -> tuple[int, float]:
    match = _COMMENT.fullmatch(text.split("\n", 2)[1].rstrip("\r"))
    if match is None:
        raise InvalidInputError("expected a comment of CP2K with step and energy, 'i = ..., time = ..., E = ...'")
    return int(match[1]), float(match[2])


def _forces(text: str, step: int, n_atoms: int, name: str, reading: Reading) -> NDArray[np.float64]:
    """Return the forces of a step in eV/Å, without those of atoms that are dropped."""
    if not text:
        raise InvalidInputError(f"{name} has fewer frames")
    atoms = parse_tolerant(text, reading)
    if _step(text)[0] != step or len(atoms) != n_atoms:
        raise InvalidInputError(f"{name} has step {_step(text)[0]} of {len(atoms)} atoms in the place of step {step}")
    forces: NDArray[np.float64] = atoms.positions * (Hartree / Bohr)
    return forces


def _cells(file: Path) -> dict[int, NDArray[np.float64]]:
    """Return the cell vectors in Å of each step: columns are step, time, 9 components and the volume."""
    with file.open(encoding="utf-8") as stream:
        rows = [line.split() for line in itertools.dropwhile(lambda line: line.lstrip().startswith("#"), stream)]
    if any(len(row) < 11 for row in rows if row):
        raise InvalidInputError(f"{file.name}: expected step, time and 9 components of the cell in each line")
    return {int(row[0]): np.array(row[2:11], dtype=float).reshape(3, 3) for row in rows if row}


CP2K = Format("cp2k", "trajectories of CP2K, -pos-1.xyz with -frc-1.xyz and -1.cell beside it", recognises, read)
