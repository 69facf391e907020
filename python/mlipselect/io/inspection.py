"""A look at structures as they are read: which cannot be described, which are exploded, which are copies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from numpy.typing import NDArray

from mlipselect._core import inspect, neighbor_list
from mlipselect.exceptions import InvalidInputError, StructureError, place_of
from mlipselect.io.checks import Checks
from mlipselect.io.describable import check_structure
from mlipselect.io.exact import results
from mlipselect.io.flat import count_elements
from mlipselect.io.frame import Frame, flat_frames
from mlipselect.utils.told import counted, is_or_are

BATCH_ATOMS = 8192
"""Approximate number of atoms that are looked at together."""

ALONE = 6.0
"""Distance in Å within which a single atom has no periodic image if it is a free atom."""

NAMED = 3
"""Structures that a message names; of the others it gives the number."""

_LOGGER = logging.getLogger("mlipselect")


@dataclass(frozen=True)
class Rejected:
    """A structure that was passed over.

    Attributes
    ----------
    source : str or None
        Its file; None for a structure that was given in memory.
    index : int
        0-based index in `source`, or in the sequence that was given.
    reason : str
        Why it was passed over.
    atoms : ase.Atoms or None
        The structure; None if it could not be read.
    """

    source: str | None
    index: int
    reason: str
    atoms: Atoms | None = None

    def __str__(self) -> str:
        return f"{place_of(self.source, self.index)}: {self.reason}"


@dataclass(frozen=True)
class Passed:
    """Structures that were let through together.

    Attributes
    ----------
    positions : sequence of int
        Position of each among all structures.
    frames : list of Frame
        The structures.
    isolated : frozenset of int
        Positions of those that are isolated atoms.
    numbers : ndarray of int64, shape (n_elements,)
        Atomic numbers that occur.
    counts : ndarray of int64, shape (n_candidates, n_elements)
        Atoms of each element in each structure that is no isolated atom.
    """

    positions: Sequence[int]
    frames: list[Frame]
    isolated: frozenset[int]
    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def candidates(self) -> tuple[Sequence[int], list[Frame]]:
        """Positions and structures without the isolated atoms."""
        if not self.isolated:
            return self.positions, self.frames
        kept = [k for k, position in enumerate(self.positions) if position not in self.isolated]
        return [self.positions[k] for k in kept], [self.frames[k] for k in kept]


class Inspector:
    """Looks at structures that pass, lets the sound ones through, and tells what it saw.

    Parameters
    ----------
    checks : Checks
        What is looked for, and what becomes of structures that have it.
    is_isolated : callable
        Tells isolated atoms, which are not looked at.
    where : str, default=""
        What messages say of where the structures are, such as " of the core".

    Attributes
    ----------
    rejected : dict of Rejected
        The structures that were passed over, by their positions.
    """

    def __init__(self, checks: Checks, is_isolated: Callable[[Frame], bool], where: str = ""):
        self.checks = checks
        self._where = where
        self.rejected: dict[int, Rejected] = {}
        self._is_isolated = is_isolated
        self._digests: list[NDArray[np.uint64]] = []
        #: What was found, by structure: atoms too close or forces too large, and single atoms that nobody marked.
        self._bad: list[str] = []
        self._alone: list[str] = []
        #: Values of ``config_type`` of such atoms.
        self._kinds: dict[str, None] = {}
        self._has_forces = False

    def look(self, seen: Iterable[Frame | StructureError]) -> Iterator[Passed]:
        """Yield the sound structures, some at a time.

        Parameters
        ----------
        seen : iterable of Frame or StructureError
            Structures, or why one could not be read.

        Raises
        ------
        StructureError
            A structure that cannot be read or described, unless such are passed over.
        """
        batch: list[Frame | StructureError] = []
        first, n_atoms = 0, 0
        for item in seen:
            batch.append(item)
            n_atoms += BATCH_ATOMS if isinstance(item, StructureError) else item.n_atoms
            if n_atoms >= BATCH_ATOMS:
                yield self._sound(first, batch)
                first += len(batch)
                batch, n_atoms = [], 0
        yield self._sound(first, batch)

    def _sound(self, first: int, batch: Sequence[Frame | StructureError]) -> Passed:
        """Look at some structures together.

        Parameters
        ----------
        first : int
            Position of the first of them among all.
        batch : sequence of Frame or StructureError
            Structures, or why one could not be read.
        """
        errors, isolated = self._set_aside(batch)
        places = [k for k in range(len(batch)) if k not in errors and k not in isolated]
        frames = [cast("Frame", batch[k]) for k in places]
        flat = flat_frames(frames)
        digests, contacts, problems = inspect(*flat, covalent_radii, self.checks.limit)
        wrong = {k: _problem(frames[k], text) for k, text in problems}
        close = {k: _contact(frames[k].atoms, (i, j), length, part) for k, i, j, length, part in contacts}
        singles = np.flatnonzero(flat.sizes == 1).tolist()
        kept = np.ones(len(frames), dtype=bool)
        for k in sorted({*wrong, *close, *singles} if self.checks.max_force is None else range(len(frames))):
            reason = self._verdict(frames[k], wrong.get(k), close.get(k))
            if reason is not None:
                errors[places[k]] = StructureError(reason, frames[k].index, frames[k].source)
                kept[k] = False
        self._digests.append(digests[kept])
        for k in sorted(errors):
            self._reject(first + k, batch[k], errors[k])
        passed = [k for k in range(len(batch)) if k not in errors] if errors else range(len(batch))
        numbers, counts = count_elements(flat)
        return Passed(
            [first + k for k in passed],
            [cast("Frame", batch[k]) for k in passed],
            frozenset(first + k for k in isolated),
            numbers,
            counts[kept],
        )

    def _set_aside(self, batch: Sequence[Frame | StructureError]) -> tuple[dict[int, StructureError], set[int]]:
        """Find what could not be read, with the reasons, and isolated atoms; by their places in the batch."""
        errors: dict[int, StructureError] = {}
        isolated: set[int] = set()
        for k, item in enumerate(batch):
            if isinstance(item, StructureError):
                errors[k] = item
                continue
            try:
                if self._is_isolated(item):
                    isolated.add(k)
            except StructureError as error:
                errors[k] = error
        return errors, isolated

    def _verdict(self, frame: Frame, wrong: str | None, close: str | None) -> str | None:
        """Say why a structure is passed over, and take note of what is told later."""
        if wrong is not None:
            return wrong
        bad = close or self._force(frame.atoms)
        if bad is not None:
            self._bad.append(f"{frame.place}: {bad}")
            if self.checks.skip_bad:
                return bad
        if is_alone(frame.atoms):
            self._alone.append(f"{frame.place}: {frame.atoms.symbols[0]}")
            self._kinds.setdefault(str(frame.atoms.info.get("config_type", "")))
        return None

    def _reject(self, position: int, item: Frame | StructureError, error: StructureError) -> None:
        """Pass a structure over, or raise why it is refused."""
        # A file that cannot be opened, or of which no frame is found, is a mistake in its name.
        if error.index is None or not self.checks.skip_bad:
            raise error
        atoms = None if isinstance(item, StructureError) else item.atoms
        self.rejected[position] = Rejected(error.source, error.index, error.problem, atoms)

    def _force(self, atoms: Atoms) -> str | None:
        """Say which force on an atom is too large, if one is."""
        if self.checks.max_force is None:
            return None
        for name, forces in forces_of(atoms).items():
            self._has_forces = True
            lengths = np.linalg.norm(forces, axis=1)
            if not (lengths <= self.checks.max_force).all():
                atom = int(np.argmax(np.where(np.isnan(lengths), np.inf, lengths)))
                return f"a force of {lengths[atom]:.4g} eV/Å on atom {atom} ({atoms.symbols[atom]}), by {name}"
        return None

    @property
    def digests(self) -> NDArray[np.uint64]:
        """Digests of the structures that were let through, isolated atoms left out: copies have the same."""
        return np.concatenate([np.empty(0, dtype=np.uint64), *self._digests])

    def conclude(self, n_sound: int) -> None:
        """Warn of what was seen, once and with counts, or refuse it.

        Parameters
        ----------
        n_sound : int
            Number of structures that were let through, isolated atoms left out.

        Raises
        ------
        InvalidInputError
            Atoms that are too close, or forces that are too large, where they are refused; `max_force` without forces.
        """
        n = f"{counted(n_sound + len(self.rejected), 'structure')}{self._where}"
        if self.checks.max_force is not None and not self._has_forces and n_sound:
            raise InvalidInputError(f"max_force: none of {n} has forces")
        if self.rejected:
            are = is_or_are(len(self.rejected))
            _LOGGER.warning("%d of %s %s passed over: %s", len(self.rejected), n, are, some(self.rejected.values()))
        elif self._bad:
            self._tell_bad(n)
        if self._alone:
            kinds = [f"--isolated config_type={kind}" for kind in self._kinds if kind]
            is_one = len(self._alone) == 1
            _LOGGER.warning(
                "%d of %s %s without neighbours, and used like any other: %s. If %s, %s keeps %s aside",
                len(self._alone), n, "is a single atom" if is_one else "are single atoms", some(self._alone),
                "it is a free atom" if is_one else "they are free atoms",
                kinds[0] if kinds else "--isolated KEY=VALUE", "it" if is_one else "them",
            )  # fmt: skip

    def _tell_bad(self, n: str) -> None:
        """Warn of exploded structures, or refuse them where limits were given."""
        limits = [f"closer than {self.checks.limit:g} of the sum of their covalent radii"] if self.checks.limit else []
        limits += [] if self.checks.max_force is None else [f"a force above {self.checks.max_force:g} eV/Å"]
        is_one = len(self._bad) == 1
        has, them = ("has", "it") if is_one else ("have", "them")
        text = f"{len(self._bad)} of {n} {has} atoms {' or '.join(limits)}: {some(self._bad)}. "
        if self.checks.min_bond is not None or self.checks.max_force is not None:
            raise InvalidInputError(f"{text}--skip-bad passes over {them}")
        _LOGGER.warning(
            "%s%s to every method and may be picked first. --skip-bad passes over %s; if %s meant, give --min-bond a "
            "smaller fraction, or 0",
            text, "It looks new" if is_one else "They look new", them, "it is" if is_one else "they are",
        )  # fmt: skip


def some(items: Iterable[Any]) -> str:
    """Name the first few of many items, and count the others."""
    texts = [str(item) for item in items]
    more = len(texts) - NAMED
    return "; ".join(texts[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def forces_of(atoms: Atoms) -> dict[str, NDArray[np.float64]]:
    """Return all forces that a structure has, in eV/Å, by the names of arrays and of calculator results."""
    named = {**atoms.arrays, **results(atoms)}
    return {
        name: np.asarray(value, dtype=np.float64)
        for name, value in named.items()
        if "force" in name.lower() and np.shape(value) == (len(atoms), 3) and np.asarray(value).dtype.kind in "fiu"
    }


def is_alone(atoms: Atoms) -> bool:
    """Tell a single atom whose periodic images are all further away than `ALONE`."""
    if len(atoms) != 1:
        return False
    a, b, c = map(bool, atoms.pbc)
    return len(neighbor_list(atoms.positions, atoms.cell.array, (a, b, c), ALONE)[0]) == 0


def _contact(atoms: Atoms, pair: tuple[int, int], distance: float, fraction: float) -> str:
    """Say which atoms are how close."""
    names = [f"{chemical_symbols[atoms.numbers[atom]]} {atom}" for atom in pair]
    both = f"{names[0]} and its periodic image" if pair[0] == pair[1] else " and ".join(names)
    return f"{both} are {distance:.3g} Å apart, {fraction:.2g} of the sum of their covalent radii"


def _problem(frame: Frame, text: str) -> str:
    """Say why a structure cannot be described, in the words of the check that precedes every descriptor."""
    try:
        check_structure(frame.atoms)
    except StructureError as error:
        return error.problem
    return text


def problem_of(atoms: Atoms, limit: float) -> str | None:
    """Say why a structure cannot be described, or which of its atoms are too close; None if it is sound.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure.
    limit : float
        Fraction of the sum of covalent radii below which atoms are too close.
    """
    frame = Frame(atoms, None, 0)
    _, contacts, problems = inspect(*flat_frames([frame]), covalent_radii, limit)
    if problems:
        return _problem(frame, problems[0][1])
    if contacts:
        _, first, second, distance, fraction = contacts[0]
        return _contact(atoms, (first, second), distance, fraction)
    return None
