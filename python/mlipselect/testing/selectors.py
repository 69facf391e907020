"""Check that a selector of your own keeps the promises of the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.random_state import RandomState


def check_selector(
    make: Callable[[int], Any],
    X: NDArray[np.floating[Any]] | None = None,
    *,
    nested: bool = True,
    random_state: RandomState = 0,
) -> None:
    """Check a selector.

    Parameters
    ----------
    make : callable
        ``make(n)`` returns a new selector of `n` rows; its ``fit(X)`` sets ``selected_idx_`` and ``scores_``.
    X : ndarray of shape (n, d), optional
        Features to select from; by default 60 random rows, with one duplicate and one row of zeros.
    nested : bool, default=True
        Whether a smaller selection must be the beginning of a larger one.
    random_state : int, numpy.random.Generator or None, default=0
        Seed or generator of the default features.

    Raises
    ------
    AssertionError
        A promise is broken. Picks must be `n` different indices in range, equal for two calls; a smaller selection
        must be the beginning of a larger one; ``get_support`` must agree with ``selected_idx_``; more picks than rows
        must be refused with a `ValueError`; the features must not be changed.

    Examples
    --------
    >>> import mlipselect as ms
    >>> from mlipselect.testing import check_selector
    >>> check_selector(lambda n: ms.BayesianSelector(n))
    """
    if X is None:
        X = np.random.default_rng(random_state).normal(size=(60, 8)) * 0.5 ** np.arange(8)
        X[7], X[11] = X[3], 0.0
    original = X.copy()
    largest: NDArray[np.int64] | None = None
    for n in (len(X), len(X) // 2, 1):
        selector = make(n).fit(X)
        picks = np.asarray(selector.selected_idx_)
        place = f"n={n}"
        _expect(picks.dtype == np.int64, f"{place}: selected_idx_ of int64", picks.dtype)
        _expect(picks.shape == (n,), f"{place}: selected_idx_ of shape ({n},)", picks.shape)
        _expect(len(set(picks.tolist())) == n, f"{place}: every row once", "repeated picks")
        _expect(bool(((picks >= 0) & (picks < len(X))).all()), f"{place}: indices below {len(X)}", picks)
        _expect(np.shape(selector.scores_) == (n,), f"{place}: scores_ of shape ({n},)", np.shape(selector.scores_))
        _expect(np.array_equal(X, original), f"{place}: untouched features", "changed ones")
        _expect(np.array_equal(make(n).fit(X).selected_idx_, picks), f"{place}: the same picks again", "others")
        mask = selector.get_support()
        _expect(np.array_equal(np.flatnonzero(mask), np.sort(picks)), f"{place}: get_support of the picks", mask)
        if nested and largest is not None:
            _expect(np.array_equal(largest[:n], picks), f"{place}: the first {n} of more picks", picks)
        largest = picks if largest is None else largest
    try:
        make(len(X) + 1).fit(X)
    except ValueError:
        return
    raise AssertionError(f"n={len(X) + 1}: expected a ValueError for more picks than the {len(X)} rows, got none")


def _expect(holds: bool, promise: str, found: Any) -> None:
    if not holds:
        raise AssertionError(f"expected {promise}, got {found}")
