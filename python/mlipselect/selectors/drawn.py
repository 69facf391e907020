"""The base of selectors whose picks do not depend on each other: an order of all candidates, of which the first fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlipselect.selectors.base import Selector, check_left, excluded_indices, number_to_select
from mlipselect.selectors.constraints import Constraint

#: A function that puts candidates, given by their indices, in the order in which they are picked.
Order: TypeAlias = Callable[[NDArray[np.int64]], NDArray[np.int64]]


class DrawnSelector(Selector):
    """Base of the selectors that put all candidates in an order and take the first ones.

    A smaller selection is the beginning of a larger one.
    """

    supports_store: ClassVar[bool] = True
    supports_constraints: ClassVar[bool] = True

    stop_reason_: str | None
    _order: NDArray[np.int64]
    _taken: NDArray[np.bool_]
    _constrained: bool = False

    def _select(
        self,
        X: Any,
        order: Order,
        *,
        core: Any,
        exclude: Any,
        constraints: Sequence[Constraint],
        warm_start: bool,
    ) -> None:
        """Set `selected_idx_`; an error leaves everything unchanged."""
        n_pool = len(X)
        n = number_to_select(self.n_to_select, n_pool)
        if warm_start:
            self._picks_so_far(n, n_pool, core, constrained=bool(constraints) or self._constrained)
            picks, taken = self.selected_idx_, self._taken.copy()
        else:
            picks, taken = np.empty(0, np.int64), np.zeros(n_pool, dtype=bool)
        taken[excluded_indices(exclude, n_pool)] = True
        missing = n - len(picks)
        check_left(missing, n_pool - int(taken.sum()))
        if not warm_start:
            self._order = order(np.flatnonzero(~taken))
        drawn = self._order[~taken[self._order]]
        drawn = first_that_fit(drawn, missing, constraints, X, core) if constraints else drawn[:missing]
        taken[drawn] = True
        self._taken, self._n_pool, self._constrained = taken, n_pool, bool(constraints)
        self.selected_idx_ = np.concatenate([picks, drawn])
        reason = "until" if any(constraint.is_met for constraint in constraints) else "constraints"
        self.stop_reason_ = None if len(drawn) == missing else reason


def first_that_fit(
    order: NDArray[np.int64], n: int, constraints: Sequence[Constraint], X: Any, core: Any
) -> NDArray[np.int64]:
    """Return the first `n` candidates of an order that together meet all constraints, or fewer if no more do."""
    ruled_out = np.zeros(len(X), dtype=bool)
    for constraint in constraints:
        ruled_out[list(constraint.begin(X, core, n))] = True
    picks: list[int] = []
    for index in map(int, order):
        if len(picks) == n or any(constraint.is_met for constraint in constraints):
            break
        if not ruled_out[index] and all(constraint.fits(index) for constraint in constraints):
            picks.append(index)
            for constraint in constraints:
                ruled_out[list(constraint.picked(index))] = True
    for constraint in constraints:
        constraint.ended()
    return np.array(picks, dtype=np.int64)
