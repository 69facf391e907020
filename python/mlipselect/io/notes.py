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
    >>> for notes.place in (("a.xyz", 0), ("a.xyz", 1)):
    ...     notes.add("no pbc")
    >>> notes.pending()
    ['a.xyz: no pbc (2 frames, the first is frame 0)']
    >>> notes.place = ("b.xyz", 4)
    >>> notes.add("no pbc")
    >>> notes.pending()
    ['no pbc (3 frames of 2 files, the first is a.xyz)']
    """

    def __init__(self) -> None:
        self.place: tuple[str, int] = ("", 0)
        self._counts: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._told: set[tuple[str, str]] = set()

    def add(self, remark: str) -> None:
        """Count a remark on the frame at `place`; several equal ones on one frame count once."""
        source, index = self.place
        first, last, count = self._counts.get((source, remark), (index, -1, 0))
        self._counts[source, remark] = first, index, count + (last != index)

    def say(self, remark: str) -> None:
        """Remark on the whole file at `place`, without a number of frames."""
        self._counts[self.place[0], remark] = 0, 0, 0

    def pending(self) -> list[str]:
        """Return the remarks that were not told yet, each with its file, or files, and its number of frames."""
        found: dict[str, list[tuple[str, int, int]]] = {}
        for (source, remark), (first, _, count) in self._counts.items():
            if (source, remark) not in self._told:
                found.setdefault(remark, []).append((source, first, count))
        return [_line(remark, places) for remark, places in found.items()]

    def tell(self) -> None:
        """Log the remarks that were not told yet as warnings."""
        for line in self.pending():
            _LOGGER.warning("%s", line)
        self._told |= self._counts.keys()


def _line(remark: str, places: list[tuple[str, int, int]]) -> str:
    """Return a remark with its file and frames, or the number of files where there are several."""
    total = sum(count for _, _, count in places)
    source, first, count = places[0]
    if len(places) > 1:
        return (
            f"{remark} ({total} frames of {len(places)} files, the first is {source})"
            if total
            else (f"{remark} ({len(places)} files, the first is {source})")
        )
    frames = f" ({count} frames, the first is frame {first})" if count > 1 else f" (frame {first})" if count else ""
    return f"{source}: {remark}{frames}" if source else f"{remark}{frames}"
