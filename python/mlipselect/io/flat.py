"""Structures as flat arrays, which the compiled part takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

FlatArrays: TypeAlias = tuple[
    NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]
]
"""Positions, atomic numbers, cells, periodicity and offsets of the first atoms."""


def flat_arrays(structures: Sequence[Atoms]) -> FlatArrays:
    """Copy positions, atomic numbers, cells and periodicity, structure after structure, and give the offsets."""
    offsets = np.cumsum([0, *map(len, structures)], dtype=np.int64)
    positions, numbers = np.empty((offsets[-1], 3)), np.empty(offsets[-1], dtype=np.int64)
    cells, pbc = np.empty((len(structures), 3, 3)), np.empty((len(structures), 3), dtype=bool)
    for s, atoms in enumerate(structures):
        atoms_of_s = slice(offsets[s], offsets[s + 1])
        positions[atoms_of_s], numbers[atoms_of_s] = atoms.positions, atoms.numbers
        cells[s], pbc[s] = atoms.cell.array, atoms.pbc
    return positions, numbers, cells, pbc, offsets
