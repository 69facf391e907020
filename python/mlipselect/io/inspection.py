"""A look at structures as they are read: which cannot be described, which are exploded, which are copies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(slots=True)
class _Seen:
    """A structure, or why there is none, with its position among all."""

    position: int
    frame: Frame | None
    error: StructureError | None = None
    is_isolated: bool = False


@dataclass(frozen=True)
class Passed:
    """Structures that were let through together.

    Attributes
    ----------
    structures : list of (int, Frame, bool)
        Position of each among all, and whether it is an isolated atom.
    numbers : ndarray of int64, shape (n_elements,)
        Atomic numbers that occur.
    counts : ndarray of int64, shape (n_candidates, n_elements)
        Atoms of each element in each structure that is no isolated atom.
    """

    structures: list[tuple[int, Frame, bool]]
    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]


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
        batch: list[_Seen] = []
        n_atoms = 0
        for position, item in enumerate(seen):
            batch.append(self._first_look(position, item))
            n_atoms += BATCH_ATOMS if isinstance(item, StructureError) else item.n_atoms
            if n_atoms >= BATCH_ATOMS:
                yield self._sound(batch)
                batch, n_atoms = [], 0
        yield self._sound(batch)

    def _first_look(self, position: int, item: Frame | StructureError) -> _Seen:
        if isinstance(item, StructureError):
            return _Seen(position, None, item)
        try:
            return _Seen(position, item, is_isolated=self._is_isolated(item))
        except StructureError as error:
            return _Seen(position, item, error)

    def _sound(self, batch: Sequence[_Seen]) -> Passed:
        """Look at some structures together."""
        looked_at = [
            (seen.position, seen.frame)
            for seen in batch
            if seen.frame is not None and seen.error is None and not seen.is_isolated
        ]
        frames = [frame for _, frame in looked_at]
        flat = flat_frames(frames)
        digests, contacts, problems = inspect(*flat, covalent_radii, self.checks.limit)
        wrong = {k: _problem(frames[k], text) for k, text in problems}
        close = {k: _contact(frames[k].atoms, (i, j), length, part) for k, i, j, length, part in contacts}
        singles = np.flatnonzero(flat.sizes == 1).tolist()
        verdicts: dict[int, str] = {}
        kept = np.ones(len(frames), dtype=bool)
        for k in sorted({*wrong, *close, *singles} if self.checks.max_force is None else range(len(frames))):
            reason = self._verdict(frames[k], wrong.get(k), close.get(k))
            if reason is not None:
                verdicts[looked_at[k][0]] = reason
                kept[k] = False
        self._digests.append(digests[kept])
        passed = []
        for seen in batch:
            reason = verdicts.get(seen.position) if verdicts else None
            if seen.error is not None or reason is not None:
                self._reject(seen, reason)
            elif seen.frame is not None:
                passed.append((seen.position, seen.frame, seen.is_isolated))
        numbers, counts = count_elements(flat)
        return Passed(passed, numbers, counts[kept])

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

    def _reject(self, seen: _Seen, reason: str | None) -> None:
        """Pass a structure over, or raise why it is refused."""
        error = seen.error
        if error is None and seen.frame is not None:
            error = StructureError(str(reason), seen.frame.index, seen.frame.source)
        # A file that cannot be opened, or of which no frame is found, is a mistake in its name.
        if error is not None and (error.index is None or not self.checks.skip_bad):
            raise error
        if error is not None and error.index is not None:
            atoms = None if seen.frame is None else seen.frame.atoms
            self.rejected[seen.position] = Rejected(error.source, error.index, error.problem, atoms)

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
        n = f"{n_sound + len(self.rejected)} structures{self._where}"
        if self.checks.max_force is not None and not self._has_forces and n_sound:
            raise InvalidInputError(f"max_force: none of {n} has forces")
        if self.rejected:
            _LOGGER.warning("%d of %s are passed over: %s", len(self.rejected), n, some(self.rejected.values()))
        elif self._bad:
            self._tell_bad(n)
        if self._alone:
            kinds = [f"--isolated config_type={kind}" for kind in self._kinds if kind]
            _LOGGER.warning(
                "%d of %s are single atoms without neighbours, and used like any other: %s. If they are free atoms, %s "
                "keeps them aside",
                len(self._alone), n, some(self._alone), kinds[0] if kinds else "--isolated KEY=VALUE",
            )  # fmt: skip

    def _tell_bad(self, n: str) -> None:
        """Warn of exploded structures, or refuse them where limits were given."""
        limits = [f"closer than {self.checks.limit:g} of the sum of their covalent radii"] if self.checks.limit else []
        limits += [] if self.checks.max_force is None else [f"a force above {self.checks.max_force:g} eV/Å"]
        text = f"{len(self._bad)} of {n} have atoms {' or '.join(limits)}: {some(self._bad)}. "
        if self.checks.min_bond is not None or self.checks.max_force is not None:
            raise InvalidInputError(f"{text}--skip-bad passes over them")
        _LOGGER.warning(
            "%sThey look new to every method and may be picked first. --skip-bad passes over them; if they are meant, "
            "give --min-bond a smaller fraction, or 0",
            text,
        )


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
