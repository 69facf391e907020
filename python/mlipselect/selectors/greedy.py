"""What the greedy selectors share: one pick after the other, in steps, from where the last call stopped."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError, NotFittedError
from mlipselect.progress import progress_bar
from mlipselect.selectors.base import FloatMatrix, Selector, integer, structure_rows

_Greedy = TypeVar("_Greedy", bound="GreedySelector")


class GreedySelection(Protocol):
    """A selection under way, as the compiled part gives it."""

    def advance(self, count: int) -> None:
        """Pick `count` more."""

    def exclude(self, candidates: Any) -> None:
        """Never pick these."""

    @property
    def remaining(self) -> int:
        """Candidates that are neither picked nor excluded."""

    @property
    def indices(self) -> NDArray[np.int64]:
        """The picks so far, in order."""

    @property
    def scores(self) -> NDArray[np.float64]:
        """The score of each pick when it was picked."""


class GreedySelector(Selector):
    """Base of the selectors that pick the best candidate, account for it, and pick again.

    A selection of few is the beginning of one of more.
    """

    progress_bar: bool
    _selection: Any

    def fit(
        self: _Greedy,
        X: Any,
        core: Any = None,
        *,
        exclude: Any = (),
        warm_start: bool = False,
    ) -> _Greedy:
        """Select `n_to_select` structures of the pool.

        Parameters
        ----------
        X : ndarray of shape (n, d), or Features
            The pool, one row a structure, float32 or float64. It is neither copied nor converted.
        core : ndarray of shape (m, d), or Features, optional
            Structures that are in the training set already.
        exclude : sequence of int, default=()
            Indices of structures of the pool that must not be picked.
        warm_start : bool, default=False
            Continue the selection of the last call, on the same pool, up to a larger `n_to_select`. The
            result is that of one selection of as many. The core is that of that call.

        Returns
        -------
        GreedySelector
            Itself.

        Raises
        ------
        InvalidInputError
            If the pool is empty, smaller than `n_to_select`, not finite or not as wide as the core, or a
            parameter is out of its range.
        """
        n = integer("n_to_select", self.n_to_select, 1)
        if warm_start:
            if not hasattr(self, "_selection"):
                raise NotFittedError("there is no selection to continue: call fit without warm_start first")
            if core is not None:
                raise InvalidInputError("a warm start continues with the core it began with: leave core out")
            done = len(self.selected_idx_)
            if n < done:
                raise InvalidInputError(f"n_to_select is {n}, but {done} structures are selected already")
        else:
            pool = structure_rows(X)
            self._n_pool = len(pool)
            if n > len(pool):
                raise InvalidInputError(
                    f"cannot select {n} structures from a pool of {len(pool)}: lower n_to_select"
                )
            self._selection = self._begin(X, pool, core)
            done = 0
        selection: GreedySelection = self._selection
        if len(exclude):
            selection.exclude([int(i) for i in exclude])
        if n - done > selection.remaining:
            raise InvalidInputError(
                f"cannot pick {n - done} more structures: the pool has {selection.remaining} left to pick from"
            )
        self._advance(n - done)
        self.selected_idx_ = selection.indices
        self.scores_ = selection.scores
        return self

    @abstractmethod
    def _begin(self, X: Any, pool: FloatMatrix, core: Any) -> GreedySelection:
        """Begin a selection from what `fit` was given, and the structure rows of the pool."""

    def _advance(self, count: int) -> None:
        # Steps of about a tenth of a second let Ctrl-C through and move the bar.
        step = 1
        with progress_bar(self.progress_bar, total=count, desc="selecting", unit="structure") as bar:
            while count > 0:
                began = time.perf_counter()
                part = min(step, count)
                self._selection.advance(part)
                bar.update(part)
                count -= part
                step = max(1, step // 2) if time.perf_counter() - began > 0.1 else 2 * step
