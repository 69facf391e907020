"""Structures as flat arrays, which the compiled part takes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ase import Atoms
from numpy.typing import NDArray


class FlatArrays(NamedTuple):
    """Structures one after the other.

    Attributes
    ----------
    positions : ndarray of shape (n_atoms, 3)
        Positions in Å.
    numbers : ndarray of int64, shape (n_atoms,)
        Atomic numbers.
    cells : ndarray of shape (n_structures, 3, 3)
        Cell vectors in Å.
    pbc : ndarray of bool, shape (n_structures, 3)
        Directions that are periodic.
    offsets : ndarray of int64, shape (n_structures + 1,)
        The atoms of structure `s` are those from ``offsets[s]`` to ``offsets[s + 1]``.
    """

    positions: NDArray[np.float64]
    numbers: NDArray[np.int64]
    cells: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    offsets: NDArray[np.int64]

    def part(self, start: int, stop: int) -> FlatArrays:
        """Return some consecutive structures, without copies of their positions."""
        first, last = self.offsets[start], self.offsets[stop]
        return FlatArrays(
            self.positions[first:last],
            self.numbers[first:last],
            self.cells[start:stop],
            self.pbc[start:stop],
            self.offsets[start : stop + 1] - first,
        )

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of atoms of each structure."""
        return np.diff(self.offsets)


class FlatSequence(Sequence[Atoms]):
    """Structures whose flat arrays are known before they are made."""

    @property
    @abstractmethod
    def flat(self) -> FlatArrays:
        """All of them as flat arrays."""


def flat_arrays(structures: Sequence[Atoms]) -> FlatArrays:
    """Copy positions, atomic numbers, cells and periodicity, structure after structure, and give the offsets."""
    if isinstance(structures, FlatSequence):
        return structures.flat
    offsets = np.cumsum([0, *map(len, structures)], dtype=np.int64)
    positions, numbers = np.empty((offsets[-1], 3)), np.empty(offsets[-1], dtype=np.int64)
    cells, pbc = np.empty((len(structures), 3, 3)), np.empty((len(structures), 3), dtype=bool)
    for s, atoms in enumerate(structures):
        atoms_of_s = slice(offsets[s], offsets[s + 1])
        positions[atoms_of_s], numbers[atoms_of_s] = atoms.positions, atoms.numbers
        cells[s], pbc[s] = atoms.cell.array, atoms.pbc
    return FlatArrays(positions, numbers, cells, pbc, offsets)


def count_elements(flat: FlatArrays) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the atoms of each element in each structure.

    Returns
    -------
    numbers : ndarray of shape (n_elements,)
        Atomic numbers that occur, ascending.
    counts : ndarray of shape (n_structures, n_elements)
        Atoms of each.
    """
    numbers = np.flatnonzero(np.bincount(flat.numbers))
    size = (len(flat.sizes), len(numbers))
    owners = np.repeat(np.arange(size[0]), flat.sizes)
    places = owners * size[1] + np.searchsorted(numbers, flat.numbers)
    return numbers, np.bincount(places, minlength=size[0] * size[1]).reshape(size)


def joined(parts: Sequence[FlatArrays]) -> FlatArrays:
    """Put structures one after the other."""
    if len(parts) == 1:
        return parts[0]
    ends = np.cumsum([0, *(len(part.numbers) for part in parts)])
    offsets = [part.offsets[1:] + end for part, end in zip(parts, ends, strict=False)]
    return FlatArrays(
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.cells for part in parts]),
        np.concatenate([part.pbc for part in parts]),
        np.concatenate([np.zeros(1, dtype=np.int64), *offsets]),
    )
