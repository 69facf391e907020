"""Cost of a biased step against a step of the plain base, in turns, on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from ase.build import bulk

import mlipselect as ms
from mlipselect.demo import silicon_core
from mlipselect.demo.potentials import label
from mlipselect.report.table import text_table

REPEATS = 100


def times(steps: Sequence[Callable[[], object]], repeats: int = REPEATS) -> list[float]:
    """Return the least processor time of each step in ms; steps take turns, so that all see the same load."""
    taken = np.empty((repeats, len(steps)))
    for repeat in range(repeats):
        for number, step in enumerate(steps):
            began = time.process_time()
            step()
            taken[repeat, number] = time.process_time() - began
    return (1000.0 * taken.min(axis=0)).tolist()


def step_of(calculator: object, repeat: int) -> Callable[[], object]:
    """Return a step: atoms move a little, and forces are computed."""
    atoms = bulk("Si", a=5.43, cubic=True) * (repeat, repeat, repeat)
    atoms.rattle(0.05, seed=1)
    atoms.calc = calculator

    def step() -> object:
        atoms.positions += 1e-6
        return atoms.get_forces()

    return step


def run() -> str:
    """Measure linear ACE potentials biased by their own posterior."""
    core = label(silicon_core()[::4])
    rows = []
    for degree in (8, 12, 16):
        potential = ms.LinearPotential(ms.ACE(["Si"], totaldegree=degree), n_threads=1).fit(core)
        surrogate = ms.Surrogate(potential, n_threads=1)
        for repeat in (2, 3):
            steps = [
                step_of(potential.calculator(), repeat),
                step_of(ms.BiasedCalculator(potential, surrogate), repeat),
                step_of(ms.BiasedCalculator(potential.calculator, surrogate), repeat),
            ]
            plain, together, apart = times(steps)
            rows.append([
                str(surrogate.posterior.dim), str(8 * repeat**3), f"{plain:.3f}", f"{together:.3f}",
                f"{together / plain:.2f}", f"{apart / plain:.2f}",
            ])  # fmt: skip
    header = ["features", "atoms", "plain, ms", "biased, ms", "biased / plain", "the same without the shared pass"]
    return text_table(header, rows)
