"""Errors of refitted potentials against the number of calculations, by how the structures were found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from benches.hal.schemes import SCHEMES, fit
from benches.hal.systems import SYSTEMS, System

import mlipselect as ms
from mlipselect.report.table import text_table

#: Distance in typical differences (see `MinDistance`) below which a pick is a near-duplicate of an earlier one.
NEAR = 0.3


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
    rows = system.descriptor.structure_features(list(picks)) / spread if len(picks) else np.empty((0, len(spread)))
    return sum(bool((np.sqrt(((rows[:k] - rows[k]) ** 2).mean(axis=1)) < NEAR).any()) for k in range(1, len(rows)))


def run(name: str, seeds: int, numbers: Sequence[int], output: Path) -> str:
    """Run every scheme with every seed, and return a table of the medians."""
    rows, lines = [], ["system,scheme,seed,calculations,energy,force,near,steps,fits,found"]
    results: dict[tuple[str, int], list[list[float]]] = {}
    for seed in range(seeds):
        system = SYSTEMS[name](seed)
        before = errors(fit(system, system.core), system.test)
        results.setdefault(("the core alone", 0), []).append([*before, 0, 0, 0, 0])
        for scheme, find in SCHEMES.items():
            for n in numbers:
                if scheme.startswith("10-shot") and n <= 10:
                    continue
                found = find(system, n, seed)
                own = errors(fit(system, [*system.core, *found.picks]), system.test)
                count = len(found.picks)
                told = [*own, near_duplicates(system, found.picks), found.steps, found.fits, count]
                results.setdefault((scheme, n), []).append(told)
                lines.append(",".join(map(str, [name, scheme, seed, n, *told])))
                (output / f"{name}.csv").write_text("\n".join(lines) + "\n")
    for (scheme, n), values in results.items():
        of_scheme = np.array(values, dtype=float)
        middle, low, high = np.median(of_scheme, axis=0), of_scheme.min(axis=0), of_scheme.max(axis=0)
        rows.append([
            scheme, str(n), f"{middle[0]:.2f} ({low[0]:.2f} to {high[0]:.2f})", f"{middle[1]:.3f}",
            f"{middle[5]:.0f}", f"{middle[2]:.0f}", f"{middle[3]:.0f}", f"{middle[4]:.0f}",
        ])  # fmt: skip
    header = ["structures by", "n", "energy, meV/atom", "force, eV/Å", "found", "near-duplicates", "steps", "fits"]
    return text_table(header, rows, left=[0])
