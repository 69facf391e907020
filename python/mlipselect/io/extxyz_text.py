"""Cut a file of extended XYZ into the texts of its frames, and go on after a damaged one."""

from __future__ import annotations

import io
import itertools
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO

from ase.data import atomic_numbers

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.compression import open_for_reading

_NAMED = re.compile(r"(?:^|\s)(?:Lattice|Properties)\s*=", re.IGNORECASE)
"""What only the comment line of a frame holds."""


def frame_texts(path: str) -> Iterator[str]:
    """Yield the text of each frame of a possibly compressed file.

    Raises
    ------
    InvalidInputError
        A damaged frame, or text after a blank line, where ASE stops silently.
    """
    for found in texts_and_faults(path):
        if isinstance(found, InvalidInputError):
            raise found
        yield found


def texts_and_faults(path: str) -> Iterator[str | InvalidInputError]:
    """Yield the text of each frame of a possibly compressed file, and what is wrong in the place of a damaged one.

    Reading goes on at the next line that is a number of atoms, before a comment line that names a lattice or columns
    or that the line of an atom follows.
    """
    with open_text(path) as stream:
        lines = _Lines(stream)
        while header := lines.next_header():
            yield _frame(header, lines) if header.strip() else _blank(lines)


class _Lines:
    """The lines of a file, of which some may be put back."""

    def __init__(self, stream: IO[str]):
        self._stream = stream
        self._ahead: deque[str] = deque()

    def take(self, count: int) -> list[str]:
        """Return the next lines, fewer at the end of the file."""
        held = [self._ahead.popleft() for _ in range(min(count, len(self._ahead)))]
        return [*held, *itertools.islice(self._stream, count - len(held))]

    def put_back(self, lines: Sequence[str]) -> None:
        self._ahead.extendleft(reversed(lines))

    def skip_to_frame(self) -> None:
        """Pass over lines until a frame begins."""
        while first := self.take(3):
            if _begins(first):
                self.put_back(first)
                return
            self.put_back(first[1:])

    def next_header(self) -> str:
        """Return the next line; an empty text where nothing but blank lines is left."""
        line = first = self.take(1)
        while line and not line[0].strip():
            line = self.take(1)
        if not line or line is first:
            return "".join(line)
        self.put_back(line)
        return first[0]


def _blank(lines: _Lines) -> InvalidInputError:
    """Return the fault of a blank line that text follows."""
    lines.skip_to_frame()
    return InvalidInputError("expected a number of atoms, got a blank line with text after it")


def _frame(header: str, lines: _Lines) -> str | InvalidInputError:
    """Return the text of a frame, or what is wrong with it."""
    if not header.strip().isdecimal():
        lines.skip_to_frame()
        return InvalidInputError(f"expected a number of atoms, got {header.strip()[:40]!r}")
    n_atoms = int(header)
    seen = lines.take(n_atoms + 3)
    body = seen[: n_atoms + 1]
    lines.put_back(seen[n_atoms + 1 :])
    if (cut := _cut(seen, len(body))) is not None:
        lines.put_back(body[cut:])
        lines.skip_to_frame()
        return InvalidInputError(
            f"the frame is cut short: another frame begins after {cut - 1} of its {n_atoms} atoms; was a run stopped "
            "and started again?"
        )
    if len(body) <= n_atoms:
        present = max(len(body) - 1, 0)
        return InvalidInputError(f"the file is truncated: it ends after {present} of the {n_atoms} atoms of this frame")
    while (following := lines.take(1)) and following[0].lstrip().startswith("VEC"):  # vectors as pseudo-atoms
        body += following
    lines.put_back(following)
    return header + "".join(body)


def _cut(lines: Sequence[str], size: int) -> int | None:
    """Return where another frame begins in the lines after a header; None for a whole frame.

    A line that another header was written onto counts as the beginning, as no line of an atom names a lattice.

    Parameters
    ----------
    lines : sequence of str
        The comment, the atoms and two more lines, as far as there are.
    size : int
        Number of lines without those two.
    """
    for place in range(1, size):
        if lines[place].strip().isdecimal() and _begins(lines[place : place + 3]):
            return place
        below = lines[place + 1 : place + 2]
        if below and "=" in below[0] and _NAMED.search(below[0]):
            return place
    return None


def begins_frame(text: str) -> bool:
    """Tell extended XYZ, by a comment that names lattice or columns, or by the symbol of the first atom."""
    lines = text.split("\n", 3)[:3]
    if lines[0].startswith("\ufeff"):
        lines[0] = lines[0][1:]
    is_named = len(lines) > 1 and _NAMED.search(lines[1]) is not None
    return _begins(lines) and (is_named or lines[2].split()[0] in atomic_numbers)


def _begins(lines: Sequence[str]) -> bool:
    """Tell whether lines are the header, the comment and the first atom of a frame."""
    if len(lines) < 2 or not lines[0].strip().isdecimal():
        return False
    return _NAMED.search(lines[1]) is not None or (len(lines) > 2 and _is_atom(lines[2]))


def _is_atom(line: str) -> bool:
    """Tell the line of an atom by a name with three numbers after it."""
    words = line.split()
    try:
        return len([float(word) for word in words[1:4]]) == 3
    except ValueError:
        return False


def open_text(path: str) -> IO[str]:
    """Open a possibly compressed file of text, in UTF-8 whatever the locale."""
    return io.TextIOWrapper(open_for_reading(path), encoding="utf-8-sig")
