"""Frames of a text file as blocks of lines, and errors that name the line."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.compression import open_for_reading


@dataclass(frozen=True, slots=True)
class Block:
    """The lines of a frame, without white space at their ends.

    Attributes
    ----------
    lines : sequence of str
        The lines.
    start : int
        Number of the first line in its file, counted from 1.
    """

    lines: Sequence[str]
    start: int

    def error(self, problem: str, line: int) -> InvalidInputError:
        """Return the error of a problem in a line of the block, counted from 0."""
        return InvalidInputError(f"line {self.start + line}: {problem}")

    def line(self, line: int, expected: str) -> str:
        """Return a line; the error of a frame that ends before it says what was expected."""
        if line >= len(self.lines):
            problem = f"the frame ends, expected {expected}; the file may be truncated"
            raise self.error(problem, len(self.lines) - 1)
        return self.lines[line]

    def numbers(self, line: int, count: int, expected: str) -> list[float]:
        """Return the numbers of a line, which has to hold `count` finite ones."""
        text = self.line(line, expected)
        numbers = as_floats(text.split())
        if numbers is None or len(numbers) != count or not np.all(np.isfinite(numbers)):
            raise self.error(f"expected {expected}, got {text[:60]!r}", line)
        return numbers

    def count(self, line: int, expected: str) -> int:
        """Return the number of a line, a whole number above 0."""
        text = self.line(line, expected)
        if not text.isdecimal() or int(text) == 0:
            raise self.error(f"expected {expected}, got {text[:60]!r}", line)
        return int(text)

    def table(self, line: int, rows: int, columns: int, expected: str) -> NDArray[np.float64]:
        """Return the numbers of consecutive lines, shape (rows, columns)."""
        fields = [text.split() for text in self.lines[line : line + rows]]
        if len(fields) == rows and all(len(entries) == columns for entries in fields):
            try:
                table = np.array(fields, dtype=np.float64).reshape(rows, columns)
            except ValueError:  # the line at fault is found below
                table = np.array([[np.nan]])
            if np.all(np.isfinite(table)):
                return table
        found = [self.numbers(line + row, columns, expected) for row in range(rows)]
        return np.array(found, dtype=np.float64).reshape(rows, columns)


def blocks(path: str, begins: Callable[[str, str], bool], ends: Callable[[str], bool] | None = None) -> Iterator[Block]:
    """Cut a text file, compressed or not, into the blocks of its frames.

    Parameters
    ----------
    path : path
        The file.
    begins : callable
        ``begins(before, line)``: whether a line is the first of a frame, by the line before and the line itself.
    ends : callable, optional
        ``ends(line)``: whether a line is the last of a frame; without it a frame ends before the next one.

    Yields
    ------
    Block
        The lines of a frame. Lines before the first frame, and between an end and a beginning, are left out.

    Raises
    ------
    InvalidInputError
        A frame without its last line.
    """
    start, lines, before = 0, list[str](), ""
    with io.TextIOWrapper(open_for_reading(path), encoding="utf-8", errors="replace") as stream:
        for number, text in enumerate(stream, 1):
            line = text.strip()
            if begins(before, line):
                if lines:
                    yield _complete(Block(lines, start), ends)
                start, lines = number, [line]
            elif lines:
                lines.append(line)
                if ends is not None and ends(line):
                    yield Block(lines, start)
                    lines = []
            before = line
    if lines:
        yield _complete(Block(lines, start), ends)


def _complete(block: Block, ends: Callable[[str], bool] | None) -> Block:
    if ends is not None and not ends(block.lines[-1]):
        problem = f"the frame that begins in line {block.start} has no end; the file may be truncated"
        raise block.error(problem, len(block.lines) - 1)
    return block


def as_floats(words: Sequence[str]) -> list[float] | None:
    """Return words as numbers, Fortran's exponent D included; None where one of them is no number."""
    try:
        return [float(word.replace("D", "E").replace("d", "e").replace("_", "?")) for word in words]
    except ValueError:
        return None


def number_or_text(text: str) -> int | float | str:
    """Return the value of a text file as a whole or a finite number, where it is one."""
    if text.lstrip("+-").isdecimal():
        return int(text)
    numbers = as_floats([text])
    return text if numbers is None or not np.isfinite(numbers[0]) else numbers[0]
