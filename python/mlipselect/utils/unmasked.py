"""Arrays without masked values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.parameters import shown_short


def unmasked(what: str, values: Any, dtype: Any = None) -> NDArray[Any]:
    """Return values as an array, refusing masked ones: numpy would take what lies under the mask.

    Parameters
    ----------
    what : str
        What the values are, for the message.
    values : array_like
        Values; a mask without masked values is taken off.
    dtype : type of real numbers, optional
        Type of the array.

    Raises
    ------
    InvalidInputError
        There are masked values or, where a type is asked for, something else than real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> unmasked("costs", np.ma.masked_array([1.0, 2.0], mask=[False, True]))
    Traceback (most recent call last):
    mlipselect.exceptions.InvalidInputError: costs must all be known, given masked values
    """
    refuse_masked(what, values)
    if dtype is None:
        return np.asarray(values)
    try:
        if np.iscomplexobj(values):
            raise TypeError
        return np.asarray(values, dtype=dtype)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{what} must be real numbers, given {shown_short(values)}") from None


def refuse_masked(what: str, values: Any) -> None:
    """Refuse masked values; messages call the values `what`."""
    if np.ma.is_masked(values):
        raise InvalidInputError(f"{what} must all be known, given masked values")
