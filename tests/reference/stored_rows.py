"""Rows in memory that look like rows on disk."""

from __future__ import annotations

import numpy as np


class Rows:
    """Rows in memory that are handed out as those on disk are, in shards of a size."""

    def __init__(self, X, shard):
        self.X, self.shard = X, shard
        self.shape, self.dtype = X.shape, X.dtype

    def __len__(self):
        return len(self.X)

    @property
    def squares(self):
        with np.errstate(over="ignore"):
            return float((self.X.astype(float) ** 2).sum()), self.X.size

    def take(self, indices):
        return self.X[indices]

    def blocks(self, rows=None):
        for start in range(0, len(self.X), self.shard):
            end = min(len(self.X), start + self.shard)
            for first in range(start, end, rows or self.shard):
                yield first, self.X[first : min(end, first + (rows or self.shard))]

    def parts(self):
        return [self.X[start : start + self.shard] for start in range(0, len(self.X), self.shard)]

    def where(self, row):
        return f"pool.xyz, frame {row}"
