"""Greedy selection from rows that are not in memory: the picks of the selection in memory, with few rows in memory.

Scores only fall, so those of earlier are upper bounds (see `bounded`). The rows with the largest bounds are the window,
in which the engine for rows in memory selects until its best is no more above the largest bound outside. Then the rows
outside learn what was picked, and the next window is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior, Selection, nearest_lengths
from mlipselect.exceptions import InvalidInputError, MemoryLimitError
from mlipselect.selectors.base import FloatMatrix

logger = logging.getLogger("mlipselect")

NEAR_TIE = 1e-9
"""Where the engine in memory looks at the last digits; a row so near the best must be in the window."""
ROWS_PER_PICK = 400
"""A window that gave fewer picks is followed by a larger one."""


class Bounded(Protocol):
    """Rows with bounds of their scores, here or on other machines."""

    def __len__(self) -> int: ...

    @property
    def remaining(self) -> int:
        """Candidates that are neither picked nor excluded."""

    def exclude(self, candidates: Iterable[int]) -> None:
        """Never name these again."""

    def survey(self, known: Any) -> None:
        """Find the score of every row, given what is known."""

    def observe(self, news: Any) -> None:
        """Learn of picks."""

    def window(
        self, size: int, *, sharp: bool = False
    ) -> tuple[NDArray[np.int64], FloatMatrix, NDArray[np.float64], float]:
        """Give the rows with the largest bounds (indices, ascending; features; bounds) and the largest one outside."""

    def take(self, indices: NDArray[np.int64]) -> FloatMatrix:
        """Read some rows."""


class Knowledge(Protocol):
    """What is known beside the rows of a pool, and what follows from it."""

    def first(self, rows: Bounded) -> int | None:
        """Where a selection begins, if not at the largest score."""

    def engine(self, rows: FloatMatrix, bounds: NDArray[np.float64]) -> Any:
        """Begin a selection among some rows."""

    def bound(self, score: float) -> float:
        """Turn a score of the engine into what bounds are bounds of."""

    def learn(self, engine: Any, picked: FloatMatrix) -> Any:
        """Take note of what was picked in a window, and return what rows elsewhere have to know of it."""

    def restart(self, picked: FloatMatrix) -> Any:
        """Know no more than that these rows are picked, and return what rows elsewhere have to know."""

    def repeat(self, picked: FloatMatrix) -> Any:
        """Pick these rows again, in order, from the start."""


class WindowedSelection:
    """A selection under way; see `GreedySelection` for the meaning of the methods.

    Parameters
    ----------
    rows : Bounded
        The pool.
    knowledge : Knowledge
        What is known before the first pick.
    size : int
        Rows of a window.
    largest : int
        Rows of a window, at most.

    Attributes
    ----------
    rows : Bounded
        The pool.
    n_windows : int
        Windows so far.
    """

    def __init__(self, rows: Bounded, knowledge: Knowledge, size: int, largest: int):
        self.rows, self._knowledge = rows, knowledge
        self._size, self._largest = size, largest
        self._surveyed = False
        self._window: Any = None
        self._members = np.empty(0, dtype=np.int64)
        self._member_rows: FloatMatrix = np.empty((0, 0))
        self._outside = np.inf
        self._indices: list[int] = []
        self._is_picked: set[int] = set()
        #: Features of the picks, in order.
        self._picked: list[NDArray[Any]] = []
        self._repeated: tuple[int, Any] = (-1, None)
        self.n_windows = 0

    @property
    def indices(self) -> NDArray[np.int64]:
        """The picks so far, in order."""
        return np.array(self._indices, dtype=np.int64)

    @property
    def scores(self) -> NDArray[np.float64]:
        """The score of each pick when it was picked."""
        return np.asarray(self._again().scores)

    @property
    def information(self) -> NDArray[np.float64]:
        """Information of the picks up to each one, in nat."""
        return np.asarray(self._again().information)

    @property
    def remaining(self) -> int:
        """Candidates that are neither picked nor excluded."""
        return self.rows.remaining

    def exclude(self, candidates: Iterable[int]) -> None:
        """Never pick these."""
        wanted = np.fromiter(candidates, dtype=np.int64)
        if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self.rows):
            raise InvalidInputError(f"a candidate cannot be excluded: the pool has {len(self.rows)} candidates")
        self.rows.exclude(wanted)
        if self._window is not None:
            self._window.exclude(np.flatnonzero(np.isin(self._members, wanted)).tolist())

    def propose(self) -> tuple[int, float] | None:
        """Return what would be picked next and its score, or None if none is left."""
        first = None if self._indices else self._knowledge.first(self.rows)
        if first is not None:
            return first, np.inf
        found = self._best()
        return None if found is None else (int(self._members[found[0]]), found[1])

    def advance(self, count: int) -> None:
        """Pick `count` more."""
        for _ in range(count):
            first = None if self._indices else self._knowledge.first(self.rows)
            if first is not None:
                self.accept(first)
                continue
            found = self._best()
            if found is None:
                return
            self._window.advance(1)
            self._account_for(int(self._members[found[0]]), self._member_rows[found[0]])

    def accept(self, candidate: int) -> None:
        """Pick a candidate, the best or not."""
        if not 0 <= candidate < len(self.rows) or candidate in self._is_picked:
            raise InvalidInputError(f"candidate {candidate} cannot be picked: it is picked already or not there")
        # What the rows know of is picked in windows: with a pick from elsewhere they begin anew.
        self._window, self._surveyed = None, False
        self._account_for(candidate, self.rows.take(np.array([candidate]))[0])

    def posterior(self) -> Posterior:
        """Return the posterior that knows every pick so far."""
        return self._again().posterior()  # type: ignore[no-any-return]

    def _account_for(self, index: int, row: NDArray[Any]) -> None:
        self.rows.exclude([index])
        self._indices.append(index)
        self._is_picked.add(index)
        self._picked.append(np.array(row))

    def _again(self) -> Any:
        """Pick again in one go: scores then do not depend on where windows ended."""
        if self._repeated[0] != len(self._indices):
            self._repeated = (len(self._indices), self._knowledge.repeat(self._rows_of_picks(0)))
        return self._repeated[1]

    def _rows_of_picks(self, since: int) -> NDArray[Any]:
        width = self.rows.take(np.empty(0, dtype=np.int64))
        return np.concatenate([width, *(row[None] for row in self._picked[since:])])

    def _best(self) -> tuple[int, float] | None:
        """Find the best candidate, as a place in the window, and its score."""
        tries = 0
        while True:
            found = None if self._window is None else self._window.propose()
            is_whole = self._outside == -np.inf
            if is_whole or (found is not None and self._is_above(found[1])):
                return found
            if tries > 1:  # more rows are nearly as good as the best than the window has places for
                if self._size >= self._largest:
                    raise MemoryLimitError(
                        f"more than {self._size} rows have scores that are nearly the best: raise max_memory"
                    )
                self._size = min(self._largest, 2 * self._size)
            # If bounds outside are too high for all that is in the window, they may be so by rounding only.
            self._next_window(sharp=tries > 0)
            tries += 1

    def _is_above(self, score: float) -> bool:
        return self._knowledge.bound(score) * (1.0 - NEAR_TIE) > self._outside

    def survey(self) -> None:
        """Go through all rows, which the next pick would do otherwise."""
        if not self._surveyed:
            self.rows.survey(self._knowledge.restart(self._rows_of_picks(0)))
            self._surveyed = True

    def _next_window(self, *, sharp: bool) -> None:
        if not self._surveyed:
            self.survey()
        elif self._window is not None and len(self._window.indices):
            # What comes before each window is worth some picks.
            if len(self._window.indices) < len(self._members) // ROWS_PER_PICK:
                self._size = min(self._largest, 2 * self._size)
            picked = self._rows_of_picks(len(self._indices) - len(self._window.indices))
            self.rows.observe(self._knowledge.learn(self._window, picked))
        self._window = None
        self._members, self._member_rows, bounds, self._outside = self.rows.window(self._size, sharp=sharp)
        self.n_windows += 1
        if len(self._members):
            self._window = self._knowledge.engine(self._member_rows, bounds)
        logger.debug("window %d: %d rows, bound outside %g", self.n_windows, len(self._members), self._outside)


class Variances:
    """Knowledge of a Bayesian selection: the posterior.

    Parameters
    ----------
    posterior : Posterior
        What is known before the first pick.
    score : {"energy", "logdet"}
        What scores are.
    n_threads : int, optional
        Threads to use.
    """

    def __init__(self, posterior: Posterior, score: str, n_threads: int | None = None):
        self._start, self._posterior = posterior.copy(), posterior.copy()
        self._score, self._n_threads = score, n_threads

    def first(self, rows: Bounded) -> int | None:  # noqa: ARG002
        """Begin at the largest variance."""
        return None

    def engine(self, rows: FloatMatrix, bounds: NDArray[np.float64]) -> Selection:  # noqa: ARG002
        """Begin a selection given all that is known."""
        return Selection.bayesian(self._posterior, self._score, rows, n_threads=self._n_threads)

    def bound(self, score: float) -> float:
        """Give the variance that a score follows from."""
        return score if self._score == "energy" else float(np.expm1(score)) / self._start.noise_precision

    def learn(
        self,
        engine: Selection,
        picked: FloatMatrix,  # noqa: ARG002
    ) -> tuple[NDArray[np.float64] | None, Posterior]:
        """Return the directions of the picks, and the posterior."""
        self._posterior = engine.posterior()
        return engine.directions(), self._posterior

    def restart(self, picked: FloatMatrix) -> Posterior:
        """Return the posterior."""
        self._posterior = self.repeat(picked).posterior() if len(picked) else self._start.copy()
        return self._posterior

    def repeat(self, picked: FloatMatrix) -> Any:
        """Pick again, with the scores that were asked for."""
        if not len(picked):
            return _Nothing(self._start)
        engine = Selection.bayesian(self._start, self._score, picked, n_threads=self._n_threads)
        for place in range(len(picked)):
            engine.accept(place)
        return engine


class Distances:
    """Knowledge of a farthest point sampling: the rows that are there.

    Parameters
    ----------
    core : ndarray of shape (m, d), optional
        Rows that are there before the first pick.
    metric : {"euclidean", "cosine"}
        What distance is.
    factors : ndarray of shape (d,), optional
        What columns are multiplied by.
    start : callable, optional
        Finds the first pick where there is no core.
    n_threads : int, optional
        Threads to use.
    """

    def __init__(
        self,
        core: FloatMatrix | None,
        metric: str,
        factors: NDArray[np.float64] | None,
        start: Any = None,
        n_threads: int | None = None,
    ):
        self._core = None if core is None or not len(core) else core
        self._metric, self._factors = metric, factors
        self._start, self._n_threads = start, n_threads

    def first(self, rows: Bounded) -> int | None:
        """Begin where there is nothing to be far from."""
        return None if self._core is not None else self._start(rows)

    def engine(self, rows: FloatMatrix, bounds: NDArray[np.float64]) -> Selection:
        """Begin a selection; bounds are exact."""
        return Selection.fps_with_lengths(
            rows, bounds, metric=self._metric, factors=self._factors, n_threads=self._n_threads
        )

    def bound(self, score: float) -> float:
        """Turn a distance into the length between the points."""
        return score if self._metric == "euclidean" else float(np.sqrt(2.0 * score))

    def learn(self, engine: Selection, picked: FloatMatrix) -> FloatMatrix:  # noqa: ARG002
        """Return the picks."""
        return picked

    def restart(self, picked: FloatMatrix) -> list[FloatMatrix]:
        """Return all rows that are there."""
        return [rows for rows in (self._core, picked) if rows is not None and len(rows)]

    def repeat(self, picked: FloatMatrix) -> Any:
        """Pick again."""
        if not len(picked):
            return _Nothing(None)
        lengths = np.full(len(picked), np.inf)
        if self._core is not None:
            lengths = nearest_lengths(
                picked, self._core, metric=self._metric, factors=self._factors, n_threads=self._n_threads
            )
        engine = self.engine(picked, lengths)
        for place in range(len(picked)):
            engine.accept(place)
        return engine


class _Nothing:
    """What is left of a selection without picks."""

    scores = information = np.empty(0)

    def __init__(self, posterior: Posterior | None):
        self._posterior = posterior

    def posterior(self) -> Posterior | None:
        return None if self._posterior is None else self._posterior.copy()
