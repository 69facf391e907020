"""Write structures without loss, and say beforehand what the format of the file does not keep."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Collection, Hashable, Sequence
from pathlib import Path

import ase.io.formats
from ase import Atoms
from ase.io.formats import filetype, get_compression

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.ase_format import AseFormat
from mlipselect.io.changes import ROUNDED, Change, Tally
from mlipselect.io.database_rows import DATABASES
from mlipselect.io.detached import detached
from mlipselect.io.extxyz_format import ExtxyzFormat
from mlipselect.io.frame import Frame
from mlipselect.io.frames import as_frames
from mlipselect.io.kinds import geometry_kind, kinds
from mlipselect.io.reading import Reading
from mlipselect.io.recognise import EXTXYZ, recognise

_LOGGER = logging.getLogger("mlipselect")


def write_exact(
    path: str | os.PathLike[str], structures: Sequence[Atoms], name: str | None = None, *, strict: bool = False
) -> None:
    """Write structures so that reading the file gives them back exactly, or say what the format has no place for.

    Extended XYZ is written with every digit; other formats are written by ASE. The file is read back and compared with
    the structures. What a format cannot keep is written as text where that makes sense, such as a space group, or let
    go; one warning names and counts it.

    Parameters
    ----------
    path : path
        File to write; its name determines the format.
    structures : sequence of ase.Atoms
        Structures to write.
    name : str, optional
        Name of the file in messages, if `path` is a temporary file.
    strict : bool, default=False
        Refuse structures that the format cannot keep exactly.

    Raises
    ------
    InvalidInputError
        The format is unknown to ASE, does not keep atoms and their positions, or, with `strict`, anything else; the
        message says which part of which structure.
    """
    frames = list(as_frames(structures))
    writer = Writer(name or path, strict=strict)
    for frame in frames:
        writer.look(frame)
    writer.refuse_several(len(frames))
    writer.tell()
    writer.write(path, [frame.atoms for frame in frames])


class Writer:
    """Writes structures to a file, and says once, before the work, what its format does not keep.

    Parameters
    ----------
    path : path
        The file; its name determines the format.
    strict : bool, default=False
        Refuse a structure that cannot be kept exactly, when `look` meets it.
    prepare : callable, optional
        Turns a frame into the structure that is written for it; by default its structure.
    ignore : str, optional
        Keys of `info` that start so are what `prepare` adds.

    Attributes
    ----------
    format : str
        ASE's name of the format.
    told : Tally
        What the format does not keep of the structures that were looked at.

    Raises
    ------
    InvalidInputError
        No format is known by the name of the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        strict: bool = False,
        prepare: Callable[[Frame], Atoms] | None = None,
        ignore: str | None = None,
    ):
        self.name = os.fspath(path)
        self.format = format_of(self.name)
        self.strict = strict
        self._prepare = prepare or (lambda frame: frame.atoms)
        self._ignore = ignore
        self._format = ExtxyzFormat() if self.format == EXTXYZ else AseFormat(self.format)
        self.told, self._looked = Tally(), 0
        #: Changes of each kind of structure that was met.
        self._known: dict[Hashable, list[Change]] = {}
        #: Names of the parts with which nothing of a kind can be written.
        self._misfits: dict[Hashable, set[str]] = {}
        #: A structure that fits, to try whether others can be written beside it.
        self._fitted: Atoms | None = None
        self._holds_file = functools.cache(self._holds_all_of)

    def look(self, frame: Frame, source: str | None = None) -> None:
        """Find out what the format does not keep of a structure that may be written.

        Parameters
        ----------
        frame : Frame
            The structure.
        source : str, optional
            The file that it was read from just now.

        Raises
        ------
        InvalidInputError
            The structure cannot be written, or not exactly and `strict` is set.
        """
        self._looked += 1
        if source is not None and self._holds_file(source):
            return
        place = f"frame {frame.index}" if frame.source is None else f"{frame.source}, frame {frame.index}"
        found = self._changes(frame.atoms, lambda: self._prepare(frame), place)
        if self.strict and found:
            parts = ", ".join(map(str, found[:5])) + (" ..." if len(found) > 5 else "")
            advice = "rename or remove it" if self._format.is_exact else "write a .xyz file"
            raise InvalidInputError(
                f"{self.name}: the format {self.format} cannot keep {parts} of {place}; {advice}, or leave strict out"
            )
        self.told.add(found)

    def refuse_several(self, n: int) -> None:
        """Refuse to write `n` structures to a format that holds one.

        Raises
        ------
        InvalidInputError
            There are more.
        """
        if n > 1 and self._format.holds_one:
            raise InvalidInputError(
                f"{self.name}: the format {self.format} holds one structure, expected {n}; write a .xyz file"
            )

    def tell(self) -> None:
        """Say in one warning what the format does not keep of the structures that were looked at."""
        if told := self.told.only(self._matters):
            _LOGGER.warning(
                "%s: of %s that may be written, the format %s does not keep everything: %s (strict refuses this)",
                self.name, f"{self._looked} structure{'s' * (self._looked != 1)}", self.format, told,
            )  # fmt: skip

    def write(self, path: str | os.PathLike[str], structures: Sequence[Atoms]) -> None:
        """Write structures, read the file back and compare.

        What was not told before, because a structure was not looked at, is told now.

        Parameters
        ----------
        path : path
            The file, or a temporary one for it.
        structures : sequence of ase.Atoms
            Structures as `prepare` makes them.

        Raises
        ------
        InvalidInputError
            The file does not hold what was written.
        """
        late = Tally()
        fitted, expected = [], []
        for index, atoms in enumerate(structures):
            known = self._changes(atoms, atoms, f"frame {index}")
            late.add(change for change in known if not self.told.covers(change))
            fitted.append(self._fit(atoms, self._misfits[self._kind(atoms)])[0])
            expected.append(known)
        if late and self.strict:
            raise InvalidInputError(f"{self.name}: the format {self.format} does not keep everything: {late}")
        found = self._format.write(os.fspath(path), fitted, self.name)
        for index, (atoms, read_back) in enumerate(zip(fitted, found, strict=True)):
            try:
                made = self._joined(self._format.changes(atoms, read_back))
            except InvalidInputError as error:
                raise InvalidInputError(f"{self.name}: the format {self.format} {error} of frame {index}") from error
            # What is let go may come back as something else, such as a result under the name of an `info` key.
            parts_told = {change.part for change in expected[index] if change.what != ROUNDED}
            if unexpected := [change for change in made if change.part not in parts_told and change.what != ROUNDED]:
                parts = ", ".join(map(str, unexpected))
                raise InvalidInputError(f"{self.name}: the format {self.format} cannot keep {parts} of frame {index}")
            late.add(change for change in made if not self.told.covers(change) and change not in expected[index])
        if told := late.only(self._matters):
            _LOGGER.warning("%s: the format %s does not keep everything: %s", self.name, self.format, told)

    def _matters(self, change: Change) -> bool:
        """Tell whether somebody may miss what becomes of a part, in a format that has no place for keys."""
        is_added = self._ignore is not None and change.part.startswith(f"info['{self._ignore}")
        holds_keys = self.format in _HOLDING_KEYS
        return holds_keys or not (change.is_minor or is_added or change.part in _MADE_BY_READERS)

    def _changes(self, atoms: Atoms, written: Atoms | Callable[[], Atoms], place: str) -> list[Change]:
        """Return what becomes of a structure, found out at the first one of its kind.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        written : ase.Atoms or callable
            What is written for it, or what makes that.
        place : str
            What messages call the structure.
        """
        kind = self._kind(atoms)
        if kind not in self._known:
            try:
                known = [] if written is atoms else detached(atoms)[1]
                known += self._examine(written() if callable(written) else written, kind)
            except (InvalidInputError, ValueError) as error:
                raise InvalidInputError(f"{self.name}: {place}: the format {self.format} {error}") from error
            self._known[kind] = list({change.part: change for change in self._joined(known)}.values())
        return self._known[kind]

    def _joined(self, changes: Sequence[Change]) -> list[Change]:
        """Call all keys that `prepare` adds by one name."""
        start = None if self._ignore is None else f"info['{self._ignore}"
        return [
            Change(f"{start}...']", change.what) if start is not None and change.part.startswith(start) else change
            for change in changes
        ]

    def _kind(self, atoms: Atoms) -> Hashable:
        return kinds(atoms, self._ignore), None if self._format.is_exact else geometry_kind(atoms)

    def _examine(self, atoms: Atoms, kind: Hashable) -> list[Change]:
        """Fit a structure of a new kind into the format, and try whether the format gives it back."""
        fitted, changes = self._fit(atoms)
        misfits, others = self._format.try_out(fitted, self._fitted, self.name)
        self._misfits[kind] = {change.part for change in misfits}
        self._fitted = self._fitted or fitted
        return changes + misfits + others

    def _fit(self, atoms: Atoms, misfits: Collection[str] = ()) -> tuple[Atoms, list[Change]]:
        """Return a copy of a structure that fits into the format, without parts with which nothing can be written."""
        fitted, changes = detached(atoms)
        changes += self._format.fit(fitted)
        drop(fitted, misfits)
        if fitted.calc is not None:
            fitted.calc.atoms = fitted.copy()  # type: ignore[no-untyped-call]
        return fitted, changes

    def _holds_all_of(self, source: str) -> bool:
        """Tell whether the format keeps whatever a file holds: extended XYZ all of extended XYZ."""
        try:
            return self.format == EXTXYZ and recognise(source, Reading()) == EXTXYZ
        except Exception:  # reading the file reports it
            return False


