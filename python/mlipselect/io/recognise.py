"""Which format a file is of: as the user says, else by its ending, its content, and what ASE makes of both."""

from __future__ import annotations

import difflib
import errno
import os
from dataclasses import replace
from pathlib import Path

from ase.io.formats import UnknownFileTypeError, filetype, get_compression, ioformats

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.compression import open_for_reading, unlike_its_name
from mlipselect.io.extxyz_text import begins_frame
from mlipselect.io.formats.cp2k import CP2K
from mlipselect.io.formats.registry import FORMATS
from mlipselect.io.formats.unread import remedy
from mlipselect.io.reading import Reading

EXTXYZ = "extxyz"
"""Name of extended XYZ, which has a reader of its own."""
_HEAD_BYTES = 8192
_XYZ_SUFFIXES = (".xyz", ".extxyz")

#: What people call formats, by what mlipselect and ASE call them.
_ALIASES = {
    "xyz": EXTXYZ, "exyz": EXTXYZ, "db": "database", "json": "database", "aselmdb": "database", "sqlite": "database",
    "lammps-dump-text": "lammps-dump", "lammpstrj": "lammps-dump", "dump": "lammps-dump", "pdb": "proteindatabank",
    "ml_ab": "ml-ab", "ml_abn": "ml-ab", "mlip": "mtp", "mptrj": "pymatgen", "deepmd/npy": "deepmd",
    "deepmd/npy/mixed": "deepmd", "deepmd/raw": "deepmd",
    "poscar": "vasp", "contcar": "vasp", "outcar": "vasp-out", "xdatcar": "vasp-xdatcar", "vasprun": "vasp-xml",
}  # fmt: skip

#: Endings of compressions that are not read, with what undoes them.
_COMPRESSIONS = {
    ".zst": "zstd -d", ".Z": "uncompress", ".lz4": "lz4 -d", ".lzma": "unlzma", ".zip": "unzip", ".tar": "tar -xf",
    ".tgz": "tar -xf", ".7z": "7z x", ".rar": "unrar x",
}  # fmt: skip


def recognise(path: str, reading: Reading) -> str:
    """Return the name of the format of a file, one of `FORMATS`, ``"extxyz"`` or one of ASE's.

    Parameters
    ----------
    path : str
        The file, or a folder that is one data set.
    reading : Reading
        Options of reading.

    Raises
    ------
    InvalidInputError
        A format that nobody knows, a compression that is not read, or an empty file.
    OSError
        A file that cannot be opened.
    """
    if reading.format is not None:
        return known_format(reading.format)
    refuse_compression(path)
    is_folder = Path(path).is_dir()
    head = b"" if is_folder else head_of(path)
    if (is_xyz(path) or begins_frame(head.decode("utf-8", "replace"))) and not is_folder:
        return CP2K.name if CP2K.recognises(path, head) else EXTXYZ
    for name, known in FORMATS.items():
        if known.recognises(path, head):
            return name
    if b"<modeling>" in head:
        return "vasp-xml"
    if (problem := remedy(path, head)) is not None:
        raise InvalidInputError(problem)
    if is_folder and not (Path(path) / "metadata.json").is_file():  # which a trajectory of ASE's bundles has
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return _by_ase(path, head)


def is_xyz(path: str) -> bool:
    """Tell a name of extended XYZ, compressed or not, whatever else the name contains."""
    return Path(get_compression(path)[0]).suffix.lower() in _XYZ_SUFFIXES


def head_of(path: str) -> bytes:
    """Return the first bytes of a file, uncompressed."""
    with open_for_reading(path) as stream:
        head: bytes = stream.read(_HEAD_BYTES)
    return head


def known_format(name: str) -> str:
    """Return a format by a name that people use for it.

    Raises
    ------
    InvalidInputError
        A name that neither mlipselect nor ASE knows; names like it are offered.
    """
    lower = name.lower()
    found = _ALIASES.get(lower, lower)
    if found == EXTXYZ or found in FORMATS:
        return found
    if found in ioformats:
        if not ioformats[found].can_read:
            raise InvalidInputError(f"format: ASE writes {name!r} only, and nobody reads it")
        return found
    names = [EXTXYZ, *FORMATS, *_ALIASES, *ioformats]
    near = difflib.get_close_matches(lower, dict.fromkeys(names), n=3) or [EXTXYZ, *FORMATS]
    raise InvalidInputError(f"format: no format is called {name!r}; perhaps {', '.join(near)}")


def refuse_compression(path: str) -> None:
    """Refuse a compression that is not read, and say which are."""
    undo = _COMPRESSIONS.get(Path(path).suffix)
    if undo is not None and Path(path).is_file():
        raise InvalidInputError(
            f"compressed as {Path(path).suffix}, which is not read; .gz, .bz2 and .xz are: unpack it with `{undo}`"
        )


def _by_ase(path: str, head: bytes) -> str:
    # ASE opens files by their names.
    if Path(path).is_file() and (problem := unlike_its_name(path)) is not None:
        raise InvalidInputError(problem)
    if head.startswith(b"- of UlmASE-Trajectory"):  # whatever the name contains
        return "traj"
    try:
        name = filetype(path)
    except UnknownFileTypeError:
        name = None
    if name == "runnerdata" and not head.lstrip().startswith(b"begin"):
        name = None  # ASE goes by the ending .data
    if name in ioformats and ioformats[name].can_read:
        return str(name)
    if head.split(b"\n", 1)[0].strip().isdigit():
        return EXTXYZ
    raise InvalidInputError(
        "neither its name nor its content tells its format: name it with --format, such as --format extxyz; "
        f"mlipselect reads {', '.join([EXTXYZ, *FORMATS])}, and ASE what `ase info --formats` lists"
    )


#: What ASE recognises in a folder beside structures: inputs, pictures, programs, and Markdown (as CASTEP's).
_BESIDE = frozenset({"py", "castep-md", "png", "eps", "gif", "mp4", "pov", "html", "x3d", "json", "vti", "vtu"})


def holds_structures(path: str, reading: Reading) -> bool:
    """Tell whether a file, or a folder as one data set, is recognised as structures, for what a folder contains."""
    if Path(path).is_file() and (reading.format is not None or is_xyz(path)):
        return True
    try:
        name = recognise(path, replace(reading, format=None))
    except (InvalidInputError, OSError, EOFError):
        return False
    return name not in _BESIDE
