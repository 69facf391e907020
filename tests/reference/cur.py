"""Leverage and draws as they are defined: a singular value decomposition, and every sequence of draws."""

from __future__ import annotations

import itertools

import numpy as np

#: Share of the squares that the default rank holds.
EFFECTIVE = 0.999


def stacked(pool: np.ndarray, core: np.ndarray | None, scale: str = "none") -> np.ndarray:
    """Give all rows in float64, divided by the deviation of each column where asked for."""
    rows = pool.astype(np.float64)
    if core is not None:
        rows = np.vstack([rows, core.astype(np.float64)])
    if scale == "standard":
        constant = np.ptp(rows, axis=0) == 0.0
        rows = rows / np.where(constant, 1.0, rows.std(axis=0))
    return rows


def leverage(
    pool: np.ndarray,
    core: np.ndarray | None = None,
    *,
    rank: int | None = None,
    ridge: float | None = None,
    offsets: np.ndarray | None = None,
    scale: str = "none",
) -> tuple[np.ndarray, int]:
    """Give the leverage of every row of the pool, or its sum over each group, and the number of directions."""
    rows = stacked(pool, core, scale)
    U, s, _ = np.linalg.svd(rows, full_matrices=False)
    numerical = int((s > max(rows.shape) * np.finfo(float).eps * s[0]).sum())
    weights = np.ones(numerical)
    if ridge is not None:
        weights = s[:numerical] ** 2 / (s[:numerical] ** 2 + ridge * (rows**2).mean())
    elif rank is not None:
        weights = np.ones(rank)
    elif s[0] == 0.0:
        weights = np.ones(0)
    else:
        weights = np.ones(1 + int((np.cumsum(s**2) < EFFECTIVE * (s**2).sum()).sum()))
    values = (U[: len(pool), : len(weights)] ** 2 * weights).sum(axis=1)
    if offsets is not None:
        values = np.array([values[a:b].sum() for a, b in itertools.pairwise(offsets)])
    return values, len(weights)


def inclusion(weights: np.ndarray, n: int) -> np.ndarray:
    """Give the probability of each to be among `n` drawn one after the other, by going through every sequence."""
    out = np.zeros(len(weights))
    for sequence in itertools.permutations(range(len(weights)), n):
        left, probability = weights.sum(), 1.0
        for index in sequence:
            probability *= weights[index] / left
            left -= weights[index]
        out[list(sequence)] += probability
    return out
