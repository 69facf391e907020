"""The rows of energies, forces and virials of a fit, reduced to a triangular factor for each kind of label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import LeastSquares

KINDS = ("energy", "forces", "virial")
"""Kinds of labels, in the order of their rows."""

SMALLEST_GROUP = 10
"""Number of structures from which on a group has a noise of its own."""

OTHERS = "others"
"""Group of the structures whose own groups are too small."""


def kind_of(key: str) -> str:
    """Return the kind of label of the key of a factor: ``"forces"`` of ``"forces"`` and ``"forces/GROUP"``."""
    return key.partition("/")[0]


def group_of(key: str) -> str | None:
    """Return the group of the key of a factor, None if it has none."""
    _, slash, group = key.partition("/")
    return group if slash else None


@dataclass
class LabelRows:
    """Triangular factors of the rows and targets of each kind of label.

    Rows of energies and virials are divided by the square root of the number of atoms, so that the noise of a row does
    not depend on the size of the structure if that of an atom does not.

    Attributes
    ----------
    dim : int
        Number of weights of the model.
    factors : dict of LeastSquares
        Factor of each kind that has rows; of each kind and group, ``"KIND/GROUP"``, where groups have noises of their
        own.
    n_structures : Counter of str
        Number of structures with rows in each factor.
    """

    dim: int
    factors: dict[str, LeastSquares] = field(default_factory=dict)
    n_structures: Counter[str] = field(default_factory=Counter)

    @property
    def n_rows(self) -> int:
        """Number of rows of all kinds."""
        return sum(factor.n_rows for factor in self.factors.values())

    def add(self, key: str, rows: NDArray[np.float64], targets: NDArray[np.float64], n_threads: int | None) -> None:
        """Add the rows of one structure to a factor, shape (n, dim), and their targets, shape (n,)."""
        factor = self.factors.setdefault(key, LeastSquares(self.dim))
        factor.add(rows, targets, np.ones(len(targets)), n_threads=n_threads)
        self.n_structures[key] += 1

    def merge(self, other: LabelRows, *, n_threads: int | None = None) -> None:
        """Add the rows of another part of a training set."""
        for key, factor in other.factors.items():
            self._merge_factor(key, factor, n_threads)
            self.n_structures[key] += other.n_structures[key]

    def with_large_groups(self, *, n_threads: int | None = None) -> LabelRows:
        """Put the groups of fewer than `SMALLEST_GROUP` structures together, those of each kind for itself."""

        def new_key(key: str) -> str:
            is_small = group_of(key) is not None and self.n_structures[key] < SMALLEST_GROUP
            return f"{kind_of(key)}/{OTHERS}" if is_small else key

        return self._sorted_by(new_key, n_threads)

    def without_groups(self, *, n_threads: int | None = None) -> LabelRows:
        """Put all groups of each kind together."""
        return self._sorted_by(kind_of, n_threads)

    def weighted(self, weights: Mapping[str, float], *, n_threads: int | None = None) -> LeastSquares:
        """Put all rows together, those of each factor times its weight; a weight of 0 leaves them out.

        Weights are those of factors, or of kinds.
        """
        together = LeastSquares(self.dim)
        n_rows = 0
        for key in sorted(self.factors, key=lambda key: KINDS.index(kind_of(key))):
            weight = weights[key] if key in weights else weights[kind_of(key)]
            if weight > 0.0:
                triangle = self.factors[key].triangle(n_threads=n_threads)
                scale = np.full(len(triangle), float(weight))
                together.add(np.ascontiguousarray(triangle[:, :-1]), triangle[:, -1].copy(), scale, n_threads=n_threads)
                n_rows += self.factors[key].n_rows
        return LeastSquares.from_triangle(together.triangle(n_threads=n_threads), n_rows)

    def _sorted_by(self, new_key: Callable[[str], str], n_threads: int | None) -> LabelRows:
        """Merge the factors that have the same new key."""
        out = LabelRows(self.dim)
        for key, factor in self.factors.items():
            out._merge_factor(new_key(key), factor, n_threads)
            out.n_structures[new_key(key)] += self.n_structures[key]
        return out

    def _merge_factor(self, key: str, factor: LeastSquares, n_threads: int | None) -> None:
        if key in self.factors:
            self.factors[key].merge(factor, n_threads=n_threads)
        else:
            self.factors[key] = factor.copy()
