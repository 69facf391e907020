"""Selections from rows on disk: how much is read at a time, and what is known of all rows before the first pick."""

from __future__ import annotations

import logging
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlipselect import _core
from mlipselect.selectors.base import FloatMatrix, MappedRows, StoredRows

logger = logging.getLogger("mlipselect.memory")

Kind: TypeAlias = Literal["variances", "distances"]
Sizes: TypeAlias = tuple[int, int, int]
"""Rows that are read at a time, rows of a window as it begins, rows of a window at most."""
Sums: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]


class Windows(Protocol):
    """Rows with bounds of their scores on other machines, which are asked for windows; see `_core.BoundedRows`."""

    def survey(self, known: Any) -> None:
        """Begin anew: find the bounds of all rows, given a posterior or the rows of centres."""

    def observe(self, news: Any) -> None:
        """Learn of picks: of their directions, or None, and the posterior after them; or of their rows."""

    def exclude(self, candidates: NDArray[np.int64]) -> None:
        """Never name these again."""

    def window(
        self, size: int, *, sharp: bool = False
    ) -> tuple[NDArray[np.int64], FloatMatrix, NDArray[np.float64], float]:
        """Give the rows with the largest bounds (indices, ascending; rows; bounds) and the largest bound outside."""


@runtime_checkable
class RowsElsewhere(Protocol):
    """Rows that other machines go through."""

    def bounded(self, kind: Kind, **options: Any) -> Windows:
        """Hold the rows there, with bounds; options are those of `_core.BoundedRows`."""

    def column_sums(self, origin: NDArray[np.float64]) -> list[Sums]:
        """Give `_core.column_sums` of each store."""


def window_sizes(rows: StoredRows, kind: Kind, max_memory: int) -> Sizes:
    """Settle how much is read at a time, and how many rows a window has.

    Raises
    ------
    MemoryLimitError
        `max_memory` is too little; the message says what is needed.
    """
    block, window, largest, in_all = _core.window_sizes(kind, MappedRows(rows), max_memory)
    n, d = rows.shape
    logger.info(
        "selection from disk: %d rows of %d features, windows of %d rows, about %.0f MB in all",
        n, d, window, in_all / 1e6,
    )  # fmt: skip
    return block, window, largest


def windows_elsewhere(rows: StoredRows, kind: Kind, **options: Any) -> Windows | None:
    """Hold rows with bounds where they are, if that is not here."""
    return rows.bounded(kind, **options) if isinstance(rows, RowsElsewhere) else None


def stored_scales(rows: StoredRows, core: FloatMatrix | None, n_threads: int | None = None) -> NDArray[np.float64]:
    """One over the standard deviation of each column of pool and core together, and 1 for columns that are constant.

    Raises
    ------
    StructureError
        A row that is not finite.
    """
    # Deviations from some row lose less to rounding than the values themselves, whose mean may be large.
    origin = rows.take([0])[0].astype(np.float64)
    if isinstance(rows, RowsElsewhere):
        sums = rows.column_sums(origin)
    else:
        # Store by store, so that sums have the same bits wherever the stores are.
        stores = getattr(rows, "stores", [rows])
        sums = [_core.column_sums(MappedRows(store), origin, n_threads=n_threads) for store in stores]
    count = len(rows)
    if core is not None and len(core):
        sums.append(_core.column_sums(core, origin, is_core=True, n_threads=n_threads))
        count += len(core)
    return _core.scales_of_sums(sums, count)
