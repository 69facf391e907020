"""The rows of energies, forces and virials of a fit, reduced to a triangular factor for each kind of label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import LeastSquares

KINDS = ("energy", "forces", "virial")
"""Kinds of labels, in the order of their rows."""


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
        Factor of each kind that has rows.
    """

    dim: int
    factors: dict[str, LeastSquares] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Number of rows of all kinds."""
        return sum(factor.n_rows for factor in self.factors.values())

    def add(self, kind: str, rows: NDArray[np.float64], targets: NDArray[np.float64], n_threads: int | None) -> None:
        """Add rows of one kind, shape (n, dim), and their targets, shape (n,)."""
        factor = self.factors.setdefault(kind, LeastSquares(self.dim))
        factor.add(rows, targets, np.ones(len(targets)), n_threads=n_threads)

    def merge(self, other: LabelRows, *, n_threads: int | None = None) -> None:
        """Add the rows of another part of a training set."""
        for kind, factor in other.factors.items():
            if kind in self.factors:
                self.factors[kind].merge(factor, n_threads=n_threads)
            else:
                self.factors[kind] = factor.copy()

    def weighted(self, weights: Mapping[str, float], *, n_threads: int | None = None) -> LeastSquares:
        """Put the rows of all kinds together, those of each kind times its weight; a weight of 0 leaves a kind out."""
        together = LeastSquares(self.dim)
        n_rows = 0
        for kind in KINDS:
            if kind in self.factors and weights[kind] > 0.0:
                triangle = self.factors[kind].triangle(n_threads=n_threads)
                scale = np.full(len(triangle), float(weights[kind]))
                together.add(np.ascontiguousarray(triangle[:, :-1]), triangle[:, -1].copy(), scale, n_threads=n_threads)
                n_rows += self.factors[kind].n_rows
        return LeastSquares.from_triangle(together.triangle(n_threads=n_threads), n_rows)
