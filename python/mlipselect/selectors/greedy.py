"""The base of greedy selectors: one pick after the other, in steps, continued from the last call if asked for."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlipselect.checkpoint import Checkpoint, SelectionInterrupted
from mlipselect.exceptions import InvalidInputError, NotFittedError
from mlipselect.progress import progress_bar
from mlipselect.selectors.base import (
    Selector,
    by_rows,
    check_labels,
    check_left,
    excluded_indices,
    number,
    number_to_select,
    pool_shape,
)
from mlipselect.selectors.constraints import Constraint
from mlipselect.utils.told import is_or_are

_Greedy = TypeVar("_Greedy", bound="GreedySelector")


class GreedySelection(Protocol):
    """The state of a greedy selection, as in `_core.Selection`."""

    def propose(self) -> tuple[int, float] | None:
        """Return the candidate that would be picked next and its score, or None if no candidate is left."""

    def advance(self, count: int) -> None:
        """Pick `count` further candidates."""

    def accept(self, candidate: int) -> None:
        """Pick a candidate, whether or not it is the best."""

    def exclude(self, candidates: Any) -> None:
        """Never pick these candidates."""

    @property
    def remaining(self) -> int:
        """Number of candidates that are neither picked nor excluded."""

    @property
    def indices(self) -> NDArray[np.int64]:
        """The picks so far, in order."""

    @property
    def scores(self) -> NDArray[np.float64]:
        """The score of each pick when it was picked."""


class GreedySelector(Selector):
    """Base of the selectors that pick the best candidate, update all scores, and repeat.

    A smaller selection is the beginning of a larger one.

    Attributes
    ----------
    selected_idx_ : ndarray of int64
        Picks, in order.
    scores_ : ndarray of float64
        Score of each pick when it was picked.
    stop_reason_ : str or None
        Reason why there are fewer picks than asked for: ``"stop_gain"``, ``"until"`` if a constraint says that there
        are enough, or ``"constraints"`` if no candidate meets them any more. None if there are as many as asked for.
    """

    supports_constraints: ClassVar[bool] = True
    is_checkpointable: ClassVar[bool] = True

    stop_gain: float | None
    progress: bool | None
    stop_reason_: str | None
    _selection: GreedySelection
    _core: Any = None
    _excluded: tuple[int, ...] = ()
    _constraints: tuple[Constraint, ...] = ()
    _constrained: bool = False
    _checkpoint: Checkpoint | None = None
    _first_score: float | None = None

    def fit(
        self: _Greedy,
        X: Any,
        y: Any = None,
        *,
        core: Any = None,
        exclude: Sequence[int] | NDArray[np.integer[Any]] = (),
        constraints: Sequence[Constraint] = (),
        warm_start: bool = False,
        checkpoint: Checkpoint | None = None,
    ) -> _Greedy:
        """Select `n_to_select` structures of the pool.

        Parameters
        ----------
        X : ndarray of shape (n, d), or Features
            The pool, one row per structure, float32 or float64 in row order. Others are copied.
        y : optional
            Labels, which are ignored: scikit-learn passes them.
        core : ndarray of shape (m, d), or Features, optional
            Structures that are in the training set already.
        exclude : sequence of int, default=()
            Indices of structures of the pool that must not be picked.
        constraints : sequence of Constraint, default=()
            Limits on the picks, such as a `Quota`, a `Budget` or a `MinDistance`: the best candidate that fits is
            picked.
        warm_start : bool, default=False
            Continue the selection of the last call, on the same pool, up to a larger `n_to_select`. The result is that
            of one larger selection. The core is that of the last call. A selection with constraints cannot be
            continued, since some of them depend on the number of picks.
        checkpoint : Checkpoint, optional
            Keeps the picks in a file while they are made. Picks in the file are repeated first, without a search.

        Returns
        -------
        Selector
            Itself.

        Raises
        ------
        InvalidInputError
            If the pool is empty, smaller than `n_to_select`, not finite or not as wide as the core, if constraints
            cannot be met, or a parameter is out of its range.
        MemoryLimitError
            If more than `max_memory` is needed, for selectors with this parameter.
        """
        X, core = by_rows(X), by_rows(core)
        n_pool, n_features = pool_shape(X)
        check_labels(y, n_pool)
        n = number_to_select(self.n_to_select, n_pool)
        if self.stop_gain is not None and not 0 < number("stop_gain", self.stop_gain) < 1:
            raise InvalidInputError(f"stop_gain must be a fraction between 0 and 1, given {self.stop_gain}")
        done = 0
        if warm_start:
            if checkpoint is not None:
                raise InvalidInputError("a warm start goes on from the last call: give it or a checkpoint, not both")
            done = self._picks_so_far(n, n_pool, core, constrained=bool(constraints) or self._constrained)
            selection = self._selection if self._is_under_way() else self._begin_again(X)
        else:
            selection = self._begin(X, core)
            self._n_pool, self.n_features_in_ = n_pool, n_features
            self._core, self._excluded, self._first_score = core, (), None
            self._constraints, self._constrained = tuple(constraints), bool(constraints)
        self._selection, self._checkpoint = selection, checkpoint
        if len(exclude):
            excluded = excluded_indices(exclude, n_pool)
            selection.exclude(excluded)
            self._excluded += tuple(excluded)
        check_left(n - done, selection.remaining)
        if not warm_start:
            for constraint in self._constraints:
                selection.exclude(list(constraint.begin(X, core, n)))
        try:
            if checkpoint is not None:
                done = self._repeat(checkpoint)
            self.stop_reason_ = self._advance(n - done)
        except KeyboardInterrupt as interrupt:
            if checkpoint is None:
                raise
            checkpoint.write()
            picked = sum(decision >= 0 for decision in checkpoint.decisions)
            raise SelectionInterrupted(
                f"{picked} of {n} structures {is_or_are(picked)} picked, and kept in {checkpoint.path}: the same call "
                "goes on from it"
            ) from interrupt
        if checkpoint is not None:
            checkpoint.write()
        for constraint in self._constraints:
            constraint.ended()
        self.selected_idx_ = selection.indices
        self.scores_ = selection.scores
        self._ended()
        return self

    @abstractmethod
    def _begin(self, X: Any, core: Any) -> GreedySelection:
        """Begin a selection from the pool and the core of `fit`."""

    def _ended(self) -> None:
        """Set the attributes that only some selectors have."""

    def next_score(self) -> float:
        """Return the largest score of the candidates left after the last pick, 0 if there are none."""
        self._check_fitted()
        if not self._is_under_way():
            raise NotFittedError(
                f"a {type(self).__name__} that was copied or interrupted does not know the pool: call fit with it and "
                "warm_start first"
            )
        proposed = self._selection.propose()
        return 0.0 if proposed is None else float(proposed[1])

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what refers to the pool: the compiled selection, the constraints and the checkpoint."""
        dropped = {"_selection", "_constraints", "_checkpoint"}
        return {name: value for name, value in self.__dict__.items() if name not in dropped}

    def _is_under_way(self) -> bool:
        """Tell whether the compiled selection is there and ends with the picks of the last call."""
        return hasattr(self, "_selection") and np.array_equal(self._selection.indices, self.selected_idx_)

    def _begin_again(self, X: Any) -> GreedySelection:
        """Begin with the picks so far, after a copy, which has no compiled selection, or an interruption.

        Raises
        ------
        InvalidInputError
            The scores of the picks differ from those of the last call.
        """
        selection = self._begin(X, self._core)
        for index in self.selected_idx_.tolist():
            selection.accept(index)
        if not np.allclose(selection.scores, self.scores_, rtol=1e-6, atol=0.0):
            raise InvalidInputError(
                "the scores of the picks so far have changed: expected the pool and the parameters of the last call"
            )
        selection.exclude(list(self._excluded))
        return selection

    def _repeat(self, checkpoint: Checkpoint) -> int:
        """Repeat the decisions in a checkpoint, and return the number of picks among them."""
        picks = 0
        try:
            for decision in checkpoint.decisions:
                if decision < 0:
                    passed = -1 - decision
                    # Constraints record the candidates that they refuse.
                    all(constraint.fits(passed) for constraint in self._constraints)
                    self._selection.exclude([passed])
                else:
                    self._selection.accept(decision)
                    self._account_for(decision)
                    picks += 1
        except InvalidInputError as error:
            raise InvalidInputError(f"{checkpoint.path}: does not belong to this selection: {error}") from error
        return picks

    def _advance(self, count: int) -> str | None:
        """Pick up to `count` further candidates; return the reason if there are fewer."""
        with progress_bar(self.progress, total=count, desc="selecting", unit="structure") as bar:
            if self.stop_gain is None and not self._constraints:
                # Steps of about a tenth of a second let Ctrl-C through and move the bar.
                step = 1
                while count > 0:
                    began = time.perf_counter()
                    part = min(step, count)
                    self._selection.advance(part)
                    if self._checkpoint is not None:
                        self._keep(self._selection.indices[-part:].tolist())
                    bar.update(part)
                    count -= part
                    step = max(1, step // 2) if time.perf_counter() - began > 0.1 else 2 * step
                return None
            for _ in range(count):
                reason = self._pick_one()
                if reason is not None:
                    return reason
                bar.update(1)
        return None

    def _pick_one(self) -> str | None:
        """Pick the best candidate that fits, or return the reason why none is picked."""
        if any(constraint.is_met for constraint in self._constraints):
            return "until"
        selection = self._selection
        while True:
            proposed = selection.propose()
            if proposed is None:
                return "constraints"
            index, score = proposed
            if all(constraint.fits(index) for constraint in self._constraints):
                break
            selection.exclude([index])
            self._keep([-1 - index])
        if self.stop_gain is not None and self._is_too_little(score, self.stop_gain):
            return "stop_gain"
        selection.advance(1)
        self._account_for(index)
        self._keep([index])
        return None

    def _is_too_little(self, score: float, stop_gain: float) -> bool:
        """Compare a score with the first finite one: without a core, the score of the first pick may be infinite."""
        if self._first_score is None:
            known = self._selection.scores
            self._first_score = next((float(first) for first in known[np.isfinite(known)]), None)
        return self._first_score is not None and score < stop_gain * self._first_score

    def _account_for(self, index: int) -> None:
        """Exclude the candidates that a pick rules out by the constraints."""
        for constraint in self._constraints:
            self._selection.exclude(list(constraint.picked(index)))

    def _keep(self, decisions: list[int]) -> None:
        """Add decisions to the checkpoint, and write it if it is due."""
        if self._checkpoint is not None:
            self._checkpoint.decisions += decisions
            if self._checkpoint.is_due():
                self._checkpoint.write()
