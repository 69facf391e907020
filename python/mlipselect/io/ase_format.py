"""Formats that ASE writes: what they do not keep is found out by reading back."""

from __future__ import annotations

import contextlib
import json
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.io.formats import ioformats
from ase.io.jsonio import decode, encode

from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.as_text import with_text
from mlipselect.io.changes import ADDED, AS_TEXT, CHANGED, LET_GO, MOVED, RENAMED, ROUNDED, Change
from mlipselect.io.database_rows import DATABASES, write_rows
from mlipselect.io.exact import (
    CONSTRAINTS,
    described,
    differences,
    fixed_components,
    fixed_directions,
    labels,
    results,
    same,
)
from mlipselect.io.misfits import remove_misfits
from mlipselect.io.raw_frames import raw_frames

ROUNDING = 0.01
"""Largest deviation, in Å, that counts as rounding."""


class AseFormat:
    """A format that ASE writes.

    Parameters
    ----------
    name : str
        ASE's name of the format.

    Attributes
    ----------
    is_exact : bool
        Whether numbers are kept whatever they are.
    holds_one : bool
        Whether a file holds one structure only.
    """

    is_exact = False

    def __init__(self, name: str):
        self.name = name
        self.holds_one = bool(ioformats[name].single)

    def fit(self, atoms: Atoms) -> list[Change]:
        """Change a structure so that a file may hold it, and say what was changed."""
        return _fit_info(atoms)

    def try_out(self, atoms: Atoms, other: Atoms | None, filename: str) -> tuple[list[Change], list[Change]]:
        """Write a structure to a temporary file, and say what has become of it.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure, which fits.
        other : ase.Atoms, optional
            A structure to write before it.
        filename : str
            Name of a file, from which readers recognise formats.

        Returns
        -------
        misfits, changes : list of Change
            What was removed because nothing can be written with it, and what else is not read back as it was.

        Raises
        ------
        InvalidInputError
            The format does not keep what a structure is: number, species or places of the atoms. Or its files cannot
            be read, or it needs several files.
        """
        before = [] if other is None or self.holds_one else [other]

        def written(trial: Atoms) -> Atoms:
            with tempfile.TemporaryDirectory(prefix="mlipselect-") as directory:
                path = Path(directory) / Path(filename).name
                found = self._write(str(path), [*before, trial])[-1]
                _refuse_several_files(path)
                return found

        def fits(trial: Atoms) -> bool:
            try:
                written(trial)
            except InvalidInputError:
                return False
            return True

        misfits = remove_misfits(atoms, fits)
        return misfits, self.changes(atoms, written(atoms))

    def write(self, path: str, structures: Sequence[Atoms], filename: str) -> list[Atoms]:
        """Write structures, and read the file back.

        Raises
        ------
        InvalidInputError
            They cannot be written, not read again, or not all of them are kept.
        """
        try:
            return self._write(path, structures)
        except InvalidInputError as error:
            raise InvalidInputError(f"{filename}: the format {self.name} {error}") from error

    def _write(self, path: str, structures: Sequence[Atoms]) -> list[Atoms]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is lost is found by reading back
                if self.name in DATABASES:
                    write_rows(path, structures)
                else:
                    ase.io.write(path, structures, format=self.name)
                    _refuse_folder(path)
                found = read_back(path) if structures else []
        except StructureError as error:
            raise InvalidInputError(f"cannot be read again: {error.problem}; write a .xyz file") from error
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InvalidInputError(f"cannot be written: {reason}; write a .xyz file") from error
        if len(found) != len(structures):
            raise InvalidInputError(f"kept {len(found)} of {len(structures)} structures; write a .xyz file")
        return found

    def changes(self, atoms: Atoms, found: Atoms) -> list[Change]:
        """Say what has become of a structure that was read back.

        Raises
        ------
        InvalidInputError
            The format does not keep number, species or places of the atoms.
        """
        parts = differences(atoms, found)
        for part in ("the number of atoms", "numbers"):
            if part in parts:
                raise InvalidInputError(f"does not keep {'the species' if part == 'numbers' else part}")
        made = _geometry(atoms, found) if {"positions", "cell"} & set(parts) else []
        if "pbc" in parts:
            made.append(Change(f"pbc {_marks(atoms)}", f"read back as {_marks(found)}"))
        before, after = ({f"{place}[{key!r}]" for place, held in _held(x) for key in held} for x in (atoms, found))
        known = {f"{place}[{key!r}]": key for place, held in _held(atoms) for key in held if key in results(atoms)}
        for part in parts:
            if part in before | after:
                what = ADDED if part not in before else CHANGED if part in after else LET_GO
                made.append(Change(f"the result {known[part]}" if part in known else part, what))
            elif part == CONSTRAINTS:
                made += _constraint_changes(atoms, found) or [Change(part, CHANGED)]
            elif part not in ("positions", "cell", "pbc"):
                made.append(Change(part))
        return made


