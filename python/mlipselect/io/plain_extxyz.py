"""A fast reader of plain extended XYZ: find frames, and build structures from some of them.

Frames or files with constructions that the compiled part does not cover go to ASE's reader, so that structures are
always those that ASE reads.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

import numpy as np
from ase import Atoms
from ase.io.extxyz import REV_PROPERTY_NAME_MAP, SPECIAL_3_3_KEYS, per_config_properties
from numpy.typing import NDArray

from mlipselect._core import frame_index, parse_frames, parse_info, scan_frames
from mlipselect.io.comment_line import FORTRAN_SOMEWHERE, GEOMETRY_KEYS
from mlipselect.io.flat import FlatArrays
from mlipselect.io.notes import Notes
from mlipselect.io.quick_atoms import make_atoms
from mlipselect.io.reading import Reading
from mlipselect.io.tolerant_extxyz import NO_PBC, beyond, columns_beyond, parse_extxyz, parse_tolerant

__all__ = ["Batch", "PlainFile", "WaitingBatch", "build", "parse_extxyz", "parse_tolerant"]

BATCH_BYTES = 1 << 23
"""Bytes of frames that are read and parsed together."""

#: Keys of the comment line that ASE takes for the geometry, or for results of a calculator.
NOT_INFO = frozenset({"Lattice", "pbc", *per_config_properties})

#: Properties that ASE turns into neither an array nor a result.
_SPECIAL = {"move_mask", "initial_charges"}
_GEOMETRY = frozenset(GEOMETRY_KEYS.values())


ParsedFrame: TypeAlias = tuple[int, list[tuple[str, Any]], list[tuple[str, int, Any]]]
"""Number of atoms, keys with values, and columns: name, width and entries."""

B = TypeVar("B", bound="Batch")


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
        self, indices: Sequence[int] | NDArray[np.int64] | range, kind: type[B], reading: Reading | None = None
    ) -> Iterator[tuple[list[int], B]]:
        """Read frames in batches: indices and text.

        Parameters
        ----------
        indices : sequence of int
            Indices of frames, ascending.
        kind : type
            `Batch`, or `WaitingBatch` where most structures are not looked at.
        reading : Reading, optional
            Options of reading.
        """
        frames = np.asarray(indices, dtype=np.int64)
        ends = np.concatenate([[0], np.cumsum(np.diff(self._starts)[frames])])
        with Path(self._path).open("rb") as stream:
            start = 0
            while start < len(frames):
                stop = int(np.searchsorted(ends, ends[start] + BATCH_BYTES, side="right")) - 1
                stop = min(max(stop, start + 1), len(frames))
                data = self._read(stream, frames[start:stop])
                yield frames[start:stop].tolist(), kind(data, ends[start : stop + 1] - ends[start], reading)
                start = stop

    def _read(self, stream: BinaryIO, chosen: NDArray[np.int64]) -> bytes:
        """Read the text of some frames; consecutive ones are read at once."""
        parts = []
        for run in np.split(chosen, np.flatnonzero(np.diff(chosen) != 1) + 1):
            first_byte, end = self._starts[run[0]], self._starts[run[-1] + 1]
            stream.seek(first_byte)
            parts.append(stream.read(end - first_byte))
        return b"".join(parts)


class Batch:
    """The text of some frames, parsed together when the first of them is asked for.

    Parameters
    ----------
    data : bytes
        The text.
    starts : ndarray of int64
        Offsets of the frames, and the end of the last one.
    reading : Reading, optional
        Options of reading.
    """

    def __init__(self, data: bytes, starts: NDArray[np.int64], reading: Reading | None = None):
        self._data, self._starts = data, starts
        self._reading = Reading() if reading is None else reading

    def __len__(self) -> int:
        return len(self._starts) - 1

    def text(self, slot: int) -> bytes:
        """Return the text of a frame as it is in the file."""
        return self._data[self._starts[slot] : self._starts[slot + 1]]

    def atoms(self, slot: int) -> Atoms:
        """Make the structure of a frame, and note what is assumed of it or left out."""
        notes = self._reading.notes
        plain = None if self._reading.species_map else self._plain(slot, notes)
        if plain is None:
            return parse_tolerant(self.text(slot).decode("utf-8"), self._reading)
        if (count := self._columns_beyond(slot)) > 0:
            notes.add(beyond(count))
        return plain

    def _plain(self, slot: int, notes: Notes | None) -> Atoms | None:
        """Make a structure without ASE's reader; None where that might differ from ASE."""
        parsed = self._parsed_frame(slot)
        return None if parsed is None else build(*parsed, notes)

    def _parsed_frame(self, slot: int) -> ParsedFrame | None:
        parsed, self._parsed[slot] = self._parsed[slot], None
        return parsed

    @functools.cached_property
    def _parsed(self) -> list[ParsedFrame | None]:
        return parse_frames(self._data, self._starts)

    def _columns_beyond(self, slot: int) -> int:
        """Count the columns that are not read."""
        _, comment, line, *_ = [*self.text(slot).decode("utf-8").split("\n", 3), "", ""]
        return columns_beyond(comment, line)


