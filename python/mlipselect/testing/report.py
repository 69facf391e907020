"""The report of a conformance check, for people to read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class Broken(Exception):  # noqa: N818
    """A promise is broken, and later checks depend on it."""


@dataclass(frozen=True)
class Check:
    """One promise, checked once.

    Attributes
    ----------
    promise : str
        The promise.
    place : str
        The object that was checked, such as a structure.
    holds : bool or None
        Whether the promise is kept; None if the difference was measured but nothing was promised.
    found : str
        The finding.
    difference, tolerance : float or None
        Difference found and largest difference allowed, both relative to the size of the compared values.
    """

    promise: str
    place: str
    holds: bool | None
    found: str = ""
    difference: float | None = None
    tolerance: float | None = None


@dataclass
class Report:
    """All checks; `str` gives a table with the worst case of each promise.

    Attributes
    ----------
    subject : str
        Name of the checked object.
    checks : list of Check
        One check for each promise and place.
    """

    subject: str
    checks: list[Check] = field(default_factory=list)

    @property
    def failures(self) -> list[Check]:
        """The checks of broken promises."""
        return [check for check in self.checks if check.holds is False]

    @property
    def passed(self) -> bool:
        """Whether every promise is kept."""
        return not self.failures

    def expect(self, holds: bool, promise: str, place: str, found: Any) -> None:
        """Record whether a promise is kept; a broken one ends the current `run`."""
        self.checks.append(Check(promise, place, bool(holds), str(found)))
        if not holds:
            raise Broken

    def compare(
        self,
        found: ArrayLike,
        expected: ArrayLike,
        tolerance: float,
        promise: str,
        place: str,
        *,
        size: float | None = None,
        required: bool = True,
    ) -> None:
        """Record the difference of two arrays relative to `size`, by default the largest element of `expected`."""
        wanted = np.asarray(expected)
        if size is None:
            size = float(np.abs(wanted).max(initial=0.0))
        size = max(size, float(np.finfo(float).tiny))
        difference = float(np.abs(np.asarray(found) - wanted).max(initial=0.0)) / size
        holds = difference <= tolerance if required else None
        self.checks.append(Check(promise, place, holds, f"a difference of {difference:.1e}", difference, tolerance))

    def run(self, checks: Callable[..., None], *arguments: Any) -> None:
        """Run checks until one of them is broken."""
        with suppress(Broken):
            checks(*arguments)

    def __str__(self) -> str:
        width = max((len(check.promise) for check in self.checks), default=0)
        failed = len({check.promise for check in self.failures})
        lines = [f"{self.subject}: {'every promise kept' if self.passed else f'{failed} promises broken'}"]
        for promise in dict.fromkeys(check.promise for check in self.checks):
            own = [check for check in self.checks if check.promise == promise]
            worst = max(own, key=lambda check: (check.holds is False, check.difference or 0.0))
            mark = {True: "ok", False: "BROKEN", None: "-"}[worst.holds]
            line = f"  {mark:>6}  {promise:<{width}}"
            if worst.difference is not None:
                line += f"  {worst.difference:.1e}"
                line += f" of {worst.tolerance:.1e}" if worst.holds is not None else " (not expected)"
            if worst.holds is False:
                line += f"  {worst.place}: expected {promise}, got {worst.found}"
            lines.append(line.rstrip())
        return "\n".join(lines)
