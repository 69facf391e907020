"""A store whose rows are widened by columns of element fractions, which are made from its compositions."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.features.composition import scale_composition, with_composition
from mlipselect.features.container import Features
from mlipselect.stores.manifest import Manifest
from mlipselect.stores.reader import FeatureStore

HELD_BYTES = 4 << 20
"""Element columns up to this size are held in memory, larger ones in a temporary file."""


class SideBySide:
    """Two matrices that the compiled parts read as one, without a copy.

    Attributes
    ----------
    beside : (ndarray, ndarray)
        The first columns, and those that follow.
    """

    def __init__(self, left: NDArray[Any], right: NDArray[Any]):
        self.beside = (left, right)


class WidenedStore(FeatureStore):
    """The rows of a store with scaled element fractions as their last columns.

    The store itself stays as it is, and element columns that its rows have are left out.

    Parameters
    ----------
    path, manifest, numbers
        As of a `FeatureStore`.
    elements : sequence of str
        Elements with a column each.
    scale : float
        Factor of the fractions; see `balance_composition`.
    """

    def __init__(
        self, path: Path, manifest: Manifest, numbers: Sequence[int] | None, elements: Sequence[str], scale: float
    ):
        super().__init__(path, manifest, numbers)
        self.elements = tuple(elements)
        self._scale = scale

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_columns"}

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of structures and of features."""
        return len(self), self.n_described + len(self.elements)

    @property
    def composition(self) -> tuple[str, ...]:
        """Elements whose fractions are the last columns."""
        return self.elements

    @property
    def composition_scale(self) -> float:
        """Factor of the element fractions."""
        return self._scale

    @property
    def squares(self) -> tuple[float, int]:
        """Sum of the squares of all features, and the number of features."""
        columns = (self._fractions(shard).astype(np.float64) for shard in range(len(self.shards)))
        fractions = sum(float(np.einsum("ij,ij->", own, own)) for own in columns)
        return self.described_squares + fractions, len(self) * self.shape[1]

    def parts(self) -> list[Any]:
        """Return the rows of each shard, mapped from disk."""
        described = (self._mapped(shard)[:, : self.n_described] for shard in range(len(self.shards)))
        if not self.elements:
            return list(described)
        return [SideBySide(left, self._fractions(shard)) for shard, left in enumerate(described)]

    def load(self) -> Features:
        """Read the rows of structures into memory."""
        features = with_composition(FeatureStore(self.path, self.manifest, self._numbers).load(), self.elements)
        scale_composition(features, self._scale)
        return features

    def _like(self, path: Path, manifest: Manifest, numbers: Sequence[int]) -> FeatureStore:
        return WidenedStore(path, manifest, numbers, self.elements, self._scale)

    def _rows(self, shard: int, index: NDArray[np.int64] | slice) -> NDArray[Any]:
        return np.hstack([self._mapped(shard)[index, : self.n_described], self._fractions(shard)[index]])

    def _fractions(self, shard: int) -> NDArray[Any]:
        """Return the element columns of a shard."""
        return self._columns[self._starts[shard] : self._starts[shard + 1]]

    @functools.cached_property
    def _columns(self) -> NDArray[Any]:
        shape = (len(self), len(self.elements))
        own = (scaled_fractions(self, shard, self.elements, self._scale) for shard in range(len(self.shards)))
        if shape[0] * shape[1] * self.dtype.itemsize <= HELD_BYTES:
            return np.concatenate(list(own)) if self.elements else np.empty(shape, self.dtype)
        try:
            with tempfile.TemporaryFile(prefix="mlipselect-") as stream:
                for fractions in own:
                    stream.write(fractions.tobytes())
                stream.flush()
                # The mapping outlives the file, which has no name.
                return np.memmap(stream, dtype=self.dtype, mode="r", shape=shape)
        except OSError as error:
            raise InvalidInputError(
                f"{tempfile.gettempdir()}: element columns cannot be written there: {error.strerror}; set TMPDIR to a "
                "folder with room"
            ) from error


def scaled_fractions(store: FeatureStore, shard: int, elements: Sequence[str], scale: float = 1.0) -> NDArray[Any]:
    """Make the element columns of a shard, in the type of its rows."""
    fractions = store.counts(shard).fractions(elements, store.dtype)
    fractions *= scale
    return fractions


def widened(store: FeatureStore, elements: Sequence[str], scale: float) -> FeatureStore:
    """Return a store with scaled fractions of some elements as its last columns, in place of any that it has."""
    if not elements and not store.composition:
        return store
    return WidenedStore(store.path, store.manifest, store._numbers, elements, scale)
