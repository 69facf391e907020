"""Structures that can be read more than once without holding a large file in memory."""

from __future__ import annotations

import itertools
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.digest import sha256, tell_same_files
from mlipselect.io.frames import Frame, PathLike, as_frames, read_frames, source_frames
from mlipselect.io.reading import Reading
from mlipselect.io.sources import Source, as_paths, find_sources
from mlipselect.progress import progress_bar

StructuresLike: TypeAlias = "PathLike | Iterable[PathLike] | Atoms | Iterable[Atoms | Frame]"
"""A file, several files, or structures in memory."""

HELD_ATOMS = 1_000_000
"""Files up to this many atoms (some 100 MB) are held in memory; larger ones are read again."""


@dataclass(frozen=True, slots=True)
class Isolated:
    """The mark of isolated atoms: structures whose `atoms.info[key]` reads `value`.

    They carry the reference energies of the elements, so they always belong in a training set. A descriptor of
    surroundings cannot describe them.
    """

    key: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Isolated:
        """Parse ``KEY=VALUE``."""
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise InvalidInputError(
                f"isolated atoms: expected KEY=VALUE such as config_type=isolated_atom, got {text!r}"
            )
        return cls(key, value)

    def matches(self, frame: Frame) -> bool:
        """Tell whether a frame is marked as an isolated atom.

        Raises
        ------
        StructureError
            The frame is marked and holds more than one atom.
        """
        if str(frame.atoms.info.get(self.key)) != self.value:
            return False
        if len(frame.atoms) != 1:
            problem = f"{self.key}={self.value} marks it as an isolated atom, but it holds {len(frame.atoms)} atoms"
            raise StructureError(problem, frame.index, frame.source)
        return True


