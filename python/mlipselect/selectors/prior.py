"""The prior of the weights: how its precision follows from a ridge and from the spread of the columns."""

from __future__ import annotations

import warnings
from typing import Final, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlipselect import _core
from mlipselect.exceptions import InvalidInputError
from mlipselect.selectors import windowed
from mlipselect.selectors.base import FloatMatrix, StoredRows, meant, number

PriorScale: TypeAlias = Literal["root", "standard", "none"]
"""Power of the standard deviation by which columns are divided: 1/2, 1 or 0."""

DEFAULT_SCALE: Final = "root"

_Precision = TypeVar("_Precision", float, NDArray[np.float64])

_POWERS: dict[str, float] = {"root": 0.5, "standard": 1.0, "none": 0.0}


def prior_from_ridge(
    ridge: float,
    noise_precision: float,
    pool: FloatMatrix | StoredRows,
    core: FloatMatrix | None,
    scale: PriorScale = DEFAULT_SCALE,
    n_threads: int | None = None,
) -> float | NDArray[np.float64]:
    r"""Return the precision of the prior that a ridge stands for.

    Parameters
    ----------
    ridge : float
        Prior precision over noise precision, in units of the mean square of the divided columns.
    noise_precision : float
        Inverse noise variance.
    pool : ndarray of shape (n, d) or rows on disk
        The pool.
    core : ndarray of shape (m, d), optional
        The core.
    scale : {"root", "standard", "none"}, default="root"
        What columns are divided by: the square root of their standard deviation over pool and core, the standard
        deviation, or nothing.
    n_threads : int, optional
        Threads to use.

    Returns
    -------
    float or ndarray of shape (d,)
        One precision for all weights with the scale ``"none"``, else one for each.

    Raises
    ------
    InvalidInputError
        The ridge is not above 0, there is no such scale, or features are so large or so small that the precision is no
        number above 0.

    Notes
    -----
    A column :math:`k` that is divided by :math:`s_k` and has the prior precision :math:`\alpha` is the same as the
    column as it is with the precision :math:`\alpha s_k^2`. So no row is changed, wherever it is. Columns whose spread
    is rounding have the largest divisor of the others, so that rounding counts for nothing; if no column varies, none
    is divided. Features that are multiplied by a factor, all by the same, give the same picks.
    """
    ridge = number("ridge", ridge)
    if not ridge > 0:
        raise InvalidInputError(f"ridge must be a number above 0, given {ridge}")
    if scale not in _POWERS:
        raise InvalidInputError(f"scale: expected {meant(scale, _POWERS)}, got {scale!r}")
    if ridge > 0.1:
        warnings.warn(
            f"ridge {ridge} is so large that the prior outweighs the data: picks tend to be the structures "
            "with the longest features; values from 1e-3 to 1e-9 serve",
            stacklevel=7,
        )
    if scale == "none":
        # With no feature anywhere every ridge is the same: nothing can be learned.
        return _positive(ridge * noise_precision * (_mean_square(pool, core, n_threads) or 1.0))
    moments = windowed.column_moments(pool, core, n_threads)
    if not np.isfinite(moments.mean_squares).all():
        raise InvalidInputError("the squares of the features exceed float64: scale the features down")
    varies = moments.varies
    if not varies.any():
        return np.full(len(varies), ridge * noise_precision * (float(moments.mean_squares.mean()) or 1.0))
    squared_divisors = moments.scales ** (-2.0 * _POWERS[scale])
    squared_divisors[~varies] = squared_divisors[varies].max()
    unit = float((moments.mean_squares / squared_divisors)[varies].mean())
    return _positive(ridge * noise_precision * unit * squared_divisors)


def _positive(precision: _Precision) -> _Precision:
    """Refuse a precision that is 0 because squares of features are below the smallest number."""
    if np.all(np.asarray(precision) == 0.0):
        raise InvalidInputError("the squares of the features vanish in float64: scale the features up")
    return precision


def _mean_square(pool: FloatMatrix | StoredRows, core: FloatMatrix | None, n_threads: int | None) -> float:
    if not isinstance(pool, StoredRows):
        return _core.mean_square(pool, core, n_threads)
    total, count = pool.squares
    if core is not None and len(core):
        total, count = total + _core.mean_square(core, None, n_threads) * core.size, count + core.size
    return total / count
