"""The space that structures are shown in: the leading whitened components of features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.features import Features
from mlipselect.selectors.windowed import column_moments
from mlipselect.stores.joined import JoinedStores

#: Largest number of rows that axes are found from.
SAMPLE = 8192
#: Number of components that distances are estimated from.
COMPONENTS = 32
#: Rows with more features than this are projected before their leading directions are found.
LONG = 1000
_ROWS = 16384


@dataclass(frozen=True)
class Space:
    """Leading principal components of features that are divided by their standard deviations.

    Attributes
    ----------
    scales : ndarray of shape (d,)
        Inverse standard deviations of the features; 0 for a feature that does not vary.
    centre : ndarray of shape (d,)
        Mean of the features.
    axes : ndarray of shape (d, k)
        Orthonormal directions of largest variance of the divided features, the largest first.
    spreads : ndarray of shape (k,)
        Standard deviations along them.
    total : float
        Variance of the divided features in all directions.
    """

    scales: NDArray[np.float64]
    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    spreads: NDArray[np.float64]
    total: float

    def components(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Return the components of rows, not whitened, shape (n, k)."""
        found: NDArray[np.float64] = rows @ (self.scales[:, None] * self.axes) - (self.centre * self.scales) @ self.axes
        return found

    def whitened(self, components: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Divide the first two components by their standard deviations."""
        spreads = np.where(self.spreads[:2] > 0.0, self.spreads[:2], 1.0)
        found: NDArray[np.float64] = components[:, :2] / spreads
        return found

    @property
    def shares(self) -> tuple[float, float]:
        """Shares of the variance that the two axes of the map have."""
        first, second = (float(spread) ** 2 / (self.total or 1.0) for spread in self.spreads[:2])
        return first, second


def sampled(n: int, most: int) -> NDArray[np.int64]:
    """Return at most so many of `n` indices, at equal steps."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)


def rows_at(features: Features | JoinedStores, indices: NDArray[np.int64]) -> NDArray[Any]:
    """Read some rows."""
    return features.take(indices) if isinstance(features, JoinedStores) else features.per_structure[indices]


def row_blocks(features: Features | JoinedStores) -> Iterator[NDArray[Any]]:
    """Go through all rows, a block at a time."""
    if isinstance(features, JoinedStores):
        yield from (block for _, block in features.blocks())
        return
    for first in range(0, len(features), _ROWS):
        yield features.per_structure[first : first + _ROWS]


def find_space(pool: Features | JoinedStores, core: Features | None) -> Space:
    """Find the axes that pool and core together vary most along.

    Parameters
    ----------
    pool : Features or JoinedStores
        The pool, of which at most 8192 rows at equal steps are looked at.
    core : Features, optional
        The core.
    """
    rows = rows_at(pool, sampled(len(pool), SAMPLE))
    known = None if core is None or not len(core) else core.per_structure
    moments = column_moments(rows, known)
    scales = np.where(moments.varies, moments.scales, 0.0)
    parts = [rows] if known is None else [rows, known[sampled(len(known), SAMPLE)]]
    both = np.concatenate([part.astype(np.float64) for part in parts])
    centre = both.mean(axis=0)
    both = (both - centre) * scales
    total = float(np.einsum("ij,ij->", both, both)) / len(both)
    axes, spreads = _leading(both)
    k = len(spreads)
    # A direction has no sign of its own: the largest entry is positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(k)])
    if k == 1:
        axes, spreads = np.column_stack([axes, np.zeros(len(axes))]), np.append(spreads, 0.0)
    return Space(scales, centre, axes, spreads, total)


def _leading(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the leading principal directions of centred rows, and the standard deviations along them.

    Long rows are first projected on a subspace that holds the leading directions, by four power iterations from a
    random one: N. Halko, P.-G. Martinsson, J. A. Tropp, SIAM Rev. 53, 217 (2011), algorithm 4.4.
    """
    k = max(min(COMPONENTS, rows.shape[1]), 1)
    basis = None
    if rows.shape[1] > LONG:
        basis = np.linalg.qr(rows.T @ np.random.default_rng(0).normal(size=(len(rows), 2 * k)))[0]
        for _ in range(4):
            basis = np.linalg.qr(rows.T @ (rows @ basis))[0]
    seen = rows if basis is None else rows @ basis
    variances, directions = np.linalg.eigh(seen.T @ seen / len(rows))
    axes = directions[:, ::-1][:, :k]
    return axes if basis is None else basis @ axes, np.sqrt(np.maximum(variances[::-1][:k], 0.0))


def all_components(space: Space, features: Features | JoinedStores) -> NDArray[np.float32]:
    """Return the components of all rows, shape (n, k), read a block at a time."""
    out = np.empty((len(features), space.axes.shape[1]), dtype=np.float32)
    first = 0
    for block in row_blocks(features):
        out[first : first + len(block)] = space.components(block)
        first += len(block)
    return out