class Structures:
    """Structures from files or from memory, read once by `survey` and then as often as needed.

    Files of up to `held_atoms` atoms are held in memory. Larger ones are parsed again in each pass, so memory stays
    bounded. Structures given in memory are kept as they are.

    Parameters
    ----------
    given : path, iterable of paths, ase.Atoms or iterable of ase.Atoms
        The structures, or the files with them.
    isolated : Isolated, optional
        Mark of isolated atoms.
    held_atoms : int, optional
        Largest number of atoms of files to hold in memory.
    group_by : sequence of str, optional
        Keys of `atoms.info` by which structures are grouped, or ``"composition"``: the reduced formula.
    reading : Reading, optional
        How files are read.

    Attributes
    ----------
    sources : list of Source
        Files that the structures are read from, with the frames that are meant; empty for structures in memory.
    paths : list of str
        Names of these files.
    digests : dict of str
        SHA-256 of each file, in hexadecimal.
    candidates : list of int
        Positions, among all structures, of those that are not isolated atoms.
    sizes : list of int
        Numbers of atoms of the candidates.
    groups : dict of list
        Groups of the candidates, for each key of `group_by`.
    isolated_positions : list of int
        Positions of the isolated atoms.
    elements : tuple of str
        Chemical symbols that occur outside isolated atoms, by atomic number.
    examples : list of ase.Atoms
        A few structures in which every element occurs.
    n_atoms : int
        Number of atoms outside isolated atoms.
    several_compositions : bool
        Whether the candidates differ in their element fractions.
    """

    def __init__(
        self,
        given: StructuresLike,
        isolated: Isolated | None = None,
        held_atoms: int = HELD_ATOMS,
        group_by: Sequence[str] = (),
        reading: Reading | None = None,
    ):
        self.reading = Reading() if reading is None else reading
        self.isolated = isolated
        self.held_atoms = held_atoms
        self.groups: dict[str, list[Any]] = {key: [] for key in group_by}
        named, in_memory = separate(given)
        self.sources: list[Source] = find_sources(named, self.reading)
        self.paths = [source.name for source in self.sources]
        self._held: list[Frame] | None = None if self.sources else list(in_memory)
        self.digests: dict[str, str] = {}
        #: Number of the file of each structure, and its index there.
        self._files, self._indices = array("q"), array("q")
        self.candidates: list[int] = []
        self.sizes: list[int] = []
        self.isolated_positions: list[int] = []
        self.elements: tuple[str, ...] = ()
        self.examples: list[Atoms] = []
        self.n_atoms = 0
        self.several_compositions = False

    @property
    def marks(self) -> tuple[str, ...]:
        """Marks of isolated atoms, ``"KEY=VALUE"``."""
        return () if self.isolated is None else (f"{self.isolated.key}={self.isolated.value}",)

    @property
    def is_surveyed(self) -> bool:
        """Whether `survey` was called."""
        return len(self) > 0

    def __len__(self) -> int:
        return len(self.candidates) + len(self.isolated_positions)

    def __iter__(self) -> Iterator[Frame]:
        for _, frame in self._numbered():
            yield frame

    def _numbered(self) -> Iterator[tuple[int, Frame]]:
        """Yield all structures, each with the number of its file."""
        if self._held is not None:
            yield from ((0, frame) for frame in self._held)
            return
        for number, source in enumerate(self.sources):
            yield from ((number, frame) for frame in source_frames(source, self.reading))
        self.reading.notes.tell()

    def survey(
        self, progress: bool | None = False, look: Callable[[Frame, str | None], None] | None = None
    ) -> Structures:
        """Read all structures once and fill the attributes.

        Parameters
        ----------
        progress : bool or None, default=False
            Show a progress bar; None shows it where the standard error is a terminal.
        look : callable, optional
            Is called with each frame and the file that it was read from just now; see `Writer.look`.

        Returns
        -------
        Structures
            Itself.

        Raises
        ------
        StructureError
            A structure that cannot be read, or that lacks a key of `group_by`.
        """
        self.digests = {source.name: sha256(source.path, source.name) for source in self.sources}
        tell_same_files([(source, self.digests[source.name]) for source in self.sources])
        symbols: dict[int, str] = {}
        compositions: set[frozenset[tuple[int, float]]] = set()
        held: list[Frame] | None = []
        self._files, self._indices = array("q"), array("q")
        numbered = progress_bar(progress, iterable=self._numbered(), desc="reading", unit="structure")
        for position, (number, frame) in enumerate(numbered):
            if look is not None:
                look(frame, frame.source if self.paths else None)
            if self.isolated is not None and self.isolated.matches(frame):
                self.isolated_positions.append(position)
            else:
                self.candidates.append(position)
                self.sizes.append(len(frame.atoms))
                self.n_atoms += len(frame.atoms)
                for key, groups in self.groups.items():
                    groups.append(group_of(frame, key))
                numbers, counts = np.unique(frame.atoms.numbers, return_counts=True)
                if len(compositions) < 2:
                    fractions = (counts / len(frame.atoms)).tolist()
                    compositions.add(frozenset(zip(numbers.tolist(), fractions, strict=True)))
                if not symbols.keys() >= set(numbers.tolist()):
                    symbols.update((z, chemical_symbols[z]) for z in numbers.tolist())
                    self.examples.append(frame.atoms)
            self._files.append(number)
            self._indices.append(frame.index)
            if held is not None:
                held.append(frame)
                held = held if self.n_atoms <= self.held_atoms else None
        if self._held is None:
            self._held = held
        self.elements = tuple(symbols[number] for number in sorted(symbols))
        self.several_compositions = len(compositions) > 1
        return self

    def summary(self) -> dict[str, Any]:
        """Return files with their digests, and the numbers of candidates and isolated atoms, ready for JSON."""
        files = [
            {"path": source.name, "sha256": self.digests[source.name]}
            | ({} if source.frames is None else {"frames": source.meant})
            for source in self.sources
        ]
        return {"files": files, "candidates": len(self.candidates), "isolated": len(self.isolated_positions)}

    def iter_candidates(self) -> Iterator[Frame]:
        """Yield the structures that are not isolated atoms."""
        isolated = set(self.isolated_positions)
        for position, frame in enumerate(self):
            if position not in isolated:
                yield frame

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
            return [self._held[position] for position in positions]
        for source in self.sources:
            if sha256(source.path, source.name) != self.digests[source.name]:
                raise StructureError("the file has changed since the selection began", source=source.name)
        wanted: dict[int, list[int]] = {}
        for position in positions:
            wanted.setdefault(self._files[position], []).append(self._indices[position])
        found = {number: read_frames(self.sources[number], indices, self.reading) for number, indices in wanted.items()}
        return [found[self._files[position]][self._indices[position]] for position in positions]


def group_of(frame: Frame, key: str) -> Any:
    """Return the group of a structure: the value of a key of `atoms.info`, or the reduced formula."""
    if key == "composition":
        return str(frame.atoms.symbols.formula.reduce()[0].format("hill"))
    if key not in frame.atoms.info:
        raise lacks_group(key, frame.atoms.info, frame.index, frame.source)
    return as_group(frame.atoms.info[key])


def as_group(value: Any) -> Any:
    """Return a value of `atoms.info` as the group that it stands for: a number or a text."""
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def lacks_group(key: str, known: Iterable[Any], index: int, source: str | None) -> StructureError:
    """Make the error for a structure without the key that it is to be grouped by."""
    names = ", ".join(map(str, known)) or "none"
    return StructureError(f"expected a key {key!r} to group by, its keys are: {names}", index, source)


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
