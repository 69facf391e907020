"""Rows to select from."""

from __future__ import annotations

import numpy as np


def mixture(n: int, dim: int, rng: np.random.Generator, n_centres: int = 50) -> np.ndarray:
    """Rows from a Gaussian mixture whose features have a power-law spectrum in a random basis."""
    scales = 1.0 / np.arange(1, dim + 1)
    basis, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    centres = rng.standard_normal((n_centres, dim))
    out = np.empty((n, dim))
    for start in range(0, n, 10_000):
        stop = min(n, start + 10_000)
        noise = rng.standard_normal((stop - start, dim))
        out[start:stop] = ((centres[rng.integers(n_centres, size=stop - start)] + noise) * scales) @ basis.T
    return out
