"""k-medoids by trying everything: the objective, BUILD, and the best that one swap can do."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist


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
    return cdist(rows, rows), cdist(rows, known).min(axis=1, initial=np.inf)


def loss(between: np.ndarray, to_core: np.ndarray, medoids: np.ndarray) -> float:
    """Sum over the pool of the distance to the nearest medoid or row of the core."""
    return float(np.minimum(between[:, medoids].min(axis=1), to_core).sum())


def build(between: np.ndarray, to_core: np.ndarray, n: int) -> list[int]:
    """Choose each medoid in turn as the row with the lowest loss beside those chosen so far (Kaufman, Rousseeuw)."""
    medoids: list[int] = []
    for _ in range(n):
        charges = np.minimum(between[:, medoids].min(axis=1, initial=np.inf), to_core)
        losses = np.minimum(between, charges[:, None]).sum(axis=0)
        losses[medoids] = np.inf
        medoids.append(int(losses.argmin()))
    return medoids


def best_swap(between: np.ndarray, to_core: np.ndarray, medoids: np.ndarray) -> float:
    """Return the lowest loss that replacing one medoid by another row leads to."""
    best = np.inf
    others = np.setdiff1d(np.arange(len(between)), medoids)
    for position in range(len(medoids)):
        left = np.delete(medoids, position)
        charges = np.minimum(between[:, left].min(axis=1, initial=np.inf), to_core)
        losses = np.minimum(between[:, others], charges[:, None]).sum(axis=0)
        best = min(best, losses.min(initial=np.inf))
    return float(best)
