"""What is left out or guessed, counted while structures are read and said once."""

from __future__ import annotations

import logging

from mlipselect.io.frames import Frame

_LOGGER = logging.getLogger("mlipselect")


class Notes:
    """Remarks on structures: each text with the number of structures that it holds for, and the first of them."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, Frame] = {}

    def add(self, text: str, frame: Frame) -> None:
        """Count a structure."""
        self._counts[text] = self._counts.get(text, 0) + 1
        self._first.setdefault(text, frame)

    def __getitem__(self, text: str) -> int:
        return self._counts.get(text, 0)

    def log(self, data: str) -> None:
        """Log a warning for each text.

        Parameters
        ----------
        data : str
            Name of the structures, such as ``"training"``; empty for none.
        """
        for text, count in self._counts.items():
            prefix = f"{data}: " if data else ""
            structures = "1 structure" if count == 1 else f"{count} structures"
            first = "" if count == 1 else "the first is "
            _LOGGER.warning("%s%s: %s (%s%s)", prefix, structures, text, first, place_of(self._first[text]))


def place_of(frame: Frame) -> str:
    """Name the file and the frame, or the index of a structure in memory."""
    return f"structure {frame.index}" if frame.source is None else f"{frame.source}, frame {frame.index}"
