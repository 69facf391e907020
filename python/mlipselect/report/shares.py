"""Of which groups and elements pool, core and picks are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlipselect.features.element_counts import by_number
from mlipselect.report.members import Members

#: Number of colours that tell shares apart.
N_COLORS = 8


@dataclass(frozen=True)
class Shares:
    """Numbers of structures by group, or of atoms by element, in each of some sets.

    Attributes
    ----------
    of : str
        What rows are: the key of the groups, or ``"element"``.
    names : list of str
        The groups or the elements.
    sets : list of str
        The sets: the pool, the core, the picks, and core and picks.
    counts : ndarray of int64, shape (n_sets, n_names)
        The numbers.
    colors : list of int
        The number of the colour of each name, below `N_COLORS`; an element has that of the group of its name.
    """

    of: str
    names: list[str]
    sets: list[str]
    counts: NDArray[np.int64]
    colors: list[int]

    @property
    def fractions(self) -> NDArray[np.float64]:
        """Numbers divided by their sums, shape (n_sets, n_names)."""
        found: NDArray[np.float64] = self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)
        return found


def _sets(
    pool: NDArray[np.int64], picks: NDArray[np.int64], core: NDArray[np.int64] | None
) -> tuple[list[str], NDArray[np.int64]]:
    if core is None:
        return ["pool", "picks"], np.array([pool, picks])
    return ["pool", "core", "picks", "core and picks"], np.array([pool, core, picks, core + picks])


def shares_by_group(pool: Members, core: Members | None, picks: NDArray[np.int64]) -> Shares | None:
    """Count structures by group; None where there are no groups.

    Parameters
    ----------
    pool, core : Members
        What is known of the structures; the core may lack groups.
    picks : ndarray of int64
        Rows of the picks.
    """
    if not pool.group_key:
        return None
    names = _groups(pool, core)
    known = core is not None and core.group_key == pool.group_key
    counts = np.bincount(pool.groups, minlength=len(names))
    chosen = np.bincount(pool.groups[picks], minlength=len(names))
    of_core = None
    if core is not None and known:
        codes = np.array([names.index(name) for name in core.group_names])
        of_core = np.bincount(codes[core.groups], minlength=len(names))
    colors = [number % N_COLORS for number in range(len(names))]
    return Shares(pool.group_key, names, *_sets(counts, chosen, of_core), colors)


def _groups(pool: Members, core: Members | None) -> list[str]:
    """Return the groups of the pool, and those that only the core has."""
    names = list(pool.group_names)
    if core is not None and core.group_key == pool.group_key:
        names += [name for name in core.group_names if name not in names]
    return names


def _colors_of_elements(elements: Sequence[str], groups: Sequence[str]) -> list[int]:
    """Return the colour of each element: that of the group of its name, else one that the fewest others have."""
    made: dict[str, int] = {}
    for number, name in enumerate(groups):
        if name in elements and number % N_COLORS not in made.values():
            made[name] = number % N_COLORS
    of_groups = Counter(number % N_COLORS for number in range(len(groups)))
    for name in elements:
        if name not in made:
            of_elements = Counter(made.values())
            made[name] = min(range(N_COLORS), key=lambda color: (of_elements[color], of_groups[color]))
    return [made[name] for name in elements]


def shares_by_element(pool: Members, core: Members | None, picks: NDArray[np.int64]) -> Shares | None:
    """Count atoms by element; None where compositions are not known.

    Parameters
    ----------
    pool, core : Members
        What is known of the structures.
    picks : ndarray of int64
        Rows of the picks.
    """
    if pool.counts is None:
        return None
    known = None if core is None else core.counts
    elements = by_number([*pool.counts.elements, *(() if known is None else known.elements)])
    own = pool.counts.columns(elements)
    of_core = None if known is None else known.columns(elements).sum(axis=0, dtype=np.int64)
    counts = _sets(own.sum(axis=0, dtype=np.int64), own[picks].sum(axis=0, dtype=np.int64), of_core)
    return Shares("element", list(elements), *counts, _colors_of_elements(elements, _groups(pool, core)))
