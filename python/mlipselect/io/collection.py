"""Structures that can be read more than once without holding a large file in memory."""

from __future__ import annotations

import itertools
import logging
import os
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.symbols import Symbols
from numpy.typing import NDArray

from mlipselect.exceptions import StructureError, place_of
from mlipselect.io.cells import CellWatch
from mlipselect.io.checks import Checks
from mlipselect.io.digest import sha256, tell_same_files
from mlipselect.io.frame import Frame
from mlipselect.io.frames import PathLike, as_frames, read_frames
from mlipselect.io.inspection import Inspector, Rejected
from mlipselect.io.isolated import Isolated, mark_of
from mlipselect.io.raw_frames import FoundFrame, RawFrame, raw_frames
from mlipselect.io.reading import Reading
from mlipselect.io.sources import Source, as_paths, find_sources
from mlipselect.progress import progress_bar

_LOGGER = logging.getLogger("mlipselect")

StructuresLike: TypeAlias = "PathLike | Iterable[PathLike] | Atoms | Iterable[Atoms | Frame]"
"""A file, several files, or structures in memory."""

HELD_ATOMS = 1_000_000
"""Files up to this many atoms (some 100 MB) are held in memory; larger ones are read again."""


class Structures:
    """Structures from files or from memory, read once by `survey` and then as often as needed.

    Files of up to `held_atoms` atoms are held in memory. Larger ones are parsed again in each pass, so memory stays
    bounded. Structures given in memory are kept as they are.

    Parameters
    ----------
    given : path, iterable of paths, ase.Atoms or iterable of ase.Atoms
        The structures, or the files with them.
    isolated : sequence of Isolated, default=()
        Marks of isolated atoms.
    held_atoms : int, optional
        Largest number of atoms of files to hold in memory.
    group_by : sequence of str, optional
        Keys of `atoms.info` by which structures are grouped, or ``"composition"``: the reduced formula.
    reading : Reading, optional
        How files are read.
    checks : Checks, optional
        What structures are looked at for; by default only for what no descriptor can describe.
    where : str, default=""
        What messages say of where the structures are, such as " of the core".

    Attributes
    ----------
    sources : list of Source
        Files that the structures are read from, with the frames that are meant; empty for structures in memory.
    paths : list of str
        Names of these files.
    digests : dict of str
        SHA-256 of each file, in hexadecimal.
    candidates : list of int
        Positions, among all structures, of those that are neither isolated atoms nor rejected.
    sizes : list of int
        Numbers of atoms of the candidates.
    groups : dict of list
        Groups of the candidates, for each key of `group_by`.
    isolated_positions : list of int
        Positions of the isolated atoms.
    marks_found : dict of int
        Number of isolated atoms with each mark.
    rejected : dict of Rejected
        Structures that were passed over, by their positions.
    fingerprints : ndarray of uint64
        A digest of each candidate: copies have the same.
    elements : tuple of str
        Chemical symbols that occur outside isolated atoms, by atomic number.
    examples : list of ase.Atoms
        A few structures in which every element occurs.
    n_atoms : int
        Number of atoms outside isolated atoms.
    several_compositions : bool
        Whether the candidates differ in their element fractions.
    is_surveyed : bool
        Whether `survey` was called.
    """

    def __init__(
        self,
        given: StructuresLike,
        isolated: Sequence[Isolated] = (),
        held_atoms: int = HELD_ATOMS,
        group_by: Sequence[str] = (),
        reading: Reading | None = None,
        checks: Checks | None = None,
        where: str = "",
    ):
        self.reading = Reading() if reading is None else reading
        self.isolated = tuple(isolated)
        #: Then no structure of several atoms is looked at for marks.
        self._marks_are_assumed = all(mark.is_assumed for mark in self.isolated)
        self.checks, self.where = checks, where
        self.held_atoms = held_atoms
        self.groups: dict[str, list[Any]] = {key: [] for key in group_by}
        named, in_memory = separate(given)
        self.sources: list[Source] = find_sources(named, self.reading)
        self.paths = [source.name for source in self.sources]
        self._held: list[Frame | None] | None = None if self.sources else list(in_memory)
        self.digests: dict[str, str] = {}
        #: Number of the file of each structure, and its index there.
        self._files, self._indices = array("q"), array("q")
        self.candidates: list[int] = []
        self.sizes: list[int] = []
        self.isolated_positions: list[int] = []
        self.marks_found: dict[Isolated, int] = {}
        self.rejected: dict[int, Rejected] = {}
        self.fingerprints: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self.elements: tuple[str, ...] = ()
        self.examples: list[Atoms] = []
        self.n_atoms = 0
        self.several_compositions = False
        #: Element fractions of the first candidate, by atomic number.
        self._fractions: dict[int, float] | None = None
        self.is_surveyed = False

    @property
    def marks(self) -> tuple[str, ...]:
        """Marks of isolated atoms, ``"KEY=VALUE"``."""
        return tuple(map(str, self.isolated))

    def __len__(self) -> int:
        return len(self.candidates) + len(self.isolated_positions) + len(self.rejected)

    def __iter__(self) -> Iterator[Frame]:
        yield from (frame for _, frame in self._numbered(set(self.rejected)))

    def _numbered(self, left_out: Collection[int]) -> Iterator[tuple[int, Frame]]:
        """Yield structures with their positions; those that are left out are not parsed."""
        seen = self._found(left_out) if self._held is None else ((0, frame) for frame in self._held)
        for position, (_, frame) in enumerate(seen):
            if isinstance(frame, StructureError) and position not in left_out:
                raise frame
            if isinstance(frame, Frame) and position not in left_out:
                yield position, frame

    def _found(self, left_out: Collection[int] = ()) -> Iterator[tuple[int, Frame | StructureError | None]]:
        """Yield the structures of the files, each with the number of its file.

        In the place of a structure that is left out there is None, and of one that cannot be read why. No frame is
        found after one where the file is damaged.
        """
        position = 0
        for number, source in enumerate(self.sources):
            cells = CellWatch()
            for raw in self._raw_frames(source):
                is_left_out = position in left_out and not isinstance(raw, StructureError)
                frame = None if is_left_out else _parsed(raw)
                if cells.is_undecided and isinstance(frame, Frame):
                    cells.see(frame)
                yield number, frame
                position += 1
            self.reading.notes.place = (source.name, 0)
            cells.tell(self.reading.notes)
        self.reading.notes.tell()

    def _raw_frames(self, source: Source) -> Iterator[FoundFrame | StructureError]:
        """Yield the frames of a file, and why there is no further one."""
        try:
            yield from raw_frames(source, self.reading, wait=True)
        except StructureError as error:
            # Only whoever passes over bad structures goes on without the rest of the file, and has to know.
            if error.index is not None and self.checks is not None and self.checks.skip_bad and not self.is_surveyed:
                _LOGGER.warning("%s: the file is not read beyond frame %d: %s", source.name, error.index, error.problem)
            yield error

    def survey(
        self, progress: bool | None = False, look: Callable[[Frame, str | None], None] | None = None
    ) -> Structures:
        """Read all structures once, look at them, and fill the attributes.

        Parameters
        ----------
        progress : bool or None, default=False
            Show a progress bar; None shows it where the standard error is a terminal.
        look : callable, optional
            Is called with each frame and the file that it was read from just now; see ``io.writer.Writer.look``.

        Returns
        -------
        Structures
            Itself.

        Raises
        ------
        StructureError
            A structure that cannot be read or described, or that lacks a key of `group_by`.
        InvalidInputError
            Structures that the checks refuse.
        """
        self.digests = {source.name: sha256(source.path, source.name) for source in self.sources}
        tell_same_files([(source, self.digests[source.name]) for source in self.sources])
        inspector = Inspector(self.checks or Checks(min_bond=0.0), self._is_isolated, self.where)
        self.rejected = inspector.rejected
        read = progress_bar(progress, iterable=self._read(), desc="reading", unit="structure")
        for passed in inspector.look(read):
            if look is not None:
                for frame in passed.frames:
                    look(frame, frame.source if self.paths else None)
            self.isolated_positions += sorted(passed.isolated)
            positions, candidates = passed.candidates
            self.candidates += positions
            self._count(candidates, passed.numbers, passed.counts)
        self.fingerprints = inspector.digests
        self.is_surveyed = True
        if self.checks is not None:
            inspector.conclude(len(self.candidates))
        return self

    def _count(self, candidates: Sequence[Frame], numbers: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        """Take note of candidates: sizes, groups, elements and whether compositions differ.

        Parameters
        ----------
        candidates : sequence of Frame
            Some structures.
        numbers : ndarray of int64, shape (n_elements,)
            Atomic numbers.
        counts : ndarray of int64, shape (n_candidates, n_elements)
            Atoms of each element in each structure.
        """
        if not candidates:
            return
        sizes = counts.sum(axis=1)
        self.sizes += sizes.tolist()
        self.n_atoms += int(sizes.sum())
        for key, groups in self.groups.items():
            groups += [group_of(frame, key) for frame in candidates]
        fractions = counts / sizes[:, None]
        if self._fractions is None:
            self._fractions = dict(zip(numbers.tolist(), fractions[0].tolist(), strict=True))
        expected = [self._fractions.get(number, 0.0) for number in numbers.tolist()]
        self.several_compositions |= bool((fractions != expected).any())
        known = {atomic_numbers[symbol] for symbol in self.elements}
        is_new = [number not in known for number in numbers.tolist()]
        for k in np.flatnonzero(counts[:, is_new].any(axis=1)).tolist():
            found = numbers[counts[k] > 0].tolist()
            if not known.issuperset(found):
                known.update(found)
                self.examples.append(candidates[k].atoms)
        self.elements = tuple(chemical_symbols[number] for number in sorted(known))

    def _read(self) -> Iterator[Frame | StructureError]:
        """Yield all structures, or why one cannot be read; note where each is, and hold those of small files."""
        self._files, self._indices = array("q"), array("q")
        if self._held is not None:
            yield from (frame for frame in self._held if frame is not None)
            return
        held: list[Frame | None] | None = []
        n_atoms = 0
        for number, item in self._found():
            if item is None:
                continue
            yield item
            self._files.append(number)
            self._indices.append(item.index or 0)
            frame = None if isinstance(item, StructureError) else item
            n_atoms += 0 if frame is None else frame.n_atoms
            if held is not None:
                held.append(frame)
                held = held if n_atoms <= self.held_atoms else None
        self._held = held

    def _is_isolated(self, frame: Frame) -> bool:
        """Tell whether a structure is marked as an isolated atom, and count the mark."""
        if frame.n_atoms > 1 and self._marks_are_assumed:
            return False
        mark = mark_of(frame, self.isolated)
        if mark is not None:
            self.marks_found[mark] = self.marks_found.get(mark, 0) + 1
        return mark is not None

    def origin(self, position: int) -> tuple[int, int]:
        """Return the number of the file of a structure, and its index there."""
        return self._files[position], self._indices[position]

    def name_of(self, place: int) -> str:
        """Name a candidate, by its place among them, by its file and frame."""
        position = self.candidates[place]
        if self.sources:
            return place_of(self.paths[self._files[position]], self._indices[position])
        frame = self.take([position])[0]
        return frame.place

    def drop(self, places: Mapping[int, StructureError]) -> None:
        """Reject some candidates after all, by their places among the candidates.

        Parameters
        ----------
        places : mapping of int to StructureError
            Why the candidate at each place is rejected.
        """
        for place, error in places.items():
            position = self.candidates[place]
            frame = self.take([position])[0]
            self.rejected[position] = Rejected(frame.source, frame.index, error.problem, frame.atoms)
            self.n_atoms -= self.sizes[place]
        kept = [place for place in range(len(self.candidates)) if place not in places]
        self.candidates = [self.candidates[place] for place in kept]
        self.sizes = [self.sizes[place] for place in kept]
        self.groups = {key: [groups[place] for place in kept] for key, groups in self.groups.items()}
        self.fingerprints = self.fingerprints[kept]

    def summary(self) -> dict[str, Any]:
        """Return files with their digests, and the numbers of candidates and isolated atoms, ready for JSON."""
        files = [
            {"path": source.name, "sha256": self.digests[source.name]}
            | ({} if source.frames is None else {"frames": source.meant})
            for source in self.sources
        ]
        counts = {"candidates": len(self.candidates), "isolated": len(self.isolated_positions)}
        rejected = [[item.source, item.index, item.reason] for item in self.rejected.values()]
        return {"files": files, **counts, **({"rejected": rejected} if rejected else {})}

    def iter_candidates(self) -> Iterator[Frame]:
        """Yield the structures that are neither isolated atoms nor rejected."""
        yield from (frame for _, frame in self._numbered({*self.isolated_positions, *self.rejected}))

    def iter_kept(self, skip: int = 0) -> Iterator[tuple[int, Frame]]:
        """Yield the structures that are not rejected, after the first `skip` of them, with their positions."""
        kept = sorted([*self.candidates, *self.isolated_positions])
        yield from self._numbered({*self.rejected, *kept[:skip]})

    def take(self, positions: Iterable[int]) -> list[Frame]:
        """Return the structures at some positions, in the order asked for.

        Parameters
        ----------
        positions : iterable of int
            Positions among all structures.

        Raises
        ------
        StructureError
            A file has changed since `survey` and would have to be read again.
        """
        positions = list(positions)
        if self._held is not None:
            return [frame for position in positions if (frame := self._held[position]) is not None]
        for source in self.sources:
            if sha256(source.path, source.name) != self.digests[source.name]:
                raise StructureError("the file has changed since the selection began", source=source.name)
        wanted: dict[int, list[int]] = {}
        for position in positions:
            wanted.setdefault(self._files[position], []).append(self._indices[position])
        found = {number: read_frames(self.sources[number], indices, self.reading) for number, indices in wanted.items()}
        return [found[self._files[position]][self._indices[position]] for position in positions]


def _parsed(raw: FoundFrame | StructureError) -> Frame | StructureError:
    """Parse a frame, or return why that fails."""
    if not isinstance(raw, RawFrame):
        return raw
    try:
        return raw.frame()
    except StructureError as error:
        return error


def group_of(frame: Frame, key: str) -> Any:
    """Return the group of a structure: the value of a key of `atoms.info`, or the reduced formula."""
    if key == "composition":
        return str(Symbols(frame.numbers).formula.reduce()[0].format("hill"))
    if key not in frame.info:
        raise lacks_group(key, frame.info, frame.index, frame.source)
    return as_group(frame.info[key])


def as_group(value: Any) -> Any:
    """Return a value of `atoms.info` as the group that it stands for: a number or a text."""
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def lacks_group(key: str, known: Iterable[Any], index: int, source: str | None) -> StructureError:
    """Make the error for a structure without the key that it is to be grouped or weighted by."""
    names = ", ".join(map(str, known)) or "none"
    return StructureError(f"expected a key {key!r}, its keys are: {names}", index, source)


def separate(given: StructuresLike) -> tuple[list[str], Iterable[Frame]]:
    """Separate paths from structures in memory; one of the two is empty. A list of structures stays a list."""
    if isinstance(given, (str, os.PathLike)):
        return [os.fspath(given)], []
    if isinstance(given, Atoms):
        return [], list(as_frames(given))
    first, items = _peek(given)
    if isinstance(first, (str, os.PathLike)):
        return as_paths(items), []
    frames = as_frames(items)
    return [], list(frames) if isinstance(given, (list, tuple)) else frames


def _peek(items: Iterable[Any]) -> tuple[Any, Iterable[Any]]:
    """Return the first item, and an iterable over all items including it."""
    if isinstance(items, Sequence):
        return (items[0] if items else None), items
    iterator = iter(items)
    first = next(iterator, None)
    return first, iterator if first is None else itertools.chain([first], iterator)
