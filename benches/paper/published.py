"""What arXiv:2502.21165 used for farthest point sampling, for comparison: dot products in place of distances.

Its CUR needs no selector of its own: it took leverages from a square orthogonal factor, which are all equal, so that
its picks were random draws.
"""

from __future__ import annotations

import numpy as np

import mlipselect as ms


class DotProductSampling:
    """Pick the structure whose smallest dot product with the core and the picks is the largest.

    Parameters
    ----------
    n_to_select : int
        Structures to pick.
    """

    def __init__(self, n_to_select: int):
        self.n_to_select = n_to_select

    def fit(self, X: ms.Features, *, core: ms.Features) -> DotProductSampling:
        """Pick from the pool, given the core."""
        smallest = (X.per_structure @ core.per_structure.T).min(axis=1)
        picks: list[int] = []
        for _ in range(self.n_to_select):
            smallest[picks] = -np.inf
            picks.append(int(np.argmax(smallest)))
            smallest = np.minimum(smallest, X.per_structure @ X.per_structure[picks[-1]])
        self.selected_idx_ = np.array(picks)
        return self