def _refuse_folder(path: str) -> None:
    """Refuse a format that makes a folder, which cannot replace a file in one step."""
    if Path(path).is_dir():
        raise InvalidInputError("it makes a folder")


def _refuse_several_files(path: Path) -> None:
    """Refuse a format that writes to further files beside the one that is named; locks of databases are none."""
    others = [entry.name for entry in path.parent.iterdir() if entry.name not in (path.name, f"{path.name}-lock")]
    if others:
        raise InvalidInputError(f"is written as several files, {path.name} and {others[0]}; write a .xyz file")


def read_back(path: str) -> list[Atoms]:
    """Read the structures of a file that was just written."""
    return [raw.build() for raw in raw_frames(path)]


def _fit_info(atoms: Atoms) -> list[Change]:
    """Write as text what of `info` is neither numbers nor text."""
    changes: list[Change] = []
    fitted: dict[str, Any] = {}
    for key, value in atoms.info.items():
        part, name = f"info[{key!r}]", str(key)
        while name in fitted or (name != key and name in atoms.info):
            name += "_"
        if not _is_plain(value):
            try:
                text = with_text(value)
            except ValueError:
                changes.append(Change(part))
                continue
            value = text if isinstance(text, str) else json.dumps(text)
            changes.append(Change(part, AS_TEXT))
        fitted[name] = value
        if name != key:
            changes.append(Change(f"{part} as {name}", RENAMED))
    atoms.info = fitted
    return changes


def _is_plain(value: Any) -> bool:
    """Tell whether ASE's formats have a place for a value that is no object with a description of its own."""
    try:
        decode(encode(value))  # type: ignore[no-untyped-call]
    except Exception:  # values fail in many ways
        return False
    return not hasattr(value, "todict")


def _constraint_changes(atoms: Atoms, found: Atoms) -> list[Change]:
    """Name the kinds of constraints that were not read back as they were."""
    fixed, others = fixed_components(found), [described(constraint) for constraint in found.constraints]
    there = {type(constraint) for constraint in found.constraints}
    made = []
    for constraint in atoms.constraints:
        directions = fixed_directions(constraint, atoms)
        if directions is None:
            is_kept = any(same(described(constraint), other) for other in others)
        else:
            is_kept = bool(fixed[constraint.index][:, directions].all())
        if not is_kept:
            made.append(Change(type(constraint).__name__, CHANGED if type(constraint) in there else LET_GO))
    return made


def _held(atoms: Atoms) -> list[tuple[str, dict[str, Any]]]:
    return list(zip(("info", "arrays"), labels(atoms), strict=True))


def _marks(atoms: Atoms) -> str:
    return " ".join("T" if periodic else "F" for periodic in atoms.pbc)


def _geometry(atoms: Atoms, found: Atoms) -> list[Change]:
    """Say how cell and positions deviate: by rounding, by lattice vectors, or in their orientation."""
    cell, other = (np.asarray(x.cell) for x in (atoms, found))
    if (cell.any() != other.any()) and cell.any():
        made, comparable = [Change("the cell")], True
    else:
        made, comparable = [], _size(cell - other) <= ROUNDING
        if comparable and (size := _size(cell - other)) > 0:
            made.append(Change("the cell", ROUNDED, size))
    step = found.positions - atoms.positions
    if comparable and _size(step) <= ROUNDING:
        return [*made, *([Change("positions", ROUNDED, _size(step))] if _size(step) > 0 else [])]
    with contextlib.suppress(np.linalg.LinAlgError):
        metrics = (np.sqrt(np.abs(np.einsum("ik,jk->ij", c, c))) for c in (cell, other))
        if atoms.cell.rank == 3 and _size(np.subtract(*metrics)) <= ROUNDING:
            scaled = found.cell.scaled_positions(found.positions) - atoms.cell.scaled_positions(atoms.positions)
            moved = np.round(scaled)
            if _size((scaled - moved) @ cell) <= ROUNDING:
                turned = [] if comparable else [Change("orientation of cell and positions", CHANGED)]
                shifted = [Change("atoms outside the cell", MOVED)] if moved.any() else []
                rest = _size((scaled - moved) @ cell)
                return [*made, *turned, *shifted, *([Change("positions", ROUNDED, rest)] if rest > 0 else [])]
    raise InvalidInputError("does not keep the positions")


def _size(difference: Any) -> float:
    return float(np.max(np.abs(difference), initial=0.0))
