"""Errors of refitted potentials against the number of calculations, by how the structures were found."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from ase import Atoms
from benches.hal.schemes import SCHEMES, fit
from benches.hal.systems import SYSTEMS, System

import mlipselect as ms
from mlipselect.io.atomic import write_atomically

NEAR = 0.3
"""Distance in typical differences (see `MinDistance`) below which a pick is a near-duplicate of an earlier one."""
NUMBERS = (5, 10, 20, 50)
"""Numbers of calculations."""
CORE = "the core alone"
"""What stands for a scheme where nothing was added."""


@dataclass(frozen=True)
class Result:
    """What the first structures of a scheme are worth.

    Attributes
    ----------
    system, scheme : str
        Their names.
    seed, n : int
        Seed, and number of calculations.
    energy, force : float
        Root mean square errors of the potential fitted to the core and the structures, in meV per atom and eV/Å.
    near : int
        Number of structures that are near-duplicates of earlier ones.
    steps, fits : int
        Steps of dynamics, and fits of the potential after the first, until the last of the structures was taken.
    """

    system: str
    scheme: str
    seed: int
    n: int
    energy: float
    force: float
    near: int
    steps: int
    fits: int


def errors(potential: ms.LinearPotential, test: Sequence[Atoms]) -> tuple[float, float]:
    """Return the root mean square errors of energies in meV per atom and of force components in eV/Å."""
    found = potential.predictions(test)
    energies = [(p.energy - a.get_potential_energy()) / len(a) for p, a in zip(found, test, strict=True)]
    forces = np.concatenate([(p.forces - a.get_forces()).ravel() for p, a in zip(found, test, strict=True)])
    return 1000.0 * float(np.sqrt(np.mean(np.square(energies)))), float(np.sqrt(np.mean(forces**2)))


def near_duplicates(system: System, picks: Sequence[Atoms]) -> int:
    """Count the picks that are near an earlier one, in standard deviations of the features over core and test."""
    others = system.descriptor.structure_features([*system.core, *system.test])
    spread = others.std(axis=0)
    spread[spread <= 1e-9 * np.abs(others).max()] = np.inf
    rows = system.descriptor.structure_features(list(picks)) / spread
    return sum(bool((np.sqrt(((rows[:k] - rows[k]) ** 2).mean(axis=1)) < NEAR).any()) for k in range(1, len(rows)))


@lru_cache(maxsize=1)
def system_of(name: str, seed: int) -> System:
    """Make a system, and keep it for the schemes that follow: its frames of the true potential take long."""
    return SYSTEMS[name](seed)


def trial(name: str, scheme: str, seed: int) -> list[Result]:
    """Run a scheme with a seed, and judge what it found: one result for each number of calculations that it reached."""
    system = system_of(name, seed)
    if scheme == CORE:
        return [Result(name, CORE, seed, 0, *errors(fit(system, system.core), system.test), 0, 0, 0)]
    found = SCHEMES[scheme](system, NUMBERS[-1], seed)
    out = []
    for n in NUMBERS:
        if n <= len(found.picks):
            own = errors(fit(system, [*system.core, *found.picks[:n]]), system.test)
            near = near_duplicates(system, found.picks[:n])
            out.append(Result(name, scheme, seed, n, *own, near, found.steps[n - 1], found.fits[n - 1]))
    return out


def run(systems: Sequence[str], seeds: int, kept: Path, minutes: float) -> Iterator[str]:
    """Run what was not run before, a seed of everything after the other, and say what was done.

    Parameters
    ----------
    systems : sequence of str
        Names of systems.
    seeds : int
        Number of seeds.
    kept : Path
        Folder with one file for each trial.
    minutes : float
        Nothing is begun after this time.
    """
    kept.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60.0 * minutes
    for seed in range(seeds):
        for name in systems:
            for number, scheme in enumerate([CORE, *SCHEMES]):
                path = kept / f"{name}-{number}-{seed}.json"
                if path.exists():
                    continue
                began = time.monotonic()
                if began > end:
                    return
                found = trial(name, scheme, seed)
                told = json.dumps([asdict(result) for result in found])
                write_atomically(path, lambda stream, told=told: stream.write(told.encode()))
                yield f"{name}, seed {seed}, {scheme}: {found[-1].n if found else 0} ({time.monotonic() - began:.0f} s)"


def read(kept: Path) -> list[Result]:
    """Read all that was kept."""
    return [Result(**told) for path in sorted(kept.glob("*.json")) for told in json.loads(path.read_text())]


def write_csv(path: Path, results: Sequence[Result]) -> None:
    """Write one line for each result."""
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(Result.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(result), "energy": f"{result.energy:.4g}", "force": f"{result.force:.4g}"}
                         for result in results)  # fmt: skip
