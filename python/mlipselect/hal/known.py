"""The structures that count as known: the rows of the core and of what was taken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.hal.surrogate import Surrogate
from mlipselect.utils.unmasked import unmasked

MAX_SITES = 4096
"""Largest number of atoms of the core whose variances are looked at, at even steps."""


class Known:
    """Rows of the core and of what was taken, which scores are compared with.

    Parameters
    ----------
    core : Features or None
        Rows of the core.
    taken : ndarray of shape (n, d)
        Rows of what was taken, one for each structure.
    sites : ndarray of shape (m, d) or None
        Rows of some atoms of the core, where a trigger asks for them.
    """

    def __init__(self, core: Features | None, taken: NDArray[np.float64], sites: NDArray[np.float64] | None = None):
        self.core, self.taken, self.sites = core, taken, sites

    @classmethod
    def of(cls, surrogate: Surrogate, *, with_sites: bool) -> Known:
        """Begin with the core of a surrogate and nothing taken; describe its atoms if a trigger asks for them."""
        nothing = np.empty((0, surrogate.posterior.dim))
        return cls(surrogate.core_features, nothing, _site_rows(surrogate) if with_sites else None)

    @property
    def rows(self) -> NDArray[np.float64]:
        """Rows of all structures, those of the core first."""
        if self.core is None:
            return self.taken
        return np.concatenate([np.asarray(self.core.per_structure, dtype=np.float64), self.taken])

    def and_also(self, rows: NDArray[np.float64]) -> Known:
        """Return these with further structures taken."""
        return Known(self.core, np.concatenate([self.taken, rows]), self.sites)


def _site_rows(surrogate: Surrogate) -> NDArray[np.float64]:
    """Describe the atoms of the core, of which some at even steps are kept."""
    if surrogate.core is None:
        raise InvalidInputError(
            "trigger: 'max-atom' compares atoms with those of the training set: give that as core (--core)"
        )
    frames = [frame.atoms for frame in surrogate.core.iter_candidates()]
    n_atoms = sum(map(len, frames))
    step = max(1, -(-n_atoms // MAX_SITES))
    kept, first = [], 0
    for atoms in frames:
        rows = unmasked("features", surrogate.descriptor.features(atoms), np.float64)
        kept.append(rows[-first % step :: step])
        first += len(atoms)
    return np.concatenate(kept)
