"""Open compressed files by what they contain, whatever their names end in."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import IO, Any

from ase.io.formats import get_compression

from mlipselect.exceptions import InvalidInputError

MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\x00": ".xz", b"\x28\xb5\x2f\xfd": ".zst"}
"""How compressed content begins, and the ending of a name that says so."""

_OPENERS: dict[str, Any] = {"": open, ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def ending_of(content: bytes) -> str:
    """Return the ending of a name that says how some content is compressed; empty if it is not."""
    return next((ending for magic, ending in MAGIC.items() if content.startswith(magic)), "")


def open_for_reading(path: str) -> IO[bytes]:
    """Open a file, and undo the compression that its content has.

    Parameters
    ----------
    path : str
        The file, compressed by gzip, bzip2 or xz, or not at all. Its name does not matter.

    Raises
    ------
    InvalidInputError
        The content is compressed in another way.
    """
    with Path(path).open("rb") as stream:
        ending = ending_of(stream.read(8))
    if ending not in _OPENERS:
        raise InvalidInputError(f"its content is compressed as {ending}, which is not read; .gz, .bz2 and .xz are")
    opened: IO[bytes] = _OPENERS[ending](path, "rb")
    return opened


def unlike_its_name(path: str) -> str | None:
    """Say what is wrong with a file whose name says another compression than its content; None if nothing is."""
    with Path(path).open("rb") as stream:
        ending = ending_of(stream.read(8))
    named = get_compression(path)[1]
    named = "" if named is None else f".{named}"
    if ending == named:
        return None
    if not ending:
        return f"its name ends in {named}, but its content is not compressed: rename it"
    return f"its content is compressed as {ending}: rename it, so that its name ends in {ending}"
