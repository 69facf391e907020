"""How much memory a selection from rows on disk takes, and how many rows its windows get of what is allowed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import NamedTuple

from mlipselect.exceptions import MemoryLimitError
from mlipselect.selectors.base import StoredRows

logger = logging.getLogger("mlipselect.memory")

SMALLEST = 1024
"""Rows of a window, where there are as many."""
SMALLEST_BLOCK = 1 << 20
"""Bytes of features that are read at a time, at least."""
BLOCKS = 20
"""Of memory beyond the least, one part in so many goes to what is read at a time."""


@dataclass(frozen=True)
class Footprint:
    """Bytes that a kind of selection takes.

    Attributes
    ----------
    row : int
        For each row of the pool.
    block_bytes : int
        Features that are read at a time, where there is memory.
    feature : int
        For each feature of a row that is being worked on, beside the feature itself.
    matrices : int
        Matrices of the width of the features, in float64.
    share : int
        A window begins with this part of the pool.
    """

    row: int
    block_bytes: int
    feature: int
    matrices: int
    share: int

    def fixed(self, n: int, d: int, itemsize: int, block_bytes: int) -> int:
        """Give the bytes that are taken beside the rows of a window."""
        block = max(1, min(n, block_bytes // (d * itemsize))) * d
        return n * self.row + block * (2 * itemsize + self.feature) + self.matrices * d * d * 8 + (32 << 20)

    def window_row(self, d: int, itemsize: int) -> int:
        """Give the bytes that a row of a window takes: itself, its copy in integers, and what is known of it."""
        return d * (itemsize + 2) + 256


VARIANCES = Footprint(row=58, block_bytes=48 << 20, feature=14, matrices=16, share=40)
DISTANCES = Footprint(row=42, block_bytes=64 << 20, feature=4, matrices=0, share=100)


class Sizes(NamedTuple):
    """What a selection from disk takes at a time.

    Attributes
    ----------
    block_bytes : int
        Features that are read at a time.
    window : int
        Rows of a window.
    largest : int
        Rows of a window, at most.
    """

    block_bytes: int
    window: int
    largest: int


def window_sizes(rows: StoredRows, max_memory: int, footprint: Footprint) -> Sizes:
    """Settle how much is read at a time, and how many rows a window has.

    Raises
    ------
    MemoryLimitError
        `max_memory` is too little; the message says what is needed.
    """
    n, d = rows.shape
    itemsize = rows.dtype.itemsize
    row = footprint.window_row(d, itemsize)
    needed = footprint.fixed(n, d, itemsize, SMALLEST_BLOCK) + min(n, SMALLEST) * row
    if max_memory < needed:
        raise MemoryLimitError(
            f"a selection from {n} rows of {d} features on disk needs {needed} bytes, more than the {max_memory} "
            "allowed: raise max_memory"
        )
    block_bytes = min(footprint.block_bytes, SMALLEST_BLOCK + (max_memory - needed) // BLOCKS)
    fixed = footprint.fixed(n, d, itemsize, block_bytes)
    largest = min(n, (max_memory - fixed) // row)
    size = min(largest, max(SMALLEST, n // footprint.share))
    logger.info(
        "selection from disk: %d rows of %d features, windows of %d rows, about %.0f MB in all",
        n, d, size, (fixed + size * row) / 1e6,
    )  # fmt: skip
    return Sizes(block_bytes, size, largest)
