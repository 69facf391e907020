"""What has to be known of all rows on disk before distances between them are measured: one pass each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mlipselect import _core
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.selectors.base import FloatMatrix, StoredRows

#: Lengths within this fraction of the largest count as tied with it.
TIE = 1e-12
#: Rows that are worked on at a time.
CHUNK = 4096


def stored_scales(pool: StoredRows, core: FloatMatrix | None, n_threads: int | None = None) -> NDArray[np.float64]:
    """One over the standard deviation of each column of pool and core together, and 1 for columns that are constant.

    Raises
    ------
    StructureError
        A row that is not finite.
    """
    # Deviations from some row lose less to rounding than the values themselves, whose mean may be large.
    origin = pool.take([0])[0].astype(np.float64)
    # Rows on other machines are summed up there; stores one by one, so that sums have the same bits wherever that is.
    elsewhere = getattr(pool, "column_sums", None)
    if elsewhere is None:
        sums, squares = added([column_sums(store, origin, n_threads) for store in getattr(pool, "stores", [pool])])
    else:
        sums, squares = elsewhere(origin)
    count = len(pool)
    if core is not None and len(core):
        bad = np.flatnonzero(~np.isfinite(core).all(axis=1))
        if len(bad):
            raise InvalidInputError(f"the core, row {bad[0]}: features that are not finite")
        sums, squares = added([(sums, squares), _core.column_sums(core, origin, n_threads)])
        count += len(core)
    mean, mean_square = sums / count, squares / count
    variance = mean_square - mean**2
    # What rounding leaves of the variance of a constant is not a scale.
    return np.where(variance > 1e-14 * mean_square, 1.0 / np.sqrt(np.where(variance > 0, variance, 1.0)), 1.0)


def column_sums(
    pool: StoredRows, origin: NDArray[np.float64], n_threads: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum what columns differ from an origin by, and the squares of that, over all rows."""
    return added([_block_sums(pool, first, block, origin, n_threads) for first, block in pool.blocks()])


def _block_sums(
    pool: StoredRows, first: int, block: FloatMatrix, origin: NDArray[np.float64], n_threads: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        return _core.column_sums(block, origin, n_threads)
    except StructureError as error:
        where = pool.where(first + (error.index or 0))
        raise StructureError(f"{where}: features that are not finite") from error


def added(
    parts: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add what `column_sums` gave for several parts of the rows."""
    return np.sum([sums for sums, _ in parts], axis=0), np.sum([squares for _, squares in parts], axis=0)


class FarthestFromMean:
    """Finds the row, as a point of the metric, that is farthest from the mean of all.

    Parameters
    ----------
    pool : StoredRows
        The rows; the first call goes through them twice.
    metric : {"euclidean", "cosine"}
        What distance is.
    factors : ndarray of shape (d,), optional
        What columns are multiplied by.
    """

    def __init__(self, pool: StoredRows, metric: str, factors: NDArray[np.float64] | None):
        self._pool, self._metric, self._factors = pool, metric, factors
        self._lengths: NDArray[np.float64] | None = None

    def __call__(self, taken: NDArray[np.bool_]) -> int:
        """Find it among those that are not taken."""
        if self._lengths is None:
            mean: NDArray[np.float64] = np.zeros(self._pool.shape[1])
            for _, rows in _chunks(self._pool):
                mean += _points(rows, self._metric, self._factors).sum(axis=0) / len(self._pool)
            self._lengths = np.empty(len(self._pool))
            for first, rows in _chunks(self._pool):
                deviations = _points(rows, self._metric, self._factors) - mean
                self._lengths[first : first + len(rows)] = np.linalg.norm(deviations, axis=1)
        lengths = np.where(taken, -np.inf, self._lengths)
        return int(np.flatnonzero(lengths >= lengths.max() * (1.0 - TIE))[0])


def _chunks(pool: StoredRows) -> Iterator[tuple[int, NDArray[np.float64]]]:
    for first, block in pool.blocks():
        for start in range(0, len(block), CHUNK):
            rows = block[start : start + CHUNK].astype(np.float64)
            if not np.isfinite(rows.sum()):
                bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
                if len(bad):
                    raise StructureError(f"{pool.where(first + start + int(bad[0]))}: features that are not finite")
            yield first + start, rows


def _points(rows: NDArray[np.float64], metric: str, factors: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Place rows so that Euclidean distances order pairs as the metric does: for the cosine on the unit sphere."""
    if factors is not None:
        rows = rows * factors
    if metric == "cosine":
        largest = np.abs(rows).max(axis=1, keepdims=True)
        rows = rows / np.where(largest > 0, largest, 1.0)
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(length > 0, length, 1.0)
    return rows
