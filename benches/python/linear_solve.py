# ruff: noqa: E402
"""A linear ACE potential by orthogonal transformations and by normal equations, on the same rows.

    python benches/python/linear_solve.py [../shared/data/silicon]

The paper's potential (totaldegree 16), fitted to the core and every fourth structure of the pool. Both regressions have
the same prior and noise, those of the largest evidence. Normal equations square the condition number; what that costs
is told against a singular value decomposition of all rows, with the prior as rows below them.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
from time import perf_counter

import numpy as np
from benches.paper.fits import KEYS, paper_potential
from benches.paper.silicon import REFERENCE_ENERGIES, read_silicon
from scipy.linalg import cho_factor, cho_solve, lstsq

import mlipselect as ms
from mlipselect._core import LeastSquares
from mlipselect.features.design import iter_designs
from mlipselect.labels import read_labels


def weighted_rows(potential: ms.LinearPotential, structures: list) -> tuple[np.ndarray, np.ndarray]:
    """All weighted, scaled rows and targets, one below the other."""
    inverse = 1.0 / potential.descriptor.smoothness_prior(potential.prior_power)
    rows, targets = [], []
    designs = iter_designs(structures, potential.descriptor)
    for atoms, labels, design in zip(structures, read_labels(structures, KEYS), designs, strict=True):
        if labels.is_free_atom:
            continue
        root = len(atoms) ** 0.5
        energy = labels.energy - REFERENCE_ENERGIES["Si"] * len(atoms)
        parts = [(design.energy[None], [energy], potential.energy_weight / root)]
        if labels.forces is not None:
            parts.append((design.forces, labels.forces.ravel(), potential.forces_weight))
        if labels.virial is not None:
            parts.append((design.virial, labels.virial, potential.virial_weight / root))
        for block, known, weight in parts:
            rows.append(weight * block * inverse)
            targets.append(weight * np.asarray(known))
    return np.concatenate(rows), np.concatenate(targets)


def by_normal_equations(A: np.ndarray, y: np.ndarray, ratio: float) -> np.ndarray:
    """Scaled weights, for a prior precision that is so many times that of the noise."""
    return cho_solve(cho_factor(A.T @ A + ratio * np.eye(A.shape[1])), A.T @ y)


def seconds(work) -> tuple[float, object]:
    start = perf_counter()
    out = work()
    return perf_counter() - start, out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data/silicon"))
    arguments = parser.parse_args()
    data = read_silicon(arguments.data)
    structures = data.core + data.pool[::4]
    potential = paper_potential()
    A, y = weighted_rows(potential, structures)

    def orthogonal() -> ms.LinearPotential:
        rows = LeastSquares(A.shape[1])
        for start in range(0, len(A), 1000):
            rows.add(A[start : start + 1000], y[start : start + 1000], np.ones(len(A[start : start + 1000])))
        return potential.fit_rows(rows, REFERENCE_ENERGIES)

    time_qr, fitted = seconds(orthogonal)
    # Rows are weighted, so that their noise is that of forces, whose weight is 1.
    ratio = fitted.noise_["forces"] ** 2 / fitted.prior_variance_
    time_normal, weights = seconds(lambda: by_normal_equations(A, y, ratio))
    dim = A.shape[1]
    exact = lstsq(np.vstack([A, np.sqrt(ratio) * np.eye(dim)]), np.append(y, np.zeros(dim)), lapack_driver="gelsd")[0]
    scales = potential.descriptor.smoothness_prior(potential.prior_power)
    values = np.linalg.svd(A, compute_uv=False)
    print(f"{len(structures)} structures, {A.shape[0]} rows, {dim} columns")
    below = np.sqrt((values[0] ** 2 + ratio) / (values[-1] ** 2 + ratio))
    print(f"condition number of the rows {values[0] / values[-1]:.1e}, with the prior below them {below:.1e}")
    largest = np.abs(A @ exact).max()
    for name, found, time in (
        ("orthogonal", fitted.weights_ * scales, time_qr),
        ("normal equations", weights, time_normal),
    ):
        print(
            f"{name:>16}: {time:6.2f} s, weights off by {np.abs(found - exact).max() / np.abs(exact).max():.1e}, "
            f"predicted rows by {np.abs(A @ (found - exact)).max() / largest:.1e} of the largest"
        )


if __name__ == "__main__":
    main()
