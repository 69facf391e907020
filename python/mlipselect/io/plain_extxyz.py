"""A fast reader of plain extended XYZ: find frames, and build structures from some of them.

Frames or files with constructions that the compiled part does not cover go to ASE's reader, so that structures are
always those that ASE reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io.extxyz import REV_PROPERTY_NAME_MAP, SPECIAL_3_3_KEYS
from numpy.typing import NDArray

from mlipselect._core import frame_index, parse_frames
from mlipselect.io.comment_line import FORTRAN_SOMEWHERE, GEOMETRY_KEYS
from mlipselect.io.notes import Notes
from mlipselect.io.quick_atoms import make_atoms
from mlipselect.io.reading import Reading
from mlipselect.io.tolerant_extxyz import NO_PBC, parse_extxyz, parse_tolerant

__all__ = ["Batch", "PlainFile", "build", "parse_extxyz", "parse_tolerant"]

BATCH_BYTES = 8 << 20
"""Bytes of frames that are read and parsed together."""

#: Properties that ASE turns into neither an array nor a result.
_SPECIAL = {"move_mask", "initial_charges"}
_GEOMETRY = frozenset(GEOMETRY_KEYS.values())


class PlainFile:
    """An uncompressed file that is a plain sequence of complete frames.

    Attributes
    ----------
    n_atoms : ndarray of int64
        Number of atoms of each frame.
    """

    def __init__(self, path: str, starts: NDArray[np.int64], n_atoms: NDArray[np.int64]):
        self._path, self._starts = path, starts
        self.n_atoms = n_atoms

    @classmethod
    def find(cls, path: str) -> PlainFile | None:
        """Find the frames of an uncompressed file; None if it is not a plain sequence of complete frames."""
        found = frame_index(path)
        return None if found is None else cls(path, *found)

    def __len__(self) -> int:
        return len(self.n_atoms)

    def batches(
        self, indices: Sequence[int] | NDArray[np.int64] | range, reading: Reading | None = None
    ) -> Iterator[tuple[list[int], Batch]]:
        """Read frames in batches: indices and text.

        Parameters
        ----------
        indices : sequence of int
            Indices of frames, ascending.
        reading : Reading, optional
            Options of reading.
        """
        sizes = np.diff(self._starts)
        with Path(self._path).open("rb") as stream:
            start = 0
            while start < len(indices):
                chosen, total = [int(indices[start])], int(sizes[indices[start]])
                while start + len(chosen) < len(indices):
                    index = int(indices[start + len(chosen)])
                    if total + sizes[index] > BATCH_BYTES:
                        break
                    chosen.append(index)
                    total += int(sizes[index])
                start += len(chosen)
                yield chosen, Batch(*self._read(stream, chosen), reading)

    def _read(self, stream: Any, chosen: Sequence[int]) -> tuple[bytes, NDArray[np.int64]]:
        starts = np.concatenate([[0], np.cumsum(np.diff(self._starts)[chosen])]).astype(np.int64)
        parts, k = [], 0
        while k < len(chosen):
            # Consecutive frames are read at once.
            last = k
            while last + 1 < len(chosen) and chosen[last + 1] == chosen[last] + 1:
                last += 1
            first_byte, end = self._starts[chosen[k]], self._starts[chosen[last] + 1]
            stream.seek(first_byte)
            parts.append(stream.read(end - first_byte))
            k = last + 1
        return b"".join(parts), starts


class Batch:
    """The text of some frames, parsed together when the first of them is asked for."""

    def __init__(self, data: bytes, starts: NDArray[np.int64], reading: Reading | None = None):
        self._data, self._starts = data, starts
        self._reading = Reading() if reading is None else reading
        self._parsed: list[Any] | None = None

    def text(self, place: int) -> bytes:
        """Return the text of a frame as it is in the file."""
        return self._data[self._starts[place] : self._starts[place + 1]]

    def atoms(self, place: int) -> Atoms:
        """Build the structure of a frame."""
        if self._parsed is None:
            self._parsed = parse_frames(self._data, self._starts)
        parsed, self._parsed[place] = self._parsed[place], None
        if parsed is not None and not self._reading.species_map:
            n_atoms, items, columns = parsed
            made = build(n_atoms, items, columns, self._reading.notes)
            if made is not None:
                return made
        return parse_tolerant(self.text(place).decode("utf-8"), self._reading)


def build(
    n_atoms: int, items: list[tuple[str, Any]], columns: list[tuple[str, int, Any]], notes: Notes | None = None
) -> Atoms | None:
    """Build a structure as ASE does; None if the result might differ from ASE's, or what is meant from both."""
    info: dict[str, Any] = {}
    for key, value in items:
        if not isinstance(value, str) and len(value) == 1:
            value = value[0]
        if key in SPECIAL_3_3_KEYS:
            if not isinstance(value, np.ndarray) or value.shape != (9,):
                return None
            value = value.reshape((3, 3), order="F")
        is_odd = isinstance(value, str) and FORTRAN_SOMEWHERE.search(value)
        if is_odd or (key not in _GEOMETRY and key.lower() in GEOMETRY_KEYS):
            return None
        info[key] = value
    arrays: dict[str, Any] = {}
    for name, width, entries in columns:
        if isinstance(entries, list):
            entries = np.array(entries, dtype=object)
        arrays[REV_PROPERTY_NAME_MAP.get(name, name)] = entries if width == 1 else entries.reshape(n_atoms, width)
    if len(arrays) < len(columns) or arrays.keys() & _SPECIAL or "positions" not in arrays:
        return None
    # Symbols come as numbers. ASE takes the column of numbers where there are both.
    symbols, numbers = arrays.pop("symbols", None), arrays.pop("numbers", None)
    numbers = symbols if numbers is None else numbers
    if numbers is None or numbers.dtype.kind != "i" or numbers.ndim != 1:
        return None
    lattice = info.pop("Lattice", None)
    if notes is not None and lattice is not None and "pbc" not in info:
        notes.add(NO_PBC)
    pbc = info.pop("pbc", None if lattice is None else [True, True, True])
    if not _is_periodicity(pbc, info):
        return None
    positions = arrays.pop("positions")
    if np.shape(pbc) not in ((), (3,)) or positions.shape != (n_atoms, 3) or positions.dtype != np.float64:
        return None
    cell = None if lattice is None else lattice.T
    return make_atoms(numbers.astype(np.int64, copy=False), positions, cell, pbc, info, arrays)


def _is_periodicity(pbc: Any, info: dict[str, Any]) -> bool:
    """Tell truth values from texts such as TTF, which ASE takes for true, and from the first of three bare words."""
    values = np.asarray(False if pbc is None else pbc)
    is_bare = values.ndim == 0 and not info.keys().isdisjoint(("T", "F", "t", "f", "0", "1"))
    return values.dtype.kind in "bi" and bool(((values == 0) | (values == 1)).all()) and not is_bare
