"""Cut a file of extended XYZ into the texts of its frames."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from typing import IO

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.compression import open_for_reading


def frame_texts(path: str) -> Iterator[str]:
    """Yield the text of each frame of a possibly compressed file.

    Raises
    ------
    InvalidInputError
        A truncated frame, or text after a blank line, where ASE stops silently.
    """
    with open_text(path) as stream:
        header = stream.readline()
        while header.strip():
            body, following = _body(header, stream)
            yield header + body
            header = following
        if any(line.strip() for line in stream):
            raise InvalidInputError("expected a number of atoms, got a blank line with text after it")


def _body(header: str, stream: IO[str]) -> tuple[str, str]:
    """Return the lines of a frame after its header, and the line after the frame."""
    try:
        n_atoms = int(header)
    except ValueError:
        raise InvalidInputError(f"expected a number of atoms, got {header.strip()[:40]!r}") from None
    if n_atoms < 0:
        raise InvalidInputError(f"expected a number of atoms, got {n_atoms}")
    lines = list(itertools.islice(stream, n_atoms + 1))
    if len(lines) <= n_atoms:
        present = max(len(lines) - 1, 0)
        raise InvalidInputError(f"the file is truncated: it ends after {present} of the {n_atoms} atoms of this frame")
    following = stream.readline()
    while following.lstrip().startswith("VEC"):  # cell vectors written as pseudo-atoms
        lines.append(following)
        following = stream.readline()
    return "".join(lines), following


def open_text(path: str) -> IO[str]:
    """Open a possibly compressed file of text, in UTF-8 whatever the locale."""
    return io.TextIOWrapper(open_for_reading(path), encoding="utf-8-sig")
