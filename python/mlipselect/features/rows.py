"""A matrix that grows by rows and ends as one array, without a second copy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

GROWTH = 1.25


class RowBuffer:
    """Rows appended to one contiguous array.

    If the final number of rows is known, the array is allocated once. Otherwise it is enlarged in place, by a quarter
    at a time (the operating system moves large blocks without copying them), and cut to size at the end.

    Parameters
    ----------
    width : int
        Number of columns.
    dtype : dtype
        Type of the entries.
    expected : int, optional
        Final number of rows, if known.
    """

    def __init__(self, width: int, dtype: DTypeLike, expected: int | None = None):
        self._rows = np.empty((expected or 0, width), dtype=dtype)
        self._filled = 0

    def extend(self, count: int) -> np.ndarray[Any, Any]:
        """Append `count` rows and return a view of them to fill, valid until the next call."""
        needed = self._filled + count
        if needed > len(self._rows):
            # Only a view of an earlier call could refer to the array, and such views are no longer valid.
            self._rows.resize((max(needed, int(GROWTH * len(self._rows))), self._rows.shape[1]), refcheck=False)
        block = self._rows[self._filled : needed]
        self._filled = needed
        return block

    def finish(self) -> np.ndarray[Any, Any]:
        """Return the array of all rows."""
        if self._filled < len(self._rows):
            self._rows.resize((self._filled, self._rows.shape[1]), refcheck=False)
        return self._rows
