"""The structure of the core that is nearest to a pick."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mlipselect.features import Features
from mlipselect.hal.surrogate import Surrogate
from mlipselect.selectors.windowed import column_moments


class NearestOfCore:
    """Finds the nearest structure of a core.

    Distances are root mean squares, over the features, of the differences between two structures, each in units of the
    standard deviation of that feature over the core, as for `MinDistance`.

    Parameters
    ----------
    surrogate : Surrogate
        The surrogate, which may have a core.
    """

    def __init__(self, surrogate: Surrogate):
        self._rows: NDArray[np.float64] | None = None
        features, core = surrogate.core_features, surrogate.core
        if features is not None and len(features):
            rows = np.asarray(features.per_structure, dtype=np.float64)
            moments = column_moments(rows, None)
            self._scales = np.where(moments.varies, moments.scales, 0.0)
            self._rows = rows * self._scales
            self._place: Callable[[int], str] = _places(features) if core is None else core.place

    def find(self, row: NDArray[np.float64]) -> tuple[str, float] | None:
        """Return the name of the nearest structure and its distance; None without a core."""
        if self._rows is None:
            return None
        squares = ((self._rows - row * self._scales) ** 2).mean(axis=1)
        best = int(squares.argmin())
        return self._place(best), float(np.sqrt(squares[best]))


def _places(features: Features) -> Callable[[int], str]:
    return features.where
