"""What is shown while a run goes on: picks, steps, temperature, score against threshold, speed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from mlipselect.hal.walker import Burst
from mlipselect.progress import new_bar, shown

if TYPE_CHECKING:
    from mlipselect.hal.hal import Hal


class HalProgress:
    """A bar of the picks of a run, on the standard error.

    Parameters
    ----------
    show : bool or None
        Whether to show it; None shows it where the standard error is a terminal.
    run : Hal
        The run.
    """

    def __init__(self, show: bool | None, run: Hal):
        self._run = run
        self._bar: Any = None
        self._began, self._steps = time.monotonic(), run.counts["steps"]
        if shown(show):
            self._bar = new_bar(total=run.n, initial=len(run.picks), desc="hal", unit="structure")

    def __enter__(self) -> HalProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, bursts: Sequence[Burst]) -> None:
        """Show a round."""
        if self._bar is None:
            return
        run = self._run
        steps = run.counts["steps"]
        seconds = max(time.monotonic() - self._began, 1e-9)
        temperature = np.mean([burst.walker.atoms.get_temperature() for burst in bursts])  # type: ignore[no-untyped-call]
        nanoseconds = (steps - self._steps) * run.options.sampling.timestep * 1e-6 / seconds * 86400.0
        score = max(burst.score for burst in bursts)
        self._bar.set_postfix_str(
            f"{steps} steps, {temperature:.0f} K, {run.trigger.name} {score:.2g} of {run.trigger.threshold:.2g}, "
            f"{nanoseconds:.2g} ns/day"
        )
        self._bar.update(len(run.picks) - self._bar.n)
