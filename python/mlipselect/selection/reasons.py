"""One sentence for each pick: what it was chosen for, where it lies, and what it covers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.descriptors.base import HasFeatureGroups
from mlipselect.features import Features
from mlipselect.selectors import Selector
from mlipselect.selectors.windowed import column_moments
from mlipselect.stores.joined import JoinedStores
from mlipselect.utils.told import counted
from mlipselect.utils.told_apart import short_places

#: Largest number of rows of the pool that are looked at.
SAMPLE = 4096
#: Beginning of the names of columns of element fractions.
SHARE = "the share of"
#: Largest number of products of entries that the nearest of core and picks may take.
PRODUCTS = 1e9


@dataclass(frozen=True)
class Surroundings:
    """Where picks lie among core and pool.

    Distances are root mean squares, over the features, of the differences between two structures, each in units of the
    standard deviation of that feature over core and pool, as for `MinDistance`.

    Attributes
    ----------
    nearest : ndarray of int64, shape (n,)
        Row of the core that is nearest to each pick; empty without a core.
    distances : ndarray of shape (n,)
        Its distance.
    groups : list of str
        The group of features in which the two differ most, with the root mean square difference in it.
    covered : ndarray of int64, shape (n,)
        Number of other structures of the sample to which each pick is nearest, of core and picks.
    sampled : int
        Size of the sample of the pool.
    """

    nearest: NDArray[np.int64]
    distances: NDArray[np.float64]
    groups: list[str]
    covered: NDArray[np.int64]
    sampled: int


def reasons(
    selector: Selector,
    pool: Features | JoinedStores,
    core: Features | None,
    descriptor: Any,
    place: Callable[[int], str],
    files: Sequence[str] = (),
    *,
    is_limited: bool = False,
    is_whole: bool = True,
) -> list[str]:
    """Say for each pick what it was chosen for, where it lies, and what it covers.

    Parameters
    ----------
    selector : Selector
        The selector, fitted to the pool.
    pool : Features or JoinedStores
        The pool, of which at most 4096 rows at equal steps are looked at.
    core : Features, optional
        The core.
    descriptor : object
        The descriptor, whose features may have names.
    place : callable
        Names the structure of a row of the core.
    files : sequence of str, optional
        Files of the core, whose names are shortened to what tells them apart.
    is_limited : bool, default=False
        Whether picks had to meet limits.
    is_whole : bool, default=True
        Whether the pool is all that picks were made from; else nothing is said of what they cover.
    """
    picks = selector.selected_idx_
    if not len(picks):
        return []
    sample = sampled_rows(len(pool), 0 if core is None else len(core), len(picks), pool.shape[1])
    rows = _rows(pool, sample)
    found = surroundings(_rows(pool, picks), picks, rows, sample, core, feature_groups(pool, descriptor))
    places = short_places([place(int(row)) for row in found.nearest], files)
    purposes = selector.purposes(rows)
    limited = ", of those that meet the limits" if is_limited else ""
    out = []
    for k, purpose in enumerate(purposes):
        parts = [purpose + limited]
        if core is not None and len(core):
            parts.append(_lies(float(found.distances[k]), places[k], found.groups[k]))
        if is_whole:
            parts.append(_covers(int(found.covered[k]), len(sample), len(pool), with_core=core is not None))
        out.append("; ".join(parts))
    return out


def _lies(distance: float, place: str, group: str) -> str:
    """Say where the nearest structure of the core is."""
    if distance == 0.0:
        return f"has the features of {place} of the core"
    return f"nearest in the core: {place}, at the distance {distance:.2g}, differing most in {group}"


def _covers(count: int, sampled: int, n_pool: int, *, with_core: bool) -> str:
    """Say to how many structures a pick is nearest."""
    who = "nearest of core and picks to" if with_core else "nearest of the picks to"
    if sampled == n_pool:
        return f"{who} {count} of {counted(n_pool - 1, 'other candidate')}"
    return f"{who} about {100.0 * count / sampled:.2g} % of the candidates"


def sampled_rows(n_pool: int, n_core: int, n_picks: int, width: int) -> NDArray[np.int64]:
    """Return the rows of a pool to look at, at equal steps: all of a small pool."""
    most = min(SAMPLE, max(64, int(PRODUCTS / (max(n_core + n_picks, 1) * max(width, 1)))))
    return np.arange(n_pool) if n_pool <= most else np.linspace(0, n_pool - 1, most).astype(np.int64)


def surroundings(
    chosen: NDArray[Any],
    picks: NDArray[np.int64],
    rows: NDArray[Any],
    sample: NDArray[np.int64],
    core: Features | None,
    groups: Sequence[tuple[str, slice]],
) -> Surroundings:
    """Find where picks lie.

    Parameters
    ----------
    chosen : ndarray of shape (n, d)
        The rows of the picks.
    picks : ndarray of int64
        Their indices in the pool.
    rows : ndarray of shape (s, d)
        Rows of a sample of the pool.
    sample : ndarray of int64
        Their indices in the pool.
    core : Features, optional
        The core.
    groups : sequence of (str, slice)
        Groups of features and their names.
    """
    known = np.empty((0, rows.shape[1]), rows.dtype) if core is None else core.per_structure
    moments = column_moments(rows, known if len(known) else None)
    # A column that does not vary tells no structures apart.
    scales = np.where(moments.varies, moments.scales, 0.0)
    own, others, there = (part.astype(np.float64) * scales for part in (chosen, known, rows))
    owner = _nearest(there, np.concatenate([others, own])) - len(others)
    elsewhere = (owner >= 0) & (sample != picks[np.maximum(owner, 0)])
    covered = np.bincount(owner[elsewhere], minlength=len(picks))
    if not len(others):
        empty = np.empty(0)
        return Surroundings(empty.astype(np.int64), empty, [], covered, len(sample))
    nearest = _nearest(own, others)
    apart = own - others[nearest]
    named = _largest(apart, chosen, known[nearest], groups)
    return Surroundings(nearest, np.sqrt((apart**2).mean(axis=1)), named, covered, len(sample))


def _nearest(rows: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the nearest centre of each row; of equal distances, the first."""
    centre = centres.mean(axis=0)
    rows, centres = rows - centre, centres - centre
    half = 0.5 * np.einsum("ij,ij->i", centres, centres)
    parts = [np.argmin(half - block @ centres.T, axis=1) for block in np.array_split(rows, -(-len(rows) // 512))]
    return np.concatenate(parts).astype(np.int64)


def _largest(
    apart: NDArray[np.float64], own: NDArray[Any], other: NDArray[Any], groups: Sequence[tuple[str, slice]]
) -> list[str]:
    """Name, for each difference, the group of features with the largest root mean square."""
    starts, sizes = (
        np.array(of_groups) for of_groups in zip(*((c.start, c.stop - c.start) for _, c in groups), strict=True)
    )
    parts = np.sqrt(np.add.reduceat(apart**2, starts, axis=1) / sizes)
    out = []
    for k, best in enumerate(parts.argmax(axis=1).tolist()):
        name, columns = groups[best]
        if name.startswith(SHARE):
            has = "more" if own[k, columns.start] > other[k, columns.start] else "less"
            out.append(f"{name}, of which the pick has {has}")
        else:
            out.append(f"{name} ({parts[k, best]:.2g} standard deviations)")
    return out


def feature_groups(pool: Features | JoinedStores, descriptor: Any) -> list[tuple[str, slice]]:
    """Return names for groups of consecutive features, or for each feature where the descriptor names none."""
    n_described = pool.shape[1] - len(pool.composition)
    named = dict(descriptor.feature_groups) if isinstance(descriptor, HasFeatureGroups) else {}
    groups = [(name, columns) for name, columns in named.items() if columns.stop > columns.start]
    if not groups or groups[-1][1].stop != n_described:
        groups = [(f"feature {k}", slice(k, k + 1)) for k in range(n_described)]
    shares = ((f"{SHARE} {symbol}", n_described + k) for k, symbol in enumerate(pool.composition))
    return [*groups, *((name, slice(column, column + 1)) for name, column in shares)]


def _rows(pool: Features | JoinedStores, indices: NDArray[np.int64]) -> NDArray[Any]:
    """Read some rows of the pool."""
    return pool.take(indices) if isinstance(pool, JoinedStores) else pool.per_structure[indices]
