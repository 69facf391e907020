"""Bayesian ridge regression by its definition: dense matrices, nothing clever."""

from __future__ import annotations

import numpy as np


def log_evidence(A: np.ndarray, y: np.ndarray, prior_variance: float, noise_variance: float) -> float:
    """Log density of ``y`` under ``N(0, prior A A^T + noise I)``."""
    covariance = prior_variance * A @ A.T + noise_variance * np.eye(len(y))
    return float(-0.5 * (y @ np.linalg.solve(covariance, y) + np.linalg.slogdet(2 * np.pi * covariance)[1]))


def posterior(
    A: np.ndarray, y: np.ndarray, prior_variance: float, noise_variance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the weights."""
    precision = A.T @ A / noise_variance + np.eye(A.shape[1]) / prior_variance
    return np.linalg.solve(precision, A.T @ y) / noise_variance, np.linalg.inv(precision)
