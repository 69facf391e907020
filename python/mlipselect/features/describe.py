"""Call a descriptor of any kind on batches of structures, and check what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mlipselect.descriptors.base import DescriptorLike, HasSiteFeatures, HasStructureFeatures, features_of
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.describable import check_frames
from mlipselect.io.frame import Frame, FrameStructures, errors_name_one_of

BATCH_ATOMS = 8192
"""Approximate number of atoms in a batch of structures: enough for every thread, little memory."""


def batches(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Check structures, and group them into batches of about `BATCH_ATOMS` atoms."""
    batch: list[Frame] = []
    n_atoms = 0
    for frame in frames:
        batch.append(frame)
        n_atoms += frame.n_atoms
        if n_atoms >= BATCH_ATOMS:
            check_frames(batch)
            yield batch
            batch, n_atoms = [], 0
    if batch:
        check_frames(batch)
        yield batch


class Describer:
    """A descriptor together with the checks on what it returns.

    Parameters
    ----------
    descriptor : object or callable
        See `featurize`.
    n_threads : int, optional
        Threads for descriptors that work on whole batches.
    """

    def __init__(self, descriptor: DescriptorLike, n_threads: int | None = None):
        self._one = features_of(descriptor)
        self._sites = descriptor.site_features if isinstance(descriptor, HasSiteFeatures) else None
        self._means = descriptor.structure_features if isinstance(descriptor, HasStructureFeatures) else None
        self._n_threads = n_threads
        self._width: int | None = None
        if not callable(self._one):
            raise InvalidInputError(
                "expected a descriptor with features(atoms) -> (n_atoms, d), or a callable, "
                f"got {type(descriptor).__name__}"
            )

    def means(self, batch: Sequence[Frame]) -> NDArray[Any]:
        """Describe structures by the means of their atomic features, shape (n_structures, d)."""
        if self._means is None:
            return mean_rows(self.sites(batch), [frame.n_atoms for frame in batch])
        rows = self._call(self._means, batch)
        return self._checked(rows, batch, [1] * len(batch))

    def sites(self, batch: Sequence[Frame]) -> NDArray[Any]:
        """Describe every atom of some structures, shape (n_atoms, d)."""
        if self._sites is not None:
            rows = self._call(self._sites, batch)
            return self._checked(rows, batch, [frame.n_atoms for frame in batch])
        return np.concatenate([self._single(frame) for frame in batch])

    def _call(self, method: Callable[..., Any], batch: Sequence[Frame]) -> Any:
        with errors_name_one_of(batch):
            return method(FrameStructures(batch), n_threads=self._n_threads)

    def _single(self, frame: Frame) -> NDArray[Any]:
        try:
            rows = self._one(frame.atoms)
        except StructureError as error:
            raise StructureError(error.problem, frame.index, frame.source) from error
        except Exception as error:
            _fail(f"the descriptor failed: {type(error).__name__}: {error}", frame, error)
        return self._checked(rows, [frame], [frame.n_atoms])

    def _checked(self, given: Any, batch: Sequence[Frame], counts: Sequence[int]) -> NDArray[Any]:
        """Refuse rows of a wrong shape or type, and rows that are not finite."""
        rows: NDArray[Any] = np.asarray(given)
        first = batch[0]
        if np.ma.is_masked(given):
            _fail("expected features that are all known, got a matrix with masked values", first)
        if rows.dtype.kind not in "fiu":
            _fail(f"expected features that are real numbers, got {rows.dtype}", first)
        if rows.ndim != 2 or len(rows) != sum(counts):
            _fail(f"expected features of shape ({sum(counts)}, d), got {rows.shape}", first)
        if self._width is None:
            self._width = rows.shape[1]
        if rows.shape[1] == 0:
            _fail("expected at least one feature, got none", first)
        if rows.shape[1] != self._width:
            _fail(f"expected {self._width} features as for the structures before, got {rows.shape[1]}", first)
        if not np.isfinite(rows).all():
            row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            position = int(np.searchsorted(np.cumsum(counts), row, side="right"))
            column = int(np.flatnonzero(~np.isfinite(rows[row]))[0])
            _fail(f"expected finite features, got {rows[row, column]} in feature {column}", batch[position])
        return rows


def mean_rows(sites: NDArray[Any], counts: Sequence[int]) -> NDArray[np.float64]:
    """Average the atomic rows of each structure, in double precision and in the order of the atoms."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sums: NDArray[np.float64] = np.add.reduceat(sites, starts, axis=0, dtype=np.float64)
    sums /= np.asarray(counts, dtype=np.float64)[:, None]
    return sums


def _fail(problem: str, frame: Frame, cause: Exception | None = None) -> NoReturn:
    raise StructureError(problem, frame.index, frame.source) from cause
