"""The exceptions that mlipselect raises: one tree, and bad values are also `ValueError`."""

from __future__ import annotations


class MlipselectError(Exception):
    """Base of everything that mlipselect raises on purpose."""


class InvalidInputError(MlipselectError, ValueError):
    """A value, an array or a combination of them that cannot be worked with."""


#: What is between a file and the index of a frame of it in the name of a structure.
FRAME = ", frame "


def place_of(source: str | None, index: int) -> str:
    """Name a structure by its file and frame, or by its index where it was given in memory."""
    return f"{source}{FRAME}{index}" if source else f"structure {index}"


class StructureError(InvalidInputError):
    """A structure that cannot be read or described.

    Parameters
    ----------
    problem : str
        What was expected and what was given.
    index : int, optional
        0-based index of the structure among those that were given.
    source : str, optional
        File it came from; then `index` counts the frames of that file.
    """

    def __init__(self, problem: str, index: int | None = None, source: str | None = None):
        self.problem, self.index, self.source = problem, index, source
        place = (source or "") if index is None else place_of(source, index)
        super().__init__(f"{place}: {problem}" if place else problem)


class MemoryLimitError(InvalidInputError):
    """The work asked for would need more memory than it was allowed."""


class NotFittedError(MlipselectError, AttributeError):
    """A result was asked for before `fit`."""


class MissingExtraError(MlipselectError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""
