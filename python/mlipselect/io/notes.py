"""What was assumed or left out while files were read: counted, then told once."""

from __future__ import annotations

import logging

_LOGGER = logging.getLogger("mlipselect")


class Notes:
    """Remarks on frames of files, each told once with the number of frames that it holds for.

    Whoever reads frames sets `place` to the file and the frame that is being read; readers add remarks.

    Attributes
    ----------
    place : tuple of (str, int)
        File and 0-based frame that the next remark is about.

    Examples
    --------
    >>> notes = Notes()
    >>> for notes.place in (("a.xyz", 0), ("a.xyz", 1), ("b.xyz", 4)):
    ...     notes.add("no pbc")
    >>> notes.pending()
    ['a.xyz: no pbc (2 frames, the first is frame 0)', 'b.xyz: no pbc (frame 4)']
    """

    def __init__(self) -> None:
        self.place: tuple[str, int] = ("", 0)
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}
        self._told: set[tuple[str, str]] = set()

    def add(self, remark: str) -> None:
        """Count a remark on the frame at `place`."""
        source, index = self.place
        first, count = self._counts.get((source, remark), (index, 0))
        self._counts[source, remark] = first, count + 1

    def say(self, remark: str) -> None:
        """Remark on the whole file at `place`, without a number of frames."""
        self._counts[self.place[0], remark] = 0, 0

    def pending(self) -> list[str]:
        """Return the remarks that were not told yet, each with its file and its number of frames."""
        lines = []
        for (source, remark), (first, count) in self._counts.items():
            if (source, remark) not in self._told:
                frames = "" if count == 0 else f" (frame {first})"
                if count > 1:
                    frames = f" ({count} frames, the first is frame {first})"
                lines.append(f"{source}: {remark}{frames}" if source else f"{remark}{frames}")
        return lines

    def tell(self) -> None:
        """Log the remarks that were not told yet as warnings."""
        for line in self.pending():
            _LOGGER.warning("%s", line)
        self._told |= self._counts.keys()
