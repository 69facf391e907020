"""Values of any kind as arrays, ragged lists among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_array(value: Any) -> NDArray[Any]:
    """Return a value as an array; one without dimensions that holds the object where numpy makes none of it.

    Examples
    --------
    >>> as_array([1, 2]).shape, as_array([1, [2, 3]]).shape
    ((2,), ())
    """
    try:
        return np.asarray(value)
    except ValueError:  # ragged lists
        held = np.empty((), dtype=object)
        held[()] = value
        return held
