"""Memory of a long run: resident size at even intervals over very many steps of biased dynamics."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ase.build import bulk

import mlipselect as ms
from mlipselect.demo import silicon_core
from mlipselect.demo.potentials import label
from mlipselect.hal import Hal
from mlipselect.hal.executors import Executor
from mlipselect.hal.walker import Burst
from mlipselect.report.table import text_table

LOOKS = 10
"""Number of times at which the size is noted, after the first."""


def resident() -> float:
    """Return the resident size of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watched(Hal):
    """A run that notes the resident size at even intervals."""

    def __init__(self, *args: Any, interval: int, **options: Any):
        super().__init__(*args, **options)
        self._interval, self._began = interval, time.perf_counter()
        self.seen: list[list[str]] = []
        self._look()

    def _round(self, where: Executor) -> list[Burst]:
        bursts = super()._round(where)
        if self.counts["steps"] >= len(self.seen) * self._interval:
            self._look()
        return bursts

    def _look(self) -> None:
        counts, seconds = self.counts, time.perf_counter() - self._began
        self.seen.append([str(counts["steps"]), f"{resident():.1f}", str(counts["rejected"]), f"{seconds:.0f}"])


def run(n_steps: int) -> str:
    """Run one walker in a crystal of silicon that never triggers, and return a table of steps and sizes."""
    core = label(silicon_core())
    ace = ms.ACE(["Si"], totaldegree=6)
    potential = ms.LinearPotential(ace, reference_energies={"Si": 0.0}, n_threads=1).fit(core)
    surrogate = ms.Surrogate(potential, core=core, n_threads=1)
    start = bulk("Si", a=5.43, cubic=True) * (2, 2, 2)
    hal = Watched(
        start, potential, surrogate, 1, temperature=600.0, threshold=1e12, max_steps=n_steps, patience=n_steps,
        interval=n_steps // LOOKS,
    )  # fmt: skip
    hal.run()
    return text_table(["steps", "resident, MiB", "trajectories ended", "seconds"], hal.seen)