class WaitingBatch(Batch):
    """The text of some frames whose structures are made when somebody looks at them.

    A scan gives the geometry of all frames. Of each layout, the keys and columns with the types and lengths of values,
    the first structure is made at once; if that works without ASE's reader, the others of its layout can wait.
    """

    def __init__(self, data: bytes, starts: NDArray[np.int64], reading: Reading | None = None):
        super().__init__(data, starts, reading)
        layouts, self._leaves_pbc_open, positions, numbers, cells, pbc, offsets = scan_frames(data, starts)
        self._layouts: list[int] = layouts.tolist()
        #: Positions, atomic numbers, cells, periodicity and offsets of the frames that can be made later.
        self.geometry = FlatArrays(positions, numbers, cells, pbc, offsets)
        #: Numbers of atoms of the frames that can be made later.
        self.sizes: list[int] = self.geometry.sizes.tolist()
        #: The first structures of layouts, until somebody asks for them.
        self._made: dict[int, Atoms] = {}

    @functools.cached_property
    def can_wait(self) -> list[bool]:
        """Whether the structure of each frame can be made later."""
        if self._reading.species_map or self._reading.cell is not None:
            return [False] * len(self)
        is_plain = {layout: self._try(layout) for layout in set(self._layouts) if layout >= 0}
        return [layout not in (-1, slot) and is_plain[layout] for slot, layout in enumerate(self._layouts)]

    def _try(self, slot: int) -> bool:
        """Make the first structure of a layout, and tell whether that worked."""
        try:
            made = self._plain(slot, None)
        except Exception:  # ASE's reader meets it again where the frame is asked for
            return False
        if made is not None:
            self._made[slot] = made
        return made is not None

    @functools.cached_property
    def _beyond(self) -> dict[int, int]:
        """Numbers of columns that are not read, by the layouts of frames that have some; the first one is looked at."""
        counts = {layout: self._columns_beyond(layout) for layout in set(self._layouts) if layout >= 0}
        return {layout: count for layout, count in counts.items() if count > 0}

    @functools.cached_property
    def needs_notes(self) -> bool:
        """Whether `note` has something to note of any frame."""
        return bool(self._leaves_pbc_open.any()) or bool(self._beyond)

    def note(self, slot: int) -> None:
        """Note what is assumed of a frame, and left out, whose structure is made without notes."""
        if self._leaves_pbc_open[slot]:
            self._reading.notes.add(NO_PBC)
        if count := self._beyond.get(self._layouts[slot], 0):
            self._reading.notes.add(beyond(count))

    def atoms(self, slot: int) -> Atoms:
        """Make the structure of a frame; what is assumed is noted unless the structure could wait."""
        made = self._made.pop(slot, None)
        if made is not None:
            self.note(slot)
            return made
        waiting = self._plain(slot, None) if self.can_wait[slot] else None
        return super().atoms(slot) if waiting is None else waiting

    def _parsed_frame(self, slot: int) -> ParsedFrame | None:
        text = self.text(slot)
        return parse_frames(text, np.array([0, len(text)]))[0]

    def info(self, slot: int) -> dict[str, Any]:
        """Return what `Atoms.info` is going to hold of a frame that can wait."""
        found = _info(parse_info(self.text(slot)) or []) or {}
        return {key: value for key, value in found.items() if key not in NOT_INFO}


def build(
    n_atoms: int, items: list[tuple[str, Any]], columns: list[tuple[str, int, Any]], notes: Notes | None = None
) -> Atoms | None:
    """Build a structure as ASE does; None if the result might differ from ASE's, or what is meant from both."""
    info = _info(items)
    if info is None:
        return None
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
    if isinstance(lattice, str):
        return None
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


def _info(items: list[tuple[str, Any]]) -> dict[str, Any] | None:
    """Return the values of the comment line as ASE reads them; None where that is uncertain."""
    info: dict[str, Any] = {}
    for key, value in items:
        value = _unwrapped(value)
        if key in SPECIAL_3_3_KEYS:
            if not isinstance(value, np.ndarray) or value.shape != (9,):
                return None
            value = value.reshape((3, 3), order="F")
        is_odd = isinstance(value, str) and FORTRAN_SOMEWHERE.search(value)
        if is_odd or (key not in _GEOMETRY and key.lower() in GEOMETRY_KEYS):
            return None
        info[key] = value
    return info


def _unwrapped(value: Any) -> Any:
    """Return the entry of a value that has only one."""
    return value if value is None or isinstance(value, str) or len(value) != 1 else value[0]


def _is_periodicity(pbc: Any, info: dict[str, Any]) -> bool:
    """Tell truth values from texts such as TTF, which ASE takes for true, and from the first of three bare words."""
    values = np.asarray(False if pbc is None else pbc)
    is_bare = values.ndim == 0 and not info.keys().isdisjoint(("T", "F", "t", "f", "0", "1"))
    return values.dtype.kind in "bi" and bool(((values == 0) | (values == 1)).all()) and not is_bare
