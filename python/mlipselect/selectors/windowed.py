"""Greedy selection by variance from rows on disk: the picks of the selection in memory, with few rows in memory.

Variances only fall. One pass over the pool gives those of all rows given the core; from then on they are upper bounds.
The rows with the largest bounds are the window, in which the engine for rows in memory selects, until its best is no
more above the largest bound outside. Then bounds are lowered, block by block in the order of the largest bound in each,
by what the picks since took off: `(w.x)^2` for each of their directions `w`. Blocks whose largest bound is too low for
the next window are not read.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import BayesianSelection, Posterior, squared_products
from mlipselect.exceptions import MemoryLimitError, StructureError
from mlipselect.selectors.base import StoredRows

logger = logging.getLogger("mlipselect")

BLOCK_BYTES = 16 << 20
"""Rows are read and bounded in blocks of about so many bytes."""
SHARE = 40
"""A window is no more than this part of the pool: each of its rows costs as much as in the pass over all."""
SMALLEST = 1024
NEAR_TIE = 1e-9
"""Where the engine in memory looks at the last digits; a row so near the best must be in the window."""


class WindowedSelection:
    """A Bayesian selection under way; see `GreedySelection` for the meaning of the methods.

    Parameters
    ----------
    posterior : Posterior
        What is known before the first pick.
    rows : StoredRows
        The pool.
    logdet : bool
        Whether scores are ``ln(1 + beta x^T Sigma x)`` rather than ``x^T Sigma x``; the order is the same.
    max_memory : int
        Bytes to take.
    n_threads : int, optional
        Threads of the compiled parts.

    Attributes
    ----------
    n_windows : int
        Windows so far.
    rows_read : int
        Rows that were read after the first pass.

    Raises
    ------
    MemoryLimitError
        `max_memory` is too little; the message says what is needed.
    StructureError
        A row is not finite.
    """

    def __init__(self, posterior: Posterior, rows: StoredRows, *, logdet: bool, max_memory: int, n_threads: int | None):
        self._rows, self._logdet, self._n_threads = rows, logdet, n_threads
        self._posterior, self._start_information = posterior.copy(), posterior.information()
        n, d = rows.shape
        self._block = max(1, BLOCK_BYTES // (d * rows.dtype.itemsize))
        self._row_bytes = window_row_bytes(d, rows.dtype.itemsize)
        fixed = fixed_bytes(n, d, self._block, rows.dtype.itemsize)
        self._largest = min(n, (max_memory - fixed) // self._row_bytes)
        self._size = min(self._largest, max(SMALLEST, n // SHARE))
        if self._largest < min(n, SMALLEST):
            needed = fixed + min(n, SMALLEST) * self._row_bytes
            raise MemoryLimitError(
                f"a selection from {n} rows of {d} features on disk needs {needed} bytes, more than the {max_memory} "
                "allowed: raise max_memory"
            )
        logger.info(
            "selection from disk: %d rows of %d features, windows of %d rows, about %.0f MB in all",
            n, d, self._size, (fixed + self._size * self._row_bytes) / 1e6,
        )  # fmt: skip
        self._taken = np.zeros(n, dtype=bool)
        self._bounds = np.empty(n)
        self._lengths = np.empty(n)
        self._starts: list[int] = []
        for first, block in rows.blocks(self._block):
            variances = posterior.variance(block, n_threads=n_threads)
            bad = np.flatnonzero(~np.isfinite(variances))
            if bad.size:
                raise StructureError(f"{rows.where(first + int(bad[0]))}: features that are not finite")
            own = slice(first, first + len(block))
            self._bounds[own] = variances
            self._lengths[own] = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))
            self._starts.append(first)
        self._starts.append(n)
        self._versions = np.zeros(len(self._starts) - 1, dtype=np.int64)
        #: Directions of the picks of each window that is over, None where they are not known.
        self._directions: list[NDArray[np.float64] | None] = []
        self._window: BayesianSelection | None = None
        self._members = np.empty(0, dtype=np.int64)
        self._outside = -np.inf
        self._indices: list[int] = []
        self._scores: list[float] = []
        self._information: list[float] = []
        self.n_windows = self.rows_read = 0

    @property
    def indices(self) -> NDArray[np.int64]:
        """The picks so far, in order."""
        return np.array(self._indices, dtype=np.int64)

    @property
    def scores(self) -> NDArray[np.float64]:
        """The score of each pick when it was picked."""
        variances = np.array(self._scores)
        return np.log1p(self._posterior.noise_precision * variances) if self._logdet else variances

    @property
    def information(self) -> NDArray[np.float64]:
        """What the picks up to each one taught together, in nat."""
        return np.array(self._information)

    @property
    def remaining(self) -> int:
        """Candidates that are neither picked nor excluded."""
        return int((~self._taken).sum())

    def exclude(self, candidates: Any) -> None:
        """Never pick these."""
        wanted = np.asarray(list(candidates), dtype=np.int64)
        self._taken[wanted] = True
        if self._window is not None:
            inside = np.flatnonzero(np.isin(self._members, wanted))
            self._window.exclude(inside.tolist())

    def propose(self) -> tuple[int, float] | None:
        """Return what would be picked next and its score, or None if none is left."""
        found = self._best()
        if found is None:
            return None
        score = found[1]
        shown = float(np.log1p(self._posterior.noise_precision * score)) if self._logdet else score
        return int(self._members[found[0]]), shown

    def advance(self, count: int) -> None:
        """Pick `count` more."""
        for _ in range(count):
            found = self._best()
            if found is None or self._window is None:
                return
            self._window.advance(1)
            index = int(self._members[found[0]])
            self._taken[index] = True
            self._indices.append(index)
            self._scores.append(found[1])
            self._information.append(self._base_information + float(self._window.information[-1]))

    def posterior(self) -> Posterior:
        """Return the posterior that knows every pick so far."""
        return self._posterior.copy() if self._window is None else self._window.posterior()

    @property
    def _base_information(self) -> float:
        return self._posterior.information() - self._start_information

    def _best(self) -> tuple[int, float] | None:
        """Find the best candidate, as a place in the window, and its variance."""
        is_fresh = False
        while True:
            found = None if self._window is None else self._window.propose()
            whole = self._window is not None and self._outside == -np.inf
            if whole or (found is not None and found[1] * (1.0 - NEAR_TIE) > self._outside):
                return found
            if is_fresh:  # more rows are nearly as good as the best than the window has places for
                if self._size >= self._largest:
                    raise MemoryLimitError(
                        f"more than {self._size} rows have scores within {NEAR_TIE} of the best: raise max_memory"
                    )
                self._size = min(self._largest, 2 * self._size)
            self._next_window()
            is_fresh = True

    def _next_window(self) -> None:
        if self._window is not None:
            if len(self._window.indices):
                self._directions.append(self._window.directions())
                self._posterior = self._window.posterior()
            self._window = None
        self._members, self._outside = self._contenders()
        self.n_windows += 1
        self.rows_read += len(self._members)
        self._window = BayesianSelection(
            self._posterior, "energy", self._rows.take(self._members), n_threads=self._n_threads
        )

    def _contenders(self) -> tuple[NDArray[np.int64], float]:
        """Rows of the next window, ascending, and the largest bound of all others."""
        version = len(self._directions)
        bounds = np.where(self._taken, -np.inf, self._bounds)
        tops = np.maximum.reduceat(bounds, self._starts[:-1])
        order = np.argsort(-tops, kind="stable").tolist()
        limit, seen, place = -np.inf, 0, 0
        while place < len(order) and tops[order[place]] >= limit:
            block = order[place]
            place += 1
            own = slice(self._starts[block], self._starts[block + 1])
            if self._versions[block] < version:
                self._lower(block, version)
                bounds[own] = np.where(self._taken[own], -np.inf, self._bounds[own])
            seen += own.stop - own.start
            # Now and then: how large a bound must be to be among the largest of those that are known.
            if seen >= self._size:
                known = np.concatenate([bounds[self._starts[b] : self._starts[b + 1]] for b in order[:place]])
                limit, seen = float(np.partition(known, len(known) - self._size)[-self._size]), 0
        top = np.argsort(-bounds, kind="stable") if len(bounds) <= self._size else _largest(bounds, self._size)
        members = np.sort(top[np.isfinite(bounds[top])])
        bounds[members] = -np.inf
        return members, float(bounds.max(initial=-np.inf))

    def _lower(self, block: int, version: int) -> None:
        """Lower the bounds of a block by what the picks since it was looked at last took off."""
        first, last = self._starts[block], self._starts[block + 1]
        rows = self._rows.take(np.arange(first, last))
        self.rows_read += last - first
        missed = self._directions[self._versions[block] :]
        self._versions[block] = version
        if any(directions is None for directions in missed):
            self._bounds[first:last] = self._posterior.variance(rows, n_threads=self._n_threads)
            return
        W = np.concatenate([directions for directions in missed if directions is not None])
        taken = lowest_squares(rows, self._lengths[first:last], W, self._n_threads)
        self._bounds[first:last] = np.maximum(self._bounds[first:last] - taken, 0.0)


def lowest_squares(
    rows: NDArray[Any], lengths: NDArray[np.float64], W: NDArray[np.float64], n_threads: int | None = None
) -> NDArray[np.float64]:
    """Bound ``|W x|^2`` from below for each row x.

    A product of d terms is off by no more than ``d u |w| |x|``, in whatever order it is summed (Higham, Accuracy and
    Stability of Numerical Algorithms, section 3.1).

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        The rows.
    lengths : ndarray of shape (n,)
        Their lengths.
    W : ndarray of shape (m, d)
        The directions.
    n_threads : int, optional
        Threads to use.
    """
    unit = 2.0**-53
    error = 1.01 * (rows.shape[1] + 3) * unit * lengths * float(np.linalg.norm(W))
    found = np.sqrt(squared_products(rows, W, n_threads)) * (1.0 - len(W) * unit)
    lowest: NDArray[np.float64] = np.maximum(found - error, 0.0) ** 2
    return lowest * (1.0 - 1e-12)


def fixed_bytes(n: int, d: int, block: int, itemsize: int) -> int:
    """Bytes that are taken beside the rows of a window."""
    per_row = 4 * 8 + 8 + 1
    # A block as it is read and in float64.
    working = block * d * (2 * itemsize + 8)
    return n * per_row + working + 12 * d * d * 8 + (32 << 20)


def window_row_bytes(d: int, itemsize: int) -> int:
    """Bytes that a row of a window takes: the row, its copy in integers, and what is known of it."""
    return d * (itemsize + 2) + 256


def _largest(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Where the largest values are, of equal ones at the limit the first."""
    limit = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > limit)
    equal = np.flatnonzero(values == limit)[: count - len(above)]
    return np.concatenate([above, equal])
