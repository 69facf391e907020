"""Rows on disk with an upper bound of the score of each: what greedy selection need not have in memory.

Scores only fall as picks are added, so what a score was is an upper bound of what it is. Those of all rows are found in
one pass. Later the bounds of a block of rows are lowered only if its largest one says that it may hold one of the best.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior, VarianceBounds, nearest_lengths
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.selectors.ahead import Behind, ahead
from mlipselect.selectors.base import FloatMatrix, StoredRows

#: Centres that every row is compared with in the pass over all of them.
FIRST_CENTRES = 64
#: A bound that may be too high by more than this part of itself, because of rounding, is computed anew.
DOUBT = 0.1
#: Rows that stand for all others where it is guessed what bounds will become, at least.
SAMPLE = 8192
#: Rows by which it is told how many others each stands for, about.
CENSUS = 1 << 18
#: Kinds of rows, by what their bounds were, among these.
STRATA = 32
#: A guess should leave somewhat more rows than are wanted.
MARGIN = 1.25


class BoundedRows(ABC):
    """The rows of a pool, or of a part of it, with a bound of each.

    Parameters
    ----------
    rows : StoredRows
        The rows.
    block_bytes : int
        Rows are read in blocks of about so many bytes.
    n_threads : int, optional
        Threads of the compiled parts.

    Attributes
    ----------
    rows_read : int
        Rows that were read after the first pass, or came back from where they are kept in short.
    """

    def __init__(self, rows: StoredRows, block_bytes: int, n_threads: int | None = None):
        self.rows, self.n_threads = rows, n_threads
        n, d = rows.shape
        self.taken = np.zeros(n, dtype=bool)
        self.bounds = np.full(n, np.inf)
        #: The first row of each block, and the number of rows.
        self.starts = [*range(0, n, max(1, block_bytes // (d * rows.dtype.itemsize))), n]
        self.rows_read = 0

    def __len__(self) -> int:
        return len(self.taken)

    @property
    def remaining(self) -> int:
        """Candidates that are neither picked nor excluded."""
        return int(len(self.taken) - np.count_nonzero(self.taken))

    def exclude(self, candidates: Iterable[int]) -> None:
        """Never name these again."""
        self.taken[np.fromiter(candidates, dtype=np.int64)] = True

    def take(self, indices: NDArray[np.int64]) -> FloatMatrix:
        """Read some rows."""
        return self.rows.take(indices)

    def survey(self, known: Any) -> None:
        """Find the score of every row, given what is known, in one pass."""
        self._begin(known)
        for own, rows in ahead(self._blocks(), self._read):
            self.bounds[own] = self._scores_from(own.start, rows)

    def window(
        self, size: int, *, sharp: bool = False
    ) -> tuple[NDArray[np.int64], FloatMatrix, NDArray[np.float64], float]:
        """Give the rows with the largest bounds (indices, ascending; features; bounds) and the largest one outside."""
        members, outside = self.contenders(size, sharp=sharp)
        self.rows_read += len(members)
        return members, self.rows.take(members), self.bounds[members], outside

    @abstractmethod
    def observe(self, news: Any) -> None:
        """Learn of picks."""

    def contenders(self, size: int, *, sharp: bool = False) -> tuple[NDArray[np.int64], float]:
        """Give the rows with the largest bounds, lowered, and the largest bound of all others.

        Parameters
        ----------
        size : int
            Rows to give, at most.
        sharp : bool, default=False
            Leave no doubt in bounds that may be among the largest, which may take reading their rows.

        Returns
        -------
        ndarray of int64
            Indices of rows, ascending. Their `bounds` are their scores, or close to them where rounding leaves a doubt.
        float
            The largest bound outside, minus infinity if all that are left were given.
        """
        limit = self._limit(size, sharp)
        members, outside = self._above(limit, size, sharp)
        if limit > -np.inf and len(members) < size // 2:
            members, outside = self._above(-np.inf, size, sharp)
        return members, outside

    def _above(self, limit: float, size: int, sharp: bool) -> tuple[NDArray[np.int64], float]:
        """Give the rows with the largest bounds that are not below a limit, and the largest bound of all others."""
        bounds, ranked = self._ranked()
        best = np.empty(0)
        for top_bound, own in ranked:
            if top_bound < limit:
                break
            self._lower(own, limit, sharp)
            lowered = bounds[own] = np.where(self.taken[own], -np.inf, self.bounds[own])
            # How large a bound must be to be among the largest of those that are known.
            best = np.concatenate([best, lowered[lowered >= limit]])
            if len(best) >= size:
                best = np.partition(best, len(best) - size)[len(best) - size :]
                limit = float(best[0])
        top = np.arange(len(bounds)) if len(bounds) <= size else _largest(bounds, size)
        members = np.sort(top[(bounds[top] >= limit) & np.isfinite(bounds[top])])
        bounds[members] = -np.inf
        return members, float(bounds.max(initial=-np.inf))

    def _ranked(self) -> tuple[NDArray[np.float64], list[tuple[float, slice]]]:
        """Copy the bounds, without those of picks, and list the blocks with their largest ones, highest first."""
        bounds = np.where(self.taken, -np.inf, self.bounds)
        tops = np.maximum.reduceat(bounds, self.starts[:-1])
        blocks = self._blocks()
        return bounds, [(float(tops[k]), blocks[k]) for k in np.argsort(-tops, kind="stable").tolist()]

    @abstractmethod
    def _limit(self, size: int, sharp: bool) -> float:
        """Guess a bound that about as many rows are not below, before all blocks are looked at.

        Rows below it are not followed to the end; bounds of others may turn out to be lower or higher than guessed.
        """

    @abstractmethod
    def _begin(self, known: Any) -> None:
        """Get ready for a pass, given what is known."""

    @abstractmethod
    def _scores(self, first: int, block: FloatMatrix) -> NDArray[np.float64]:
        """Find the scores of the rows from `first` on, given what is known, and keep what lowering them takes."""

    def _scores_from(self, first: int, block: FloatMatrix) -> NDArray[np.float64]:
        """Find scores, and name the structure if there is something wrong with one."""
        try:
            return self._scores(first, block)
        except StructureError as error:
            raise StructureError(f"{self.rows.where(first + (error.index or 0))}: {error.problem}") from error

    @abstractmethod
    def _lower(self, own: slice, limit: float, sharp: bool) -> None:
        """Lower those bounds of a block that are not below the limit, by the picks that they do not know of."""

    def _blocks(self) -> list[slice]:
        return [slice(first, last) for first, last in zip(self.starts, self.starts[1:], strict=False)]

    def _read(self, own: slice) -> FloatMatrix:
        return self.rows.take(np.arange(own.start, own.stop))


class VarianceRows(BoundedRows):
    """Rows with bounds of their variances.

    The pass rounds rows to 16-bit integers, in the coordinates of the posterior, and keeps them in a temporary file of
    two bytes a number, in the folder that ``TMPDIR`` names. What picks take off a variance is bounded from these; a
    block for which they are too coarse is read and rounded anew.
    """

    def __init__(self, rows: StoredRows, block_bytes: int, n_threads: int | None = None):
        super().__init__(rows, block_bytes, n_threads)
        n = len(rows)
        #: By the first row of each block, what its rows were rounded by; None where they are to be read again.
        self._bases: dict[int, VarianceBounds | None] = {}
        self._at_rounding = np.empty(n)
        self._sums = np.zeros(n)
        self._applied = np.zeros(n, dtype=np.int32)
        self._file: _Scratch | None = None

    def observe(self, news: tuple[NDArray[np.float64] | None, Posterior]) -> None:
        """Learn of picks: their directions, or None where they are not known, and the posterior after them."""
        directions, self._posterior = news
        if directions is None:
            self._bases = dict.fromkeys(self._bases)
        else:
            for base in {id(base): base for base in (*self._bases.values(), self._base) if base is not None}.values():
                base.observe(directions)
        self._is_fresh = False

    def _begin(self, known: Posterior) -> None:
        self._posterior = known
        self._base, self._is_fresh = VarianceBounds(known, n_threads=self.n_threads), True
        self._bases = {}
        self._file = self._file or _Scratch(len(self.rows), self._base.width)

    def _scores(self, first: int, block: FloatMatrix) -> NDArray[np.float64]:
        assert self._file is not None
        integers, roundings, variances = self._base.round(block)
        self._file.write(first, integers, roundings)
        own = slice(first, first + len(block))
        self._at_rounding[own], self._bases[first] = variances, self._base
        self._sums[own], self._applied[own] = 0.0, self._base.count
        return variances

    def _limit(self, size: int, sharp: bool) -> float:
        if self.remaining <= size:
            return -np.inf
        before, ranked = self._ranked()
        parts: list[NDArray[np.int64]] = []
        for _, own in ranked:
            self._lower(own, -np.inf, sharp)
            parts.append(np.flatnonzero(~self.taken[own]) + own.start)
            if sum(map(len, parts)) >= SAMPLE:
                break
        which = np.concatenate(parts)
        # A row stands for those whose bounds were like its own: blocks need not be like each other.
        edges = np.quantile(before[which], np.linspace(0.0, 1.0, STRATA + 1)[1:-1])
        own_strata = np.searchsorted(edges, before[which])
        step = 1 + len(before) // CENSUS
        others = before[::step][~self.taken[::step]]
        numbers = step * np.bincount(np.searchsorted(edges, others), minlength=STRATA)
        weights = numbers / np.maximum(np.bincount(own_strata, minlength=STRATA), 1)
        order = np.argsort(-self.bounds[which], kind="stable")
        reached = int(np.searchsorted(np.cumsum(weights[own_strata[order]]), MARGIN * size))
        return float(self.bounds[which[order[min(reached, len(order) - 1)]]])

    def _lower(self, own: slice, limit: float, sharp: bool) -> None:
        base = self._bases[own.start]
        if base is not None and not (sharp and base.count > 0):
            local = np.flatnonzero((self.bounds[own] >= limit) & (self._applied[own] < base.count) & ~self.taken[own])
            if not len(local):
                return
            which = local + own.start
            self.rows_read += len(local)
            assert self._file is not None
            with self._file.reading(own) as (integers, roundings):
                falls, counts, sums = base.follow(
                    integers,
                    roundings,
                    self._at_rounding[own],
                    local,
                    self._applied[which].astype(np.int64),
                    self._sums[which],
                    limit,
                )
            self._sums[which], self._applied[which] = sums, counts
            at_rounding = self._at_rounding[which]
            bounds = self.bounds[which] = np.minimum(self.bounds[which], np.maximum(at_rounding - falls, 0.0))
            top = int(np.argmax(bounds))
            # Without what rounding may have taken, which the bound allows for.
            doubt = bounds[top] - max(at_rounding[top] - sums[top], 0.0)
            if bounds[top] < limit or doubt <= DOUBT * bounds[top]:
                return
        if not self._is_fresh:
            self._base, self._is_fresh = VarianceBounds(self._posterior, n_threads=self.n_threads), True
        rows = self._read(own)
        self.rows_read += len(rows)
        self.bounds[own] = np.minimum(self.bounds[own], self._scores_from(own.start, rows))


class DistanceRows(BoundedRows):
    """Rows with bounds of their distances, as lengths between points of the metric, to the nearest of some centres."""

    def __init__(
        self,
        rows: StoredRows,
        metric: str,
        factors: NDArray[np.float64] | None,
        block_bytes: int,
        n_threads: int | None = None,
    ):
        super().__init__(rows, block_bytes, n_threads)
        #: Rows of the centres, as they came.
        self._centres: list[NDArray[np.float64]] = []
        self._metric, self._factors = metric, factors
        #: How many of the entries of `_centres` each bound knows of.
        self._applied = np.zeros(len(rows), dtype=np.int32)

    def observe(self, news: FloatMatrix) -> None:
        """Learn of picks: their rows."""
        self._centres.append(np.asarray(news, dtype=np.float64))

    def _begin(self, known: list[FloatMatrix]) -> None:
        centres = np.concatenate([np.asarray(rows, dtype=np.float64) for rows in known])
        # Distances to a few of many rule most rows out; the others are for those that are left.
        is_first = np.zeros(len(centres), dtype=bool)
        is_first[:: max(1, len(centres) // FIRST_CENTRES)] = True
        self._centres = [part for part in (centres[is_first], centres[~is_first]) if len(part)]

    def _scores(self, first: int, block: FloatMatrix) -> NDArray[np.float64]:
        self._applied[first : first + len(block)] = 1
        return self._lengths(block, self._centres[:1], -np.inf)

    def _limit(self, size: int, sharp: bool) -> float:  # noqa: ARG002 - there is never a doubt
        if self.remaining <= size:
            return -np.inf
        # With what the largest bounds turn out to be, nearly all others are seen to be too low soon.
        which = np.sort(_largest(np.where(self.taken, -np.inf, self.bounds), size))
        self._lower_rows(which[self._applied[which] < len(self._centres)], -np.inf)
        return float(np.median(self.bounds[which]))

    def _lower(self, own: slice, limit: float, sharp: bool) -> None:  # noqa: ARG002 - there is never a doubt
        is_stale = (self.bounds[own] >= limit) & (self._applied[own] < len(self._centres)) & ~self.taken[own]
        self._lower_rows(np.flatnonzero(is_stale) + own.start, limit)

    def _lower_rows(self, which: NDArray[np.int64], limit: float) -> None:
        if not len(which):
            return
        rows = self.rows.take(which)
        self.rows_read += len(rows)
        lengths = self._lengths(rows, self._centres[int(self._applied[which].min()) :], limit)
        self.bounds[which] = np.minimum(self.bounds[which], lengths)
        # What is below the limit was not followed to the end.
        self._applied[which[lengths >= limit]] = len(self._centres)

    def _lengths(self, rows: FloatMatrix, centres: list[NDArray[np.float64]], threshold: float) -> NDArray[np.float64]:
        return nearest_lengths(
            rows,
            np.concatenate(centres),
            metric=self._metric,
            factors=self._factors,
            threshold=threshold,
            n_threads=self.n_threads,
        )


def make_bounded(
    kind: Literal["variances", "distances"], rows: StoredRows, *, n_threads: int | None = None, **options: Any
) -> BoundedRows:
    """Hold rows with bounds of their variances or of their distances.

    Parameters
    ----------
    kind : {"variances", "distances"}
        What the bounds are bounds of.
    rows : StoredRows
        The rows.
    n_threads : int, optional
        Threads of the compiled parts.
    **options
        Further parameters of `VarianceRows` or `DistanceRows`.
    """
    make: Any = VarianceRows if kind == "variances" else DistanceRows
    bounded: BoundedRows = make(rows, n_threads=n_threads, **options)
    return bounded


def bounded_rows(
    kind: Literal["variances", "distances"], rows: StoredRows, *, n_threads: int | None = None, **options: Any
) -> Any:
    """Hold rows with bounds here or, for rows that know better, where they are."""
    elsewhere = getattr(rows, "bounded", None)
    return make_bounded(kind, rows, n_threads=n_threads, **options) if elsewhere is None else elsewhere(kind, **options)


class _Scratch:
    """A temporary file of rounded rows, which is gone when nobody has it open any more: integers, then roundings."""

    def __init__(self, n: int, width: int):
        self._width, self._roundings = width, 2 * width * n
        size = self._roundings + 8 * n
        try:
            self._file = cast("BinaryIO", tempfile.TemporaryFile(prefix="mlipselect-", buffering=0))  # noqa: SIM115
            # Room for all is asked for at once rather than missed halfway.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file.fileno(), 0, size)
        except OSError as error:
            raise InvalidInputError(
                f"{tempfile.gettempdir()}: no room for {size} bytes of rounded rows: {error.strerror}; set TMPDIR to a "
                "folder on a larger disk"
            ) from error

        self._writing = Behind()
        self._map: mmap.mmap | None = None

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def write(self, first: int, integers: NDArray[np.int16], roundings: NDArray[np.float32]) -> None:
        """Begin to write rows."""
        self._writing.do(self._write, first, integers, roundings)

    @contextmanager
    def reading(self, own: slice) -> Iterator[tuple[NDArray[np.int16], NDArray[np.float32]]]:
        """Give rows as they lie in the file, when all is written."""
        self._writing.wait()
        if self._map is None:
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        count, start = own.stop - own.start, 2 * self._width * own.start
        integers = np.frombuffer(self._map, np.int16, self._width * count, start)
        roundings = np.frombuffer(self._map, np.float32, 2 * count, self._roundings + 8 * own.start)
        pages = start // mmap.PAGESIZE * mmap.PAGESIZE, start % mmap.PAGESIZE + integers.nbytes
        if hasattr(self._map, "madvise"):
            self._map.madvise(mmap.MADV_WILLNEED, *pages)
        yield integers.reshape(count, -1), roundings.reshape(count, -1)
        # Pages that stayed mapped would count as memory of this process.
        if hasattr(self._map, "madvise"):
            self._map.madvise(mmap.MADV_DONTNEED, *pages)

    def _write(self, first: int, integers: NDArray[np.int16], roundings: NDArray[np.float32]) -> None:
        for start, array in ((2 * self._width * first, integers), (self._roundings + 8 * first, roundings)):
            self._file.seek(start)
            data = array.data.cast("B")
            while data:
                data = data[self._file.write(data) :]


def _largest(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Where the largest values are, of equal ones at the limit the first."""
    limit = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > limit)
    equal = np.flatnonzero(values == limit)[: count - len(above)]
    return np.concatenate([above, equal])
