"""The objective of k-medoids, and the best that one swap can do to it, by trying everything."""

from __future__ import annotations

import numpy as np


def distances(X: np.ndarray, core: np.ndarray | None, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Return distances of the pool to itself, and of the pool to the nearest row of the core (infinite without one)."""
    rows = X.astype(np.float64)
    known = np.empty((0, X.shape[1])) if core is None else core.astype(np.float64)
    if scale == "standard":
        everything = np.vstack([rows, known])
        deviation = everything.std(axis=0)
        constant = deviation <= 1e-7 * np.abs(everything).max(axis=0)
        factor = np.where(constant, 1.0, 1.0 / np.where(constant, 1.0, deviation))
        rows, known = rows * factor, known * factor
    between = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=2))
    to_core = np.sqrt(((rows[:, None] - known[None]) ** 2).sum(axis=2))
    return between, to_core.min(axis=1, initial=np.inf)


def loss(between: np.ndarray, to_core: np.ndarray, medoids: np.ndarray) -> float:
    """Sum over the pool of the distance to the nearest medoid or row of the core."""
    return float(np.minimum(between[:, medoids].min(axis=1), to_core).sum())


def best_swap(between: np.ndarray, to_core: np.ndarray, medoids: np.ndarray) -> float:
    """Return the lowest loss that replacing one medoid by another row leads to."""
    others = np.setdiff1d(np.arange(len(between)), medoids)
    swapped = [
        loss(between, to_core, np.append(np.delete(medoids, position), other))
        for position in range(len(medoids))
        for other in others
    ]
    return min(swapped, default=np.inf)
