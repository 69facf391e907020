"""What the greedy selectors share: one pick after the other, in steps, from where the last call stopped."""

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
from mlipselect.selectors.base import Selector, check_labels, check_left, number_to_select, pool_shape
from mlipselect.selectors.constraints import Constraint

_Greedy = TypeVar("_Greedy", bound="GreedySelector")


class GreedySelection(Protocol):
    """A selection under way, as the compiled part gives it."""

    def propose(self) -> tuple[int, float] | None:
        """Return what would be picked next and its score, or None if none is left."""

    def advance(self, count: int) -> None:
        """Pick `count` more."""

    def accept(self, candidate: int) -> None:
        """Pick a candidate, the best or not, with the score that it would have as the best."""

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

    Attributes
    ----------
    selected_idx_ : ndarray of int64
        Picks, in order.
    scores_ : ndarray of float64
        Score of each pick when it was picked.
    stop_reason_ : str or None
        Why there are fewer picks than asked for: ``"stop_gain"``, or ``"constraints"`` that no candidate meets any
        more. None if there are as many.
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
            The pool, one row a structure, float32 or float64. It is neither copied nor converted.
        y : optional
            Labels, which are ignored: scikit-learn passes them.
        core : ndarray of shape (m, d), or Features, optional
            Structures that are in the training set already.
        exclude : sequence of int, default=()
            Indices of structures of the pool that must not be picked.
        constraints : sequence of Constraint, default=()
            What the picks must obey together, such as a `Quota`, a `Budget` or a `MinDistance`: the best candidate that
            fits is picked.
        warm_start : bool, default=False
            Continue the selection of the last call, on the same pool, up to a larger `n_to_select`. The result is that
            of one selection of as many. The core is that of that call. A selection with constraints, some of which
            depend on how many are to be picked, cannot be continued.
        checkpoint : Checkpoint, optional
            Keeps the picks in a file while they are made. Those that it has already are made first, without a search.

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
            If more than `max_memory` is needed, for those selectors that have such a limit.
        """
        n_pool, n_features = pool_shape(X)
        check_labels(y, n_pool)
        n = number_to_select(self.n_to_select, n_pool)
        if self.stop_gain is not None and not 0 < self.stop_gain < 1:
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
            excluded = [int(i) for i in exclude]
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
                f"{picked} of {n} structures are picked, and kept in {checkpoint.path}: the same call goes on from it"
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
        """Begin a selection from what `fit` was given."""

    def _ended(self) -> None:
        """Set the attributes that not all selectors have."""

    def next_score(self) -> float:
        """Return the largest score of all that are left after the last pick, 0 if there are none."""
        self._check_fitted()
        if not self._is_under_way():
            raise NotFittedError(
                f"a {type(self).__name__} that was copied or interrupted does not know the pool: call fit with it and "
                "warm_start first"
            )
        proposed = self._selection.propose()
        return 0.0 if proposed is None else float(proposed[1])

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what only a selection under way needs: the compiled part, and constraints, which know the pool."""
        dropped = {"_selection", "_constraints", "_checkpoint"}
        return {name: value for name, value in self.__dict__.items() if name not in dropped}

    def _is_under_way(self) -> bool:
        """Tell whether the selection under way is where the last call ended."""
        return hasattr(self, "_selection") and np.array_equal(self._selection.indices, self.selected_idx_)

    def _begin_again(self, X: Any) -> GreedySelection:
        """Repeat the picks, where the selection under way did not come along with a copy, or was interrupted.

        Raises
        ------
        InvalidInputError
            The picks do not have the scores that they had.
        """
        selection = self._begin(X, self._core)
        for index in self.selected_idx_.tolist():
            selection.accept(index)
        if not np.allclose(selection.scores, self.scores_, rtol=1e-6, atol=0.0):
            raise InvalidInputError(
                "the picks so far do not have the scores that they had: expected the pool and the parameters that the "
                "selection began with"
            )
        selection.exclude(list(self._excluded))
        return selection

    def _repeat(self, checkpoint: Checkpoint) -> int:
        """Decide again what another run decided, and return how many picks that were."""
        picks = 0
        try:
            for decision in checkpoint.decisions:
                if decision < 0:
                    passed = -1 - decision
                    # Constraints take note of whom they turn away.
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
        """Pick `count` more, or as many as there are reasons for; say why they are fewer."""
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
        """Pick the best candidate that fits, or say why not."""
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
        """Compare a score with the first that is finite: where there is nothing to be far from, it is infinite."""
        if self._first_score is None:
            known = self._selection.scores
            self._first_score = next((float(first) for first in known[np.isfinite(known)]), None)
        return self._first_score is not None and score < stop_gain * self._first_score

    def _account_for(self, index: int) -> None:
        """Leave out what does not fit beside a pick any more."""
        for constraint in self._constraints:
            self._selection.exclude(list(constraint.picked(index)))

    def _keep(self, decisions: list[int]) -> None:
        """Take note of what was decided, and write it down from time to time."""
        if self._checkpoint is not None:
            self._checkpoint.decisions += decisions
            if self._checkpoint.is_due():
                self._checkpoint.write()
