"""One folder for each selected structure, with the input of a calculation that ASE writes."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms
from ase.io.formats import ioformats

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.frame import Frame
from mlipselect.selection.result import Selection

#: Names of files that programs ask for; others are called `structure` with the ending of the format.
_NAMES = {"vasp": "POSCAR", "espresso-in": "espresso.pwi", "aims": "geometry.in", "castep-cell": "structure.cell"}
TABLE = "picks.csv"


def check_format(name: str) -> None:
    """Refuse a format that ASE cannot write one structure to.

    Raises
    ------
    InvalidInputError
        ASE does not know it, or only reads it.
    """
    if name not in ioformats:
        raise InvalidInputError(f"format: expected one of ASE, such as vasp, espresso-in or castep-cell, got {name!r}")
    if not ioformats[name].can_write:
        raise InvalidInputError(
            f"format: ASE reads {name}, and cannot write it: vasp, espresso-in and castep-cell serve"
        )


def check_folder(path: str | os.PathLike[str]) -> None:
    """Refuse a folder that holds something, or that cannot be made.

    Raises
    ------
    InvalidInputError
        A file, a folder with something in it, or one whose parent is not there or may not be written to.
    """
    folder = Path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInputError(f"{folder}: expected an empty folder or the name of a new one")
    parent = folder.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InvalidInputError(f"{folder}: cannot be written: {parent} is no folder that can be written to")


def write_calculations(selection: Selection, path: str | os.PathLike[str], format: str) -> int:  # noqa: A002
    """Write each selected structure to a folder of its own, and beside them a table that says what each is.

    Parameters
    ----------
    selection : Selection
        The selection; isolated atoms that it kept are not written.
    path : path
        A new or empty folder. The folders in it are numbered by rank: ``0001``, ``0002`` and so on.
    format : str
        Format of ASE, such as ``"vasp"``, ``"espresso-in"`` or ``"castep-cell"``.

    Returns
    -------
    int
        Number of folders.

    Raises
    ------
    InvalidInputError
        The folder is not empty or cannot be made, or ASE cannot write a structure to the format. Nothing is left then.
    """
    check_folder(path)
    made = made_calculations(selection, path, format)
    try:
        made.replace(path)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return len(selection)


def made_calculations(selection: Selection, path: str | os.PathLike[str], format: str) -> Path:  # noqa: A002
    """Make the folder of `write_calculations` under a temporary name beside `path`, and return it."""
    from mlipselect.report.csv_table import csv_table  # tables know selections, and not the other way round

    check_format(format)
    made = Path(tempfile.mkdtemp(prefix=".mlipselect-", dir=Path(path).parent))
    try:
        digits = max(4, len(str(len(selection))))
        for rank, frame in enumerate(selection.frames, start=1):
            own = made / f"{rank:0{digits}d}"
            own.mkdir()
            _write(frame, own / _name(format), format)
        (made / TABLE).write_text(csv_table(selection), encoding="utf-8")
        mask = os.umask(0)
        os.umask(mask)
        made.chmod(0o777 & ~mask)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return made


def _name(format_name: str) -> str:
    endings = ioformats[format_name].extensions
    return _NAMES.get(format_name, f"structure.{endings[0] if endings else format_name}")


def _write(frame: Frame, path: Path, format_name: str) -> None:
    """Write one structure; atoms stay in their order."""
    atoms: Any = Atoms(
        frame.atoms.numbers, frame.atoms.positions, cell=frame.atoms.cell, pbc=frame.atoms.pbc,
        constraint=frame.atoms.constraints,
    )  # fmt: skip
    how: dict[str, Any] = {}
    if format_name == "espresso-in":
        # Files that the user has: named as most libraries of pseudopotentials have them first.
        how["pseudopotentials"] = {symbol: f"{symbol}.UPF" for symbol in set(atoms.symbols)}
    try:
        ase.io.write(path, atoms, format=format_name, **how)
    except Exception as error:
        raise InvalidInputError(f"{frame.place}: ASE cannot write it as {format_name}: {error}") from error
