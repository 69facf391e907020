# ruff: noqa: E402
"""Errors of linear ACE potentials by the weights of energies, forces and virials: the table of "Fit a potential".

    python benches/python/weights.py [--data ../shared/data]

Weights that are given, against noises that the evidence settles. Demo: core and 20 random slabs of `mlipselect demo`,
labelled by Tersoff's silicon, errors over the other slabs, the median of five draws. Systems with labels of density
functional theory: fitted to core and pool, errors on the test set. Then the same where one in twenty virials has
exploded: it is multiplied by 100.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms

import mlipselect as ms
from mlipselect.demo import silicon_core, silicon_pool
from mlipselect.demo.potentials import label
from mlipselect.labels import Labels, read_labels
from mlipselect.models import Errors, prediction_errors

WEIGHTS = {
    "30, 1, 30, as in the paper": (30.0, 1.0, 30.0),
    "30, 1, 1": (30.0, 1.0, 1.0),
    "30, 1, 0": (30.0, 1.0, 0.0),
    "none: noises by the evidence": (None, None, None),
}
DEGREES = {"Mo": 12, "NiMo": 7}
EXPLODED = 100.0


def errors(
    descriptor: Any, train: Sequence[Atoms], labels: Sequence[Labels], test: Sequence[Atoms], references: Any
) -> dict[str, Errors]:
    """Fit with all weights, and compare with the labels of the test set."""
    rows = ms.LinearPotential(descriptor, reference_energies=references)
    found = rows.references(train, labels)
    factors, out = rows.rows(train, labels, found), {}
    known = read_labels(test)
    for name, (energy, forces, virial) in WEIGHTS.items():
        potential = ms.LinearPotential(descriptor, energy_weight=energy, forces_weight=forces, virial_weight=virial)
        out[name] = prediction_errors(potential.fit_rows(factors, found), test, known)
    return out


def exploded(labels: Sequence[Labels]) -> list[Labels]:
    """Multiply every twentieth virial."""
    return [
        known if k % 20 or known.virial is None else dataclasses.replace(known, virial=EXPLODED * known.virial)
        for k, known in enumerate(labels)
    ]


def demo(is_exploded: bool) -> dict[str, Errors]:
    """Fit to the core and random slabs of the demo; return the medians over draws."""
    pool, core = label(silicon_pool()), label(silicon_core())
    draws = []
    for seed in range(5):
        picks = ms.RandomSelector(20, random_state=seed).fit(np.zeros((len(pool), 1))).selected_idx_.tolist()
        train = [*core, *(pool[k] for k in picks)]
        labels = exploded(read_labels(train)) if is_exploded else read_labels(train)
        test = [atoms for k, atoms in enumerate(pool) if k not in picks]
        draws.append(errors(ms.ACE(["Si"], totaldegree=12), train, labels, test, {"Si": 0.0}))
    return {name: Errors(*np.median([dataclasses.astuple(draw[name]) for draw in draws], axis=0)) for name in WEIGHTS}


def system(folder: Path, name: str, is_exploded: bool) -> dict[str, Errors]:
    """Fit to core and pool of a system."""
    core, pool, test = (list(ms.read(folder / f"{name}.{part}.xyz.gz")) for part in ("core", "pool", "test"))
    train = core + pool
    labels = exploded(read_labels(train)) if is_exploded else read_labels(train)
    elements = sorted({symbol for atoms in train for symbol in atoms.symbols})
    return errors(ms.ACE(elements, totaldegree=DEGREES[name]), train, labels, test, None)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with systems/")
    folder = parser.parse_args().data / "systems"
    print("| weights of energies, forces, virials | demo | " + " | ".join(DEGREES) + " |")
    print("|" + " --- |" * (2 + len(DEGREES)))
    for is_exploded in (False, True):
        columns = [demo(is_exploded), *(system(folder, name, is_exploded) for name in DEGREES)]
        for name in WEIGHTS:
            cells = [f"{1e3 * column[name].energy:.1f}, {column[name].forces:.2f}" for column in columns]
            suffix = "; one virial in 20 exploded" if is_exploded else ""
            print(f"| {name}{suffix} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
