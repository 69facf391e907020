"""Farthest point sampling as it is defined: every distance, before every pick."""

from __future__ import annotations

import numpy as np

#: Candidates within this fraction of the best count as tied with it.
TIE = 1e-12


def points(pool: np.ndarray, core: np.ndarray | None, metric: str, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the float64 points, of pool and core, that distances are measured between."""
    core = np.empty((0, pool.shape[1])) if core is None else core
    pool, core = pool.astype(np.float64), core.astype(np.float64)
    if scale == "standard":
        both = np.vstack([pool, core])
        deviation = both.std(axis=0)
        # Of a constant column, what rounding leaves is no deviation.
        constant = np.ptp(both, axis=0) == 0.0
        deviation[constant] = 1.0
        pool, core = pool / deviation, core / deviation
    if metric == "cosine":
        pool, core = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (pool, core))
    return pool, core


def distances(rows: np.ndarray, point: np.ndarray, metric: str) -> np.ndarray:
    """Distance of every row from one point; of unit vectors for the cosine."""
    squares = ((rows - point) ** 2).sum(axis=1)
    return squares / 2 if metric == "cosine" else np.sqrt(squares)


def scores_along(
    picks: np.ndarray, pool: np.ndarray, core: np.ndarray | None = None, *, metric: str, scale: str
) -> np.ndarray:
    """Distance of every candidate from core and picks before each of the picks, -inf for those taken.

    Without a core, the first row is the distance from the mean.
    """
    rows, known = points(pool, core, metric, scale)
    nearest = np.full(len(rows), np.inf)
    for point in known:
        nearest = np.minimum(nearest, distances(rows, point, metric))
    out = []
    for k, pick in enumerate(picks):
        row = nearest.copy()
        if k == 0 and len(known) == 0:
            mean = rows[0] + (rows - rows[0]).mean(axis=0)
            row = np.sqrt(((rows - mean) ** 2).sum(axis=1))
        row[picks[:k]] = -np.inf
        out.append(row)
        nearest = np.minimum(nearest, distances(rows, rows[pick], metric))
    return np.array(out)


def greedy(
    n: int, pool: np.ndarray, core: np.ndarray | None = None, *, metric: str = "euclidean", scale: str = "standard"
) -> tuple[np.ndarray, np.ndarray]:
    """Give picks and their distances, infinite for the first one where there is no core."""
    picks: list[int] = []
    scores: list[float] = []
    for _ in range(n):
        row = scores_along(np.array([*picks, 0]), pool, core, metric=metric, scale=scale)[-1]
        row[picks] = -np.inf
        best = row.max()
        pick = int(np.flatnonzero(row >= best - TIE * abs(best))[0])
        scores.append(np.inf if not picks and core is None else float(row[pick]))
        picks.append(pick)
    return np.array(picks), np.array(scores)
