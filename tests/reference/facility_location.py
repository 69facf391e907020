"""Facility location as it is defined: every distance between two rows, before every pick."""

from __future__ import annotations

import numpy as np

from reference.fps import TIE, distances, points


def gains_along(
    picks: np.ndarray, pool: np.ndarray, core: np.ndarray | None = None, *, metric: str, scale: str
) -> np.ndarray:
    """Gain of every candidate before each of the picks, -inf for those taken.

    Without a core, the first row is minus the sum of the distances to each candidate.
    """
    rows, known = points(pool, core, metric, scale)
    between = np.array([distances(rows, row, metric) for row in rows])
    nearest = np.full(len(rows), np.inf)
    for point in known:
        nearest = np.minimum(nearest, distances(rows, point, metric))
    out = []
    for k, pick in enumerate(picks):
        bare = k == 0 and len(known) == 0
        row = -between.sum(axis=1) if bare else np.maximum(0.0, nearest - between).sum(axis=1)
        row[picks[:k]] = -np.inf
        out.append(row)
        nearest = np.minimum(nearest, between[pick])
    return np.array(out)


def loss(picks: np.ndarray, pool: np.ndarray, core: np.ndarray | None = None, *, metric: str, scale: str) -> float:
    """Sum over the pool of the distance to the nearest of core and picks."""
    rows, known = points(pool, core, metric, scale)
    return float(np.min([distances(rows, point, metric) for point in [*known, *rows[picks]]], axis=0).sum())


def greedy(
    n: int, pool: np.ndarray, core: np.ndarray | None = None, *, metric: str = "euclidean", scale: str = "standard"
) -> tuple[np.ndarray, np.ndarray]:
    """Give picks and their gains, infinite for the first one where there is no core."""
    picks: list[int] = []
    gains: list[float] = []
    for _ in range(n):
        row = gains_along(np.array([*picks, 0]), pool, core, metric=metric, scale=scale)[-1]
        row[picks] = -np.inf
        best = row.max()
        pick = int(np.flatnonzero(row >= best - TIE * abs(best))[0])
        gains.append(np.inf if not picks and core is None else float(row[pick]))
        picks.append(pick)
    return np.array(picks), np.array(gains)
