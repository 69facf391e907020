"""A structure and where it came from; one of a plain file is made when somebody looks at it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, Protocol, cast, overload

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect.exceptions import StructureError, place_of
from mlipselect.io.flat import FlatArrays, FlatSequence, flat_arrays, joined


class FrameBatch(Protocol):
    """Frames of a file whose structures are made one by one, and whose geometry is known before."""

    @property
    def geometry(self) -> FlatArrays:
        """Positions, atomic numbers, cells, periodicity and offsets of the frames."""
        ...

    @property
    def sizes(self) -> list[int]:
        """Numbers of atoms."""
        ...

    def atoms(self, slot: int) -> Atoms:
        """Make the structure of a frame."""
        ...

    def info(self, slot: int) -> dict[str, Any]:
        """Return what `Atoms.info` of a frame is going to hold."""
        ...


class Frame:
    """A structure and where it came from.

    Parameters
    ----------
    atoms : ase.Atoms or None
        The structure; None if it is made from `batch` when it is asked for.
    source : str or None
        Path of its file, as given; None for a structure that was given in memory.
    index : int
        0-based index in `source`, or in the sequence that was given.
    row_id : int, optional
        Id of its row, if it came from a database.
    batch : FrameBatch, optional
        Where the structure is made.
    slot : int, default=0
        Place of the frame in the batch.

    Attributes
    ----------
    source, index, row_id
        As given.
    """

    __slots__ = ("_atoms", "_batch", "_slot", "index", "row_id", "source")

    def __init__(
        self,
        atoms: Atoms | None,
        source: str | None,
        index: int,
        row_id: int | None = None,
        batch: FrameBatch | None = None,
        slot: int = 0,
    ):
        self._atoms = atoms
        self.source, self.index, self.row_id = source, index, row_id
        self._batch, self._slot = batch, slot

    def __repr__(self) -> str:
        return f"Frame({self.place})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Frame, (self.atoms, self.source, self.index, self.row_id)

    @property
    def atoms(self) -> Atoms:
        """The structure."""
        if self._atoms is None:
            self._atoms = cast("FrameBatch", self._batch).atoms(self._slot)
            self._batch = None
        return self._atoms

    def frame(self) -> Frame:
        """Return itself: nothing of it is left to be parsed."""
        return self

    def build(self) -> Atoms:
        """Return the structure, as a frame that is still to be parsed does."""
        return self.atoms

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.atoms) if self._batch is None else self._batch.sizes[self._slot]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers."""
        if self._batch is None:
            numbers: NDArray[np.int64] = self.atoms.numbers
            return numbers
        flat = self._batch.geometry
        return flat.numbers[flat.offsets[self._slot] : flat.offsets[self._slot + 1]]

    @property
    def cell(self) -> NDArray[np.float64]:
        """Cell vectors in Å, shape (3, 3)."""
        array: NDArray[np.float64] = (
            self.atoms.cell.array if self._batch is None else self._batch.geometry.cells[self._slot]
        )
        return array

    @property
    def place(self) -> str:
        """The file and the frame, or the index of a structure in memory, for messages."""
        return place_of(self.source, self.index)

    @property
    def info(self) -> dict[Any, Any]:
        """What `Atoms.info` holds, not to be changed."""
        return self.atoms.info if self._batch is None else self._batch.info(self._slot)


@contextmanager
def errors_name(frame: Frame) -> Iterator[None]:
    """Let an error about a structure name the file and the frame."""
    try:
        yield
    except StructureError as error:
        raise StructureError(error.problem, frame.index, frame.source) from None


@contextmanager
def errors_name_one_of(frames: Sequence[Frame]) -> Iterator[None]:
    """Let an error about one of many structures, by its index among them, name the file and the frame."""
    try:
        yield
    except StructureError as error:
        if error.index is None or error.source is not None:
            raise
        frame = frames[error.index]
        raise StructureError(error.problem, frame.index, frame.source) from error


class FrameStructures(FlatSequence):
    """The structures of some frames, each made when it is looked at.

    Parameters
    ----------
    frames : sequence of Frame
        The frames.
    """

    def __init__(self, frames: Sequence[Frame]):
        self.frames = frames

    def __len__(self) -> int:
        return len(self.frames)

    @overload
    def __getitem__(self, index: int) -> Atoms: ...
    @overload
    def __getitem__(self, index: slice) -> FrameStructures: ...
    def __getitem__(self, index: int | slice) -> Atoms | FrameStructures:
        if isinstance(index, slice):
            return FrameStructures(self.frames[index])
        return self.frames[index].atoms

    def __iter__(self) -> Iterator[Atoms]:
        return (frame.atoms for frame in self.frames)

    @functools.cached_property
    def flat(self) -> FlatArrays:
        """All of them as flat arrays."""
        return flat_frames(self.frames)


def flat_frames(frames: Sequence[Frame]) -> FlatArrays:
    """Return frames as flat arrays; no structure is made for that."""
    parts = []
    for batch, run in itertools.groupby(frames, key=attrgetter("_batch")):
        if batch is None:
            parts.append(flat_arrays([frame.atoms for frame in run]))
            continue
        slots = np.array([frame._slot for frame in run])
        runs = np.split(slots, np.flatnonzero(np.diff(slots) != 1) + 1)
        parts += [batch.geometry.part(slots[0], slots[-1] + 1) for slots in runs]
    return joined(parts) if parts else flat_arrays([])
