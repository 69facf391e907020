# ruff: noqa: E402
"""Features of `ACE` against those of ACEpotentials.jl, where Julia is: they agree up to a sign for each column.

    python benches/python/julia_parity.py [--download]

For each of some models and structures, columns are matched by their values over all atoms, whatever their order, sign
and scale; what has no partner is counted. It has not been run yet: Julia could not be had where this was written.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse

import numpy as np
from ase.build import bulk
from scipy.optimize import linear_sum_assignment

import mlipselect as ms

MODELS = [
    {"elements": ["Si"], "order": 2, "totaldegree": 8, "rcut": 5.0},
    {"elements": ["Si"], "order": 3, "totaldegree": 12, "rcut": 5.0},
    {"elements": ["Si"], "order": 3, "totaldegree": 16, "rcut": 5.0},
    {"elements": ["O", "Si"], "order": 2, "totaldegree": 6, "rcut": 5.0},
]
AGREED = 1e-8


def structures(elements: list[str]) -> list:
    """Rattled crystals in which all elements occur."""
    rng = np.random.default_rng(0)
    out = []
    for seed in range(12):
        atoms = bulk("Si", cubic=True) * (2, 1, 1)
        atoms.symbols = rng.choice(elements, size=len(atoms))
        atoms.rattle(0.2, seed=seed)
        out.append(atoms)
    return out


def matched(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """For each of our columns, how far its direction is from that of its partner."""
    unit_ours, unit_theirs = (X / np.maximum(np.linalg.norm(X, axis=0), 1e-300) for X in (ours, theirs))
    away = 1.0 - np.abs(unit_ours.T @ unit_theirs)
    rows, columns = linear_sum_assignment(away)
    out = np.ones(ours.shape[1])
    out[rows] = away[rows, columns]
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--download", action="store_true", help="let Julia and its packages be downloaded")
    arguments = parser.parse_args()
    agreed = True
    for model in MODELS:
        pool = structures(model["elements"])
        julia = ms.JuliaACE(download=arguments.download, **model)
        ours = ms.ACE(**model).site_features(pool)
        theirs = np.concatenate([julia.features(atoms) for atoms in pool])
        away = matched(ours, theirs)
        alone = int((away > AGREED).sum())
        print(
            f"{model}: ours has {ours.shape[1]} columns, theirs {theirs.shape[1]}; {alone} of ours have none, the "
            f"others agree to {away[away <= AGREED].max(initial=0.0):.1e}"
        )
        agreed &= ours.shape == theirs.shape and bool((away <= AGREED).all())
        julia.close()
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
