"""What a file does not keep of a structure as it is, and one line that tells it for a whole job."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

LET_GO = "let go"
AS_TEXT = "kept as text"
AS_REALS = "kept as real numbers"
AS_PAIRS = "kept as pairs of real and imaginary parts"
ROUNDED = "rounded"
CHANGED = "changed"
RENAMED = "kept under another name"
ADDED = "added by the format"

NEGLIGIBLE = 1e-6
"""Deviation in Å below which a rounded position is the same for anybody."""

MOVED = "moved by lattice vectors"

SHOWN = 20
"""Most kinds of changes of one sort that a message names."""


@dataclass(frozen=True)
class Change:
    """One part of a structure that a file does not keep as it is.

    Attributes
    ----------
    part : str
        Name of the part, such as ``"info['spacegroup']"``.
    what : str
        What becomes of it.
    size : float
        Largest deviation in Å where it is rounded; the comparison of changes passes it over.
    """

    part: str
    what: str = LET_GO
    size: float = field(default=0.0, compare=False)

    def __str__(self) -> str:
        return f"{self.part} ({self.what}{_bound(self.size)})"

    @property
    def is_minor(self) -> bool:
        """Whether the structure is the same for anybody who calculates it, and nothing that somebody wrote is lost."""
        return self.what in (ADDED, MOVED) or (self.what == ROUNDED and self.size < NEGLIGIBLE)


class Tally:
    """Changes with the number of structures that each concerns."""

    def __init__(self) -> None:
        self._counts: dict[Change, int] = {}
        self._sizes: dict[Change, float] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, changes: Iterable[Change]) -> None:
        """Count the changes of one structure."""
        for change in dict.fromkeys(changes):
            self._counts[change] = self._counts.get(change, 0) + 1
            self._sizes[change] = max(self._sizes.get(change, 0.0), change.size)

    def only(self, is_told: Callable[[Change], bool]) -> Tally:
        """Return the changes that are told."""
        out = Tally()
        out._counts = {change: count for change, count in self._counts.items() if is_told(change)}
        out._sizes = {change: self._sizes[change] for change in out._counts}
        return out

    def covers(self, change: Change) -> bool:
        """Tell whether a change was counted, and is not of another order of magnitude."""
        return change in self._counts and change.size <= _decade(self._sizes[change])

    def __str__(self) -> str:
        """Name the changes sort by sort: ``let go: FixBondLength (1 structure); kept as text: ... (3)``."""
        sorts: dict[str, list[str]] = {}
        ordered = sorted(self._counts.items(), key=lambda item: item[0].what != LET_GO)
        for number, (change, count) in enumerate(ordered):
            structures = f"{count} structure{'s' * (count > 1)}" if number == 0 else str(count)
            what = change.what + _bound(max(self._sizes[c] for c in self._counts if c.what == change.what))
            sorts.setdefault(what, []).append(f"{change.part} ({structures})")
        return "; ".join(
            f"{what}: {', '.join(parts[:SHOWN])}" + (f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else "")
            for what, parts in sorts.items()
        )


def _decade(size: float) -> float:
    """Return the power of ten above a size."""
    return 10.0 ** (math.floor(math.log10(size)) + 1) if size > 0 else 0.0


def _bound(size: float) -> str:
    return f" by less than {_decade(size):.0e} Å" if size > 0 else ""
