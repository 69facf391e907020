"""How far structures are from what is known, before the picks and after them; and which are nearly the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.features import Features
from mlipselect.report.space import Space, rows_at, sampled
from mlipselect.stores.joined import JoinedStores

#: Largest number of rows whose distances to core and picks are computed, and of rows of the core that are compared.
SAMPLE, MOST_KNOWN = 2048, 8192
#: Rows that near-duplicates are looked for of.
LOOKED_AT = 1024
#: Distances below which two structures are called nearly the same.
NEAR = (0.01, 0.03, 0.1)


@dataclass(frozen=True)
class Coverage:
    """Distances from some structures to the nearest that is known.

    A distance is the root mean square, over the features, of the difference between two structures, each feature in
    units of its standard deviation over core and pool.

    Attributes
    ----------
    before : ndarray of shape (s,) or None
        To the nearest structure of the core; None without a core.
    after : ndarray of shape (s,)
        To the nearest of core and picks.
    """

    before: NDArray[np.float64] | None
    after: NDArray[np.float64]


@dataclass(frozen=True)
class Nearness:
    """How many candidates have another one close by.

    Attributes
    ----------
    looked_at : int
        Number of candidates that were looked at, at equal steps.
    counts : tuple of int
        How many of these have another candidate within each distance of `NEAR`, at least.
    pairs : list of (int, int, float)
        The closest pairs of different candidates, each with its distance, the closest first.
    """

    looked_at: int
    counts: tuple[int, ...]
    pairs: list[tuple[int, int, float]]


def coverage_of(space: Space, rows: NDArray[Any], core: Features | None, picks: NDArray[Any]) -> Coverage:
    """Find the distances from rows to core and picks.

    Parameters
    ----------
    space : Space
        Has the scales of the features.
    rows : ndarray of shape (s, d)
        Rows of the structures.
    core : Features, optional
        The core, of which at most 8192 rows at equal steps are looked at.
    picks : ndarray of shape (n, d)
        Rows of the picks.
    """
    there, chosen = (part.astype(np.float64) * space.scales for part in (rows, picks))
    after = _nearest(there, chosen)
    if core is None or not len(core):
        return Coverage(None, after)
    known = core.per_structure[sampled(len(core), MOST_KNOWN)].astype(np.float64) * space.scales
    before = _nearest(there, known)
    return Coverage(before, np.minimum(before, after))


def _nearest(rows: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each row to the nearest centre."""
    found = np.empty(len(rows))
    half = np.einsum("ij,ij->i", centres, centres)
    for first in range(0, len(rows), 512):
        block = rows[first : first + 512]
        nearest = (half - 2.0 * block @ centres.T).argmin(axis=1)
        # From the difference, not from squares: what lies nearly on top of each other would be rounding.
        found[first : first + 512] = np.sqrt(np.mean((block - centres[nearest]) ** 2, axis=1))
    return found


def nearness_of(space: Space, components: NDArray[np.float32], features: Features | JoinedStores) -> Nearness:
    """Look for candidates that are nearly the same.

    The nearest candidate of each is looked for in the leading components, and its distance is then computed from all
    features. So every near-duplicate that is counted is one, and some may be missed.

    Parameters
    ----------
    space : Space
        The components, and the scales of the features.
    components : ndarray of shape (n, k)
        Components of all rows.
    features : Features or JoinedStores
        The rows.
    """
    looked = sampled(len(components), LOOKED_AT)
    if len(components) < 2:
        return Nearness(len(looked), tuple(0 for _ in NEAR), [])
    best = np.full(len(looked), np.inf, dtype=np.float32)
    other = np.zeros(len(looked), dtype=np.int64)
    own = components[looked]
    for first in range(0, len(components), 8192):
        block = components[first : first + 8192]
        squares = np.einsum("ij,ij->i", block, block)[None, :] - 2.0 * own @ block.T
        inside = np.flatnonzero((looked >= first) & (looked < first + len(block)))
        squares[inside, looked[inside] - first] = np.inf
        places = squares.argmin(axis=1)
        values = squares[np.arange(len(looked)), places]
        is_better = values < best
        best[is_better], other[is_better] = values[is_better], places[is_better] + first
    needed, inverse = np.unique(np.concatenate([looked, other]), return_inverse=True)
    rows = rows_at(features, needed)[inverse].astype(np.float64) * space.scales
    distances = np.sqrt(np.mean((rows[: len(looked)] - rows[len(looked) :]) ** 2, axis=1))
    order = np.argsort(distances, kind="stable")
    pairs: dict[tuple[int, int], float] = {}
    for k in order.tolist():
        a, b = sorted((int(looked[k]), int(other[k])))
        pairs.setdefault((a, b), float(distances[k]))
    return Nearness(
        len(looked),
        tuple(int((distances <= near).sum()) for near in NEAR),
        [(a, b, distance) for (a, b), distance in list(pairs.items())[:10]],
    )
