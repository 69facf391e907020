"""Expected errors against true ones: `python -m benches.quality.expected --data FOLDER`.

`select` says which error of energies a fit to core and picks is expected to have. Here that is compared with the true
error over the rest of the pool. The scale is found from the energies of what is labelled; true is then the error of the
linear ACE of the benchmark beside this one, which weighs energies by 30 and forces by 1. Or the scale is found from a
`LinearPotential` that is fitted to what is labelled; true is then the error of such a potential, fitted to the picks
too. Labelled are the core alone, or the core and the first 20 or 50 picks: the rounds of a project.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

# Matrices are small: threads of the linear algebra library wait for each other longer than they work.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from benches.quality.learners import FITTED_DEGREE, LinearACE
from benches.quality.systems import System, find_systems

import mlipselect as ms
from mlipselect.models import prediction_errors

LABELLED, FURTHER = (0, 20, 50), (0, 5, 10, 20, 50, 100)

Found = dict[tuple[str, int, str, int], list[tuple[float, float]]]
"""Expected and true errors in eV per atom, by system, labelled picks, source of the scale and further picks."""


class Truth:
    """Errors of the linear ACE of the benchmark over the structures of a pool that are not picked."""

    def __init__(self, system: System):
        self._learner, self._sizes = LinearACE(system), [len(atoms) for atoms in system.pool]

    def error(self, picks: Sequence[int]) -> float:
        """Fit to the core and picks; return the root mean square error of energies in eV per atom."""
        wrong = self._learner.residuals(picks)
        left = np.setdiff1d(np.arange(len(self._sizes)), picks)
        return float(np.sqrt(np.mean([(wrong[k][0] / self._sizes[k]) ** 2 for k in left])))


class Refits:
    """Errors of a potential that is fitted anew, over the structures of a pool that are not picked."""

    def __init__(self, system: System):
        self._system = system

    def potential(self, picks: Sequence[int]) -> ms.LinearPotential:
        """Fit to the core and picks, noises by the evidence."""
        elements, pool = self._system.elements, self._system.pool
        ace = ms.ACE(elements, totaldegree=FITTED_DEGREE.get(len(elements), 5))
        return ms.LinearPotential(ace, n_threads=1).fit([*self._system.core, *(pool[k] for k in picks)])

    def error(self, picks: Sequence[int]) -> float:
        """Fit to the core and picks; return the root mean square error of energies in eV per atom."""
        left = [self._system.pool[k] for k in np.setdiff1d(np.arange(len(self._system.pool)), picks)]
        return prediction_errors(self.potential(picks), left).energy


def measure(system: System, split: int, found: Found) -> None:
    """Compare expected and true errors on a split of a system."""
    part = system.split(split)
    truths = {"energies": Truth(part), "potential": Refits(part)}
    how = {"progress": False, "n_threads": 1}
    counts = [count for count in LABELLED if count + 1 < len(part.pool)]
    order = ms.select(part.pool, max(1, *counts), part.core, **how).indices.tolist()
    for count in counts:
        known, left = order[:count], np.setdiff1d(np.arange(len(part.pool)), order[:count])
        labelled, pool = [*part.core, *(part.pool[k] for k in known)], [part.pool[k] for k in left]
        n = min(max(FURTHER), len(pool) - 1)
        potential = truths["potential"].potential(known).calibrate(labelled)
        made = {
            "energies": ms.select(pool, n, labelled, energy_key="energy", **how),
            "potential": ms.select(pool, n, potential=potential, **how),
        }
        for source, selection in made.items():
            picks = left[selection.indices].tolist()
            for n in FURTHER:
                if n < len(selection.expected_error.curve):
                    pair = float(selection.expected_error.curve[n]), truths[source].error([*known, *picks[:n]])
                    found.setdefault((system.name, count, source, n), []).append(pair)
        print(f"{part.name}: {count} picks labelled", file=sys.stderr, flush=True)


def markdown(found: Mapping[tuple[str, int, str, int], Sequence[tuple[float, float]]]) -> str:
    """Return the table of geometric means over splits, and how far expectations are off."""
    header = ["system", "labelled", "scale", *(f"{n} more" for n in FURTHER)]
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for system, count, source in dict.fromkeys(key[:3] for key in found):
        cells = []
        for n in FURTHER:
            pairs = found.get((system, count, source, n))
            expected, true = (np.nan, np.nan) if pairs is None else 1e3 * np.exp(np.mean(np.log(pairs), axis=0))
            cells.append("" if pairs is None else f"{expected:.3g} / {true:.3g} ({expected / true:.2g})")
        labelled = "core" if count == 0 else f"core + {count}"
        lines.append(f"| {system} | {labelled} | {source} | " + " | ".join(cells) + " |")
    lines += ["", "Expected / true error in meV per atom (ratio), by the number of further picks."]
    for source in ("energies", "potential"):
        for count in LABELLED:
            off = [np.log(e / t) for key, pairs in found.items() if key[1:3] == (count, source) for e, t in pairs]
            within = np.mean(np.abs(off) < np.log(2.0))
            lines.append(
                f"{source}, {'core' if count == 0 else f'core + {count}'}: a typical factor of "
                f"{np.exp(np.median(np.abs(off))):.1f}, {100 * within:.0f} % within a factor of 2."
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compare, and write the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benches.quality.expected",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with systems, as of `benches.quality`")
    parser.add_argument("--systems", nargs="+", help="these systems only")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, help="file for the table")
    options = parser.parse_args()
    began = time.perf_counter()
    found: Found = {}
    for system in find_systems(options.data):
        if options.systems is None or system.name in options.systems:
            for split in range(options.splits):
                measure(system, split, found)
    text = markdown(found)
    if options.output is not None:
        options.output.write_text(text)
    print(f"{text}\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
