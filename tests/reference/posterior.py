"""Bayesian selection by its definition: the covariance from the precision, every score, the largest, again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

TIE = 1e-12


POWERS = {"root": 0.5, "standard": 1.0, "none": 0.0}


def divisors(*matrices: np.ndarray, scale: str = "root") -> tuple[np.ndarray, np.ndarray]:
    """Return what columns are divided by, a power of their standard deviation, and which vary by more than rounding."""
    X = np.vstack([m.astype(np.float64) for m in matrices])
    deviations, squares = X.std(axis=0), (X**2).mean(axis=0)
    step = np.finfo(np.float32 if any(m.dtype == np.float32 for m in matrices) else np.float64).eps
    varies = deviations**2 > np.maximum((8 * step) ** 2 * squares, (1024 * np.finfo(float).eps) ** 2 * squares.mean())
    if not varies.any():
        return np.ones(X.shape[1]), varies
    return np.where(varies, deviations, deviations[varies].max()) ** POWERS[scale], varies


def prior_precision(ridge: float, *matrices: np.ndarray, scale: str = "root") -> np.ndarray:
    """Precisions of the weights at unit noise: ``ridge`` times the mean square of the divided columns that vary.

    That is for divided columns; a weight of a column as it is has the square of the divisor in addition.
    """
    X = np.vstack([m.astype(np.float64) for m in matrices])
    by, varies = divisors(*matrices, scale=scale)
    counted = varies if varies.any() and scale != "none" else np.ones(X.shape[1], dtype=bool)
    return ridge * (((X / by) ** 2)[:, counted].mean() or 1.0) * by**2


def covariance(prior: np.ndarray, beta: float, rows: np.ndarray) -> np.ndarray:
    """``(Sigma_0^-1 + beta Psi^T Psi)^-1``."""
    rows = rows.astype(np.float64)
    return np.linalg.inv(prior + beta * rows.T @ rows)


def energy(sigma: np.ndarray, beta: float, X: np.ndarray, **_: object) -> np.ndarray:
    """``x^T Sigma x``."""
    return np.einsum("ij,jk,ik->i", X, sigma, X)


def logdet(sigma: np.ndarray, beta: float, X: np.ndarray, groups: list[np.ndarray], **_: object) -> np.ndarray:
    """``ln det(I + beta R Sigma R^T)``."""
    return np.array([np.linalg.slogdet(np.eye(len(R)) + beta * R @ sigma @ R.T)[1] for R in groups])


def pool_variance(sigma: np.ndarray, beta: float, X: np.ndarray, target: np.ndarray, **_: object) -> np.ndarray:
    """Drop of the mean variance over the target, as a difference of two means."""
    before = np.einsum("ij,jk,ik->i", target, sigma, target).mean()
    return np.array([before - energy(observe(sigma, beta, x[None]), beta, target).mean() for x in X])


def pool_std(sigma: np.ndarray, beta: float, X: np.ndarray, target: np.ndarray, **_: object) -> np.ndarray:
    """Drop of the mean standard deviation over the target, as a difference of two means."""

    def mean_std(s: np.ndarray) -> float:
        return float(np.sqrt(np.maximum(energy(s, beta, target), 0.0)).mean())

    return np.array([mean_std(sigma) - mean_std(observe(sigma, beta, x[None])) for x in X])


SCORES: dict[str, Callable[..., np.ndarray]] = {
    "energy": energy,
    "logdet": logdet,
    "pool_variance": pool_variance,
    "pool_std": pool_std,
}


def observe(sigma: np.ndarray, beta: float, rows: np.ndarray) -> np.ndarray:
    """Rank-m update of the covariance."""
    W = sigma @ rows.T
    return sigma - W @ np.linalg.solve(np.eye(len(rows)) / beta + rows @ W, W.T)


def scores_along(
    picks: np.ndarray,
    X: np.ndarray,
    prior: np.ndarray,
    *,
    core: np.ndarray | None = None,
    score: str = "energy",
    groups: list[np.ndarray] | None = None,
    target: np.ndarray | None = None,
    beta: float = 1.0,
) -> np.ndarray:
    """Score of every candidate before each of the given picks, with -inf for those taken; shape (picks, n)."""
    X = X.astype(np.float64)
    observed = [x[None] for x in X] if groups is None else [g.astype(np.float64) for g in groups]
    known = np.empty((0, X.shape[1])) if core is None else core.astype(np.float64)
    out = np.empty((len(picks), len(X)))
    for k, pick in enumerate(picks):
        sigma = covariance(prior, beta, known)
        out[k] = SCORES[score](sigma, beta, X, groups=observed, target=X if target is None else target)
        out[k, picks[:k]] = -np.inf
        known = np.vstack([known, observed[pick]])
    return out


def greedy(n: int, X: np.ndarray, prior: np.ndarray, **how: object) -> tuple[np.ndarray, np.ndarray]:
    """Return picks and their scores; `how` as in `scores_along`."""
    picks, values = np.empty(0, np.int64), []
    for _ in range(n):
        scores = scores_along(np.append(picks, 0), X, prior, **how)[-1]
        best = int(np.flatnonzero(scores >= scores.max() * (1.0 - TIE))[0])
        values.append(scores[best])
        picks = np.append(picks, best)
    return picks, np.array(values)
