"""Variances by orthogonal factorisation: no inverse and no update, accurate where the precision is ill conditioned."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular


def precision_factor(*rows: np.ndarray) -> np.ndarray:
    """Upper triangular R with ``R^T R`` the sum of ``A^T A`` over blocks of rows A."""
    return np.linalg.qr(np.vstack(rows), mode="r")


def variances(X: np.ndarray, R: np.ndarray) -> np.ndarray:
    """``x^T (R^T R)^-1 x = |R^-T x|^2`` for every row x of `X`."""
    return np.square(solve_triangular(R, X.T, trans="T")).sum(axis=0)


def energy_scores_along(picks: np.ndarray, X: np.ndarray, alpha: float, core: np.ndarray) -> np.ndarray:
    """Variance of every candidate before each of the given picks, -inf for those taken; shape (picks, n).

    The prior precision is ``alpha I``, the noise has precision one. The weights are rotated and scaled first such that
    core and prior together have the precision I and only as many weights are left as there are candidates; that leaves
    all variances as they are.
    """
    start = precision_factor(np.sqrt(alpha) * np.eye(X.shape[1]), core)
    Z = np.linalg.qr(solve_triangular(start, X.T, trans="T"), mode="r").T
    identity = np.eye(Z.shape[1])
    scores = np.array([variances(Z, precision_factor(identity, Z[picks[:k]])) for k in range(len(picks))])
    for k in range(len(picks)):
        scores[k, picks[:k]] = -np.inf
    return scores
