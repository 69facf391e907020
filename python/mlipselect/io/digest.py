"""Digests of files: which are the same, and which have changed."""

from __future__ import annotations

import hashlib
import logging
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


def tell_files_of_core(pool: Mapping[str, str], core: Mapping[str, str]) -> None:
    """Warn of files of the pool that are in the core as well.

    Parameters
    ----------
    pool, core : mapping
        Digests of files by their names.
    """
    known = {digest: name for name, digest in core.items()}
    for name, digest in pool.items():
        if digest in known:
            _LOGGER.warning("%s is in the core too, as %s: nothing of it is new", name, known[digest])