def drop(atoms: Atoms, parts: Collection[str]) -> None:
    """Remove what changes name: keys of `info` and arrays, kinds of constraints, and results of the calculator."""
    constraints = [constraint for constraint in atoms.constraints if type(constraint).__name__ not in parts]
    atoms.set_constraint(constraints)  # type: ignore[no-untyped-call]
    for place, held in (("info", atoms.info), ("arrays", atoms.arrays)):
        for key in [key for key in held if f"{place}[{key!r}]" in parts]:
            del held[key]
    for key in [] if atoms.calc is None else list(atoms.calc.results):
        if f"the result {key}" in parts:
            del atoms.calc.results[key]


_HOLDING_KEYS = frozenset({EXTXYZ, "traj", *DATABASES})
"""Formats that have a place for keys and arrays of any name."""

_MADE_BY_READERS = frozenset(
    {
        *("info['spacegroup']", "info['unit_cell']", "info['occupancy']", "arrays['spacegroup_kinds']"),
        *("arrays['occupancy']", "arrays['bfactor']", "arrays['residuenames']", "arrays['residuenumbers']"),
        "arrays['atomtypes']",
    }
)
"""What ASE adds to structures of CIF and PDB; formats that have no place for keys lose it without loss."""

FORMAT_BY_SUFFIX = {
    ".xyz": "extxyz", ".extxyz": "extxyz", ".traj": "traj", ".db": "db", ".json": "json", ".aselmdb": "db",
    ".cif": "cif", ".pdb": "proteindatabank",
}  # fmt: skip
"""Endings that decide, whatever else the name contains: ASE goes by XDATCAR, POSCAR and the like first."""


def format_of(path: str, name: str | None = None) -> str:
    """Return ASE's name of the format of a file name.

    Raises
    ------
    InvalidInputError
        ASE knows none, or cannot write it.
    """
    root, _ = get_compression(path)
    known = FORMAT_BY_SUFFIX.get(Path(root).suffix.lower())
    if known is not None:
        return known
    try:
        format_name = filetype(path, read=False)
        if not ase.io.formats.ioformats[format_name].can_write:
            raise ValueError("ASE cannot write it")
    except (KeyError, ValueError, ase.io.formats.UnknownFileTypeError) as error:
        raise InvalidInputError(f"{name or path}: no format to write by that name; use a .xyz file") from error
    return format_name
