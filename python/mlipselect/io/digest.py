"""Digests of files: which are the same, and which have changed."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlipselect.exceptions import StructureError
from mlipselect.io.sources import Source

_LOGGER = logging.getLogger("mlipselect")


def sha256(path: str, name: str | None = None) -> str:
    """Return the SHA-256 of a file, in hexadecimal; of a folder, that of the names and contents of its files.

    Parameters
    ----------
    path : str
        The file or folder.
    name : str, optional
        What messages call it, if `path` is a temporary copy.

    Raises
    ------
    StructureError
        It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        folder = Path(path)
        files = sorted(entry for entry in folder.rglob("*") if entry.is_file()) if folder.is_dir() else [folder]
        for file in files:
            if folder.is_dir():
                digest.update(f"{file.relative_to(folder).as_posix()}\n".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    except OSError as error:
        raise StructureError(f"cannot be read: {error.strerror}", source=name or path) from error
    return digest.hexdigest()


def tell_same_files(files: Sequence[tuple[Source, str]]) -> None:
    """Warn of files of one pool that are one and the same.

    Parameters
    ----------
    files : sequence of (Source, str)
        Each file with its digest.
    """
    first: dict[tuple[str, str], Source] = {}
    for source, digest in files:
        other = first.setdefault((digest, str(source.frames)), source)
        if other is not source:
            _LOGGER.warning(
                "%s and %s are one and the same file: each of its structures is there twice", other.given, source.given
            )


def tell_files_of_core(pool: Sequence[Mapping[str, str]], core: Sequence[Mapping[str, str]]) -> None:
    """Warn of files of the pool that are in the core as well, as far as the same frames of them are meant.

    Parameters
    ----------
    pool, core : sequence of mapping
        Files with ``path``, ``sha256`` and, where not all frames are meant, ``frames`` such as ``"0:100:5"``.
    """
    for file in pool:
        same = [other for other in core if other["sha256"] == file["sha256"]]
        whole = next((other for other in same if other.get("frames") in (None, file.get("frames"))), None)
        partly = next((other for other in same if _share_frames(file, other)), None)
        if whole is not None:
            _LOGGER.warning("%s is in the core too, as %s: nothing of it is new", _named(file), _named(whole))
        elif partly is not None:
            _LOGGER.warning("%s is in the core too, in part, as %s", _named(file), _named(partly))


def _named(file: Mapping[str, str]) -> str:
    return f"{file['path']}@{file['frames']}" if "frames" in file else file["path"]


def _share_frames(file: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Tell whether two parts of one file share a frame; not where frames are counted from the end, or backwards."""
    one, two = ([int(part) if part else None for part in item.get("frames", ":").split(":")] for item in (file, other))
    if any(part is not None and part < 0 for part in [*one, *two]):
        return False
    first, second = (range(sys.maxsize)[slice(*parts)] for parts in (one, two))
    beyond = range(max(first.start, second.start), first.stop)
    begin = next((frame for frame in beyond[: first.step] if frame in first), first.stop)
    return any(frame in second for frame in range(begin, first.stop, first.step)[: second.step])
