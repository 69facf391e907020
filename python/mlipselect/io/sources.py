"""From what people name (files, folders, globs, pipes, slices) to files that can be opened."""

from __future__ import annotations

import glob
import logging
import os
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from ase.utils import string2index

from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.formats.registry import FORMATS
from mlipselect.io.reading import Reading
from mlipselect.io.recognise import holds_structures
from mlipselect.io.spool import is_pipe, spool

PathLike: TypeAlias = str | os.PathLike[str]
"""A file of structures, a folder of such files, a glob, or ``-`` for standard input; ``FILE@START:STOP:STEP`` for some
frames of them."""

_LOGGER = logging.getLogger("mlipselect")


@dataclass(frozen=True)
class Source:
    """A file of structures, or a folder that is one data set.

    Attributes
    ----------
    name : str
        What messages and records call it.
    path : str
        What is opened: the file, or a temporary copy of what came from a pipe.
    frames : slice, optional
        Which of its frames are meant; all by default.
    """

    name: str
    path: str
    frames: slice | None = None

    @property
    def meant(self) -> str:
        """The frames that are meant, such as ``0:100:5``."""
        frames = self.frames or slice(None)
        parts = ["" if part is None else str(part) for part in (frames.start, frames.stop, frames.step)]
        return ":".join(parts if parts[2] else parts[:2])

    @property
    def given(self) -> str:
        """The name with the frames that are meant, such as ``md.xyz@0:100:5``."""
        return self.name if self.frames is None else f"{self.name}@{self.meant}"


def find_sources(
    paths: PathLike | Iterable[PathLike] | Sequence[Source], reading: Reading | None = None
) -> list[Source]:
    """Return the files that are meant by names of files, folders, globs and pipes.

    Parameters
    ----------
    paths : path or iterable of paths
        What was named. A name that exists is that file, whatever characters it contains. ``-`` is standard input. Of
        a folder, all its files of structures are meant, by name; a folder that is one data set (``deepmd/npy``) stays
        one. ``*``, ``?`` and ``[...]`` stand for names. ``NAME@SLICE`` means some frames, as in ASE. A source stays
        itself.
    reading : Reading, optional
        How files are read.

    Raises
    ------
    StructureError
        A folder or a glob without files of structures, or a pipe that cannot be read.
    InvalidInputError
        Something that is no path.
    """
    reading = Reading() if reading is None else reading
    if isinstance(paths, (list, tuple)) and paths and all(isinstance(path, Source) for path in paths):
        return list(paths)
    named = as_paths(paths)  # type: ignore[arg-type]
    return [source for path in named for source in _expanded(path, reading)]


def as_source(path: str | Source) -> Source:
    """Return a file as a source; a source stays itself."""
    return path if isinstance(path, Source) else Source(path, path)


def as_paths(paths: PathLike | Iterable[PathLike]) -> list[str]:
    """Return the paths of one or several files as strings."""
    if isinstance(paths, (str, os.PathLike)):
        return [os.fspath(paths)]
    named = list(paths)
    for path in named:
        if not isinstance(path, (str, os.PathLike)):
            raise InvalidInputError(f"expected paths, got {type(path).__name__}")
    return [os.fspath(path) for path in named]


def _expanded(path: str, reading: Reading) -> list[Source]:
    if is_pipe(path):
        source = Source(path, spool(path))
        weakref.finalize(source, Path(source.path).unlink, missing_ok=True)
        return [source]
    if Path(path).is_dir():
        return [Source(path, path)] if holds_structures(path, reading) else _in_folder(path, reading)
    if Path(path).exists():
        return [Source(path, path)]
    if any(character in path for character in "*?["):
        found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - of absolute paths too
        if found:
            return [source for name in found for source in _expanded(name, reading)]
    name, at, text = path.rpartition("@")
    frames = _slice(text) if at and name else None
    if frames is not None:
        return [replace(source, frames=frames) for source in _expanded(name, reading)]
    if any(character in path for character in "*?["):
        raise StructureError("no file has such a name", source=path)
    return [Source(path, path)]  # whoever opens it says that it is missing


def _slice(text: str) -> slice | None:
    """Understand frames as ASE writes them: ``-1``, ``:100``, ``0:100:5``; None for any other text."""
    try:
        index = string2index(text)
    except (TypeError, ValueError):
        return None
    if isinstance(index, int):
        return slice(index, index + 1 or None)
    return index if isinstance(index, slice) and index.step != 0 else None


def _in_folder(folder: str, reading: Reading) -> list[Source]:
    """Find the files of structures in a folder, and say what else is there."""
    entries = sorted(entry for entry in Path(folder).iterdir() if not entry.name.startswith("."))
    found = [entry for entry in entries if holds_structures(os.fspath(entry), reading)]
    if not found:
        nested = any(entry.is_dir() for entry in entries)
        advice = f"; name the files in its folders, such as '{folder}/*/*.xyz'" if nested else ""
        known = ", ".join(["extended XYZ", *FORMATS])
        problem = f"the folder holds no file of structures (of {known} and what ASE recognises){advice}"
        raise StructureError(problem, source=folder)
    passed = [entry.name for entry in entries if entry not in found and not entry.name.endswith("lock")]
    if passed:
        _LOGGER.warning("%s: %s", folder, _listed("passed over, as no files of structures", passed))
    return [Source(os.fspath(path), os.fspath(path)) for path in found]


def _listed(what: str, names: Sequence[str]) -> str:
    return f"{what}: {', '.join(names[:5])}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")
