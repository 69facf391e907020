"""Selections from rows on disk: sizes of blocks and windows, rows on other machines, and scales of columns."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlipselect import _core
from mlipselect.exceptions import InvalidInputError
from mlipselect.selectors.base import FloatMatrix, MappedRows, StoredRows

logger = logging.getLogger("mlipselect.memory")

Kind: TypeAlias = Literal["variances", "distances"]
Sizes: TypeAlias = tuple[int, int, int]
"""Numbers of rows: of a block, of the first window and of the largest window."""
Sums: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]


class Windows(Protocol):
    """Rows on other machines, with bounds of their scores: a source of windows, as `_core.BoundedRows`."""

    def survey(self, known: Any) -> None:
        """Find the bounds of all rows, given a posterior or the rows of centres."""

    def observe(self, news: Any) -> None:
        """Record picks: their directions, or None, with the posterior after them; or, for distances, their rows."""

    def exclude(self, candidates: NDArray[np.int64]) -> None:
        """Leave these candidates out of all later windows."""

    def window(
        self, size: int, *, sharp: bool = False
    ) -> tuple[NDArray[np.int64], FloatMatrix, NDArray[np.float64], float]:
        """Return the rows with the largest bounds (indices, ascending; rows; bounds) and the largest bound outside."""


@runtime_checkable
class RowsElsewhere(Protocol):
    """Rows that are held and read by other machines."""

    def bounded(self, kind: Kind, **options: Any) -> Windows:
        """Make the source of windows on these machines; options are those of `_core.BoundedRows`."""

    def column_sums(self, origin: NDArray[np.float64]) -> list[Sums]:
        """Return `_core.column_sums` of each store."""


def window_sizes(rows: StoredRows, kind: Kind, max_memory: int) -> Sizes:
    """Return the sizes of blocks and windows for a limit of memory, and log them.

    Raises
    ------
    MemoryLimitError
        `max_memory` is too small; the message says how many bytes are needed.
    """
    block, window, largest, in_all = _core.window_sizes(kind, MappedRows(rows), max_memory)
    n, d = rows.shape
    logger.info(
        "selection from disk: %d rows of %d features, windows of %d rows, about %.0f MB in all",
        n, d, window, in_all / 1e6,
    )  # fmt: skip
    return block, window, largest


def windows_elsewhere(rows: StoredRows, kind: Kind, **options: Any) -> Windows | None:
    """Return the source of windows for rows on other machines, or None for rows on this one."""
    return rows.bounded(kind, **options) if isinstance(rows, RowsElsewhere) else None


@dataclass(frozen=True)
class Moments:
    """What the columns of pool and core together are like.

    Attributes
    ----------
    scales : ndarray of shape (d,)
        Inverse standard deviation of each column, or 1 where that is rounding.
    varies : ndarray of bool, shape (d,)
        Whether the spread of a column is more than rounding.
    mean_squares : ndarray of shape (d,)
        Mean square of each column.
    """

    scales: NDArray[np.float64]
    varies: NDArray[np.bool_]
    mean_squares: NDArray[np.float64]


def column_moments(rows: FloatMatrix | StoredRows, core: FloatMatrix | None, n_threads: int | None = None) -> Moments:
    """Return the spread and the size of each column over pool and core, in one pass; of a share, of the whole pool.

    Raises
    ------
    StructureError
        A row of a store that is not finite.
    InvalidInputError
        A row in memory that is not finite, or no row at all.
    """
    rows = getattr(rows, "whole", rows)
    if not len(rows):
        raise InvalidInputError("the pool is empty")
    # Sums of deviations from the first row round less than sums of the values, whose mean may be large.
    first = rows.take([0])[0] if isinstance(rows, StoredRows) else rows[0]
    origin = first.astype(np.float64)
    if isinstance(rows, RowsElsewhere):
        sums = rows.column_sums(origin)
    else:
        # Store by store, so that sums have the same bits on one machine and on many.
        parts = [MappedRows(x) for x in getattr(rows, "stores", [rows])] if isinstance(rows, StoredRows) else [rows]
        sums = [_core.column_sums(part, origin, n_threads=n_threads) for part in parts]
    count, is_single = len(rows), first.dtype == np.float32
    if core is not None and len(core):
        is_single |= core.dtype == np.float32
        sums.append(_core.column_sums(core, origin, is_core=True, n_threads=n_threads))
        count += len(core)
    return Moments(*_core.moments_of_sums(sums, count, origin, bool(is_single)))


def stored_scales(rows: StoredRows, core: FloatMatrix | None, n_threads: int | None = None) -> NDArray[np.float64]:
    """Return the inverse standard deviation of each column over pool and core, or 1 where that is rounding.

    Raises
    ------
    StructureError
        A row that is not finite.
    """
    return column_moments(rows, core, n_threads).scales
