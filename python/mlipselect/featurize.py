"""Describe structures: one row each, and one per atom if asked for."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args, overload

import numpy as np
from numpy.typing import DTypeLike

from mlipselect._core import thread_count
from mlipselect.descriptors.base import Bindable, DescriptorLike, bound
from mlipselect.descriptors.record import describe_descriptor
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.features.blocks import describe
from mlipselect.features.container import Features, Rows
from mlipselect.features.describe import Describer
from mlipselect.features.equal_rows import tell_equal_rows
from mlipselect.io.checks import Checks
from mlipselect.io.collection import Structures, StructuresLike, separate
from mlipselect.io.frame import Frame
from mlipselect.io.inspection import Inspector, Rejected, some
from mlipselect.io.isolated import Isolated, mark_of, marks_of
from mlipselect.io.reading import Reading
from mlipselect.progress import progress_bar
from mlipselect.stores.fill import fill_store
from mlipselect.stores.reader import FeatureStore
from mlipselect.utils.told import counted


@overload
def featurize(
    structures: StructuresLike,
    descriptor: DescriptorLike,
    *,
    reading: Reading | None = None,
    rows: Rows = "structure",
    composition: Sequence[str] = (),
    dtype: DTypeLike = np.float64,
    isolated: str | Sequence[str] | None = None,
    min_bond: float | None = None,
    max_force: float | None = None,
    skip_bad: bool = False,
    n_threads: int | None = None,
    progress: bool | None = None,
    store: None = None,
    append: bool = False,
) -> Features: ...


@overload
def featurize(
    structures: StructuresLike,
    descriptor: DescriptorLike,
    *,
    reading: Reading | None = None,
    rows: Rows = "structure",
    composition: Sequence[str] = (),
    dtype: DTypeLike = np.float64,
    isolated: str | Sequence[str] | None = None,
    min_bond: float | None = None,
    max_force: float | None = None,
    skip_bad: bool = False,
    n_threads: int | None = None,
    progress: bool | None = None,
    store: str | os.PathLike[str],
    append: bool = False,
) -> FeatureStore: ...


def featurize(
    structures: StructuresLike,
    descriptor: DescriptorLike,
    *,
    reading: Reading | None = None,
    rows: Rows = "structure",
    composition: Sequence[str] = (),
    dtype: DTypeLike = np.float64,
    isolated: str | Sequence[str] | None = None,
    min_bond: float | None = None,
    max_force: float | None = None,
    skip_bad: bool = False,
    n_threads: int | None = None,
    progress: bool | None = None,
    store: str | os.PathLike[str] | None = None,
    append: bool = False,
) -> Features | FeatureStore:
    """Compute the features of structures.

    Parameters
    ----------
    structures : path, iterable of paths, ase.Atoms or iterable of ase.Atoms
        Structures to describe. Files are gone through twice, to look at all structures first, and large ones are never
        held whole; neither are generators, unless the descriptor has to see all structures first (`ACE`).
    descriptor : object or callable
        An object with ``features(atoms) -> (n_atoms, d)``, or a callable that returns that array. If it also has
        ``site_features(list_of_atoms, n_threads=None)`` or ``structure_features(list_of_atoms, n_threads=None)``
        (features of all atoms, and their means per structure), these are called on whole batches.
    rows : {"structure", "atoms"}, default="structure"
        Rows to keep: the mean over the atoms of each structure, or the atomic rows as well.
    composition : sequence of str, optional
        Elements whose fractions are appended as columns; see `balance_composition`, which scales them.
    dtype : dtype, default=float64
        Type of the result, float64 or float32.
    isolated : str or sequence of str, optional
        One or several ``"KEY=VALUE"`` that mark isolated atoms, which get no row. A store remembers the marks and where
        they are; `select` writes them first.
    min_bond, max_force : float, optional
        Atoms that are too close and forces that are too large; as for `select`.
    skip_bad : bool, default=False
        Pass over structures that cannot be read or described, or that `min_bond`, or its default, or `max_force`
        refuses. They are in the attribute ``rejected``. Into a `store`, a structure on which the descriptor fails is
        refused all the same.
    n_threads : int, optional
        Threads for descriptors that work on batches; all cores by default, and with -1.
    progress : bool, optional
        Show a progress bar on the standard error, after one second; by default where that is a terminal.
    reading : Reading, optional
        How files are read where they do not say it themselves.
    store : path, optional
        Folder to write the features to, shard by shard, instead of holding them in memory; only for files. A call that
        was stopped is continued by a call with the same arguments.
    append : bool, default=False
        Add the files to those that are in `store` already.

    Returns
    -------
    Features, or FeatureStore with `store`
        Features of shape (n_structures, d), or (n_structures, d + n_elements) with element columns.

    Raises
    ------
    StructureError
        A structure that cannot be read or described (no atoms, positions that are not finite, ``pbc``
        without a cell vector, features that are not finite or of another length than before); the message
        says which.
    InvalidInputError
        No structures at all, or an argument out of its range.

    Notes
    -----
    If the number of structures is known beforehand, as for a list, the result is allocated once. Otherwise it grows in
    place by a quarter at a time. There is never a second copy of it.

    Examples
    --------
    >>> import ase.build, mlipselect as ms
    >>> pool = [ase.build.bulk("Si", a=a) for a in (5.3, 5.4, 5.5)]
    >>> def pair_distance(atoms):
    ...     return atoms.get_all_distances(mic=True).sum(axis=1, keepdims=True)
    >>> ms.featurize(pool, pair_distance).per_structure.round(2).T
    array([[2.29, 2.34, 2.38]])
    """
    if rows not in get_args(Rows):
        raise InvalidInputError(f"rows: expected one of {', '.join(get_args(Rows))}, got {rows!r}")
    if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise InvalidInputError(f"dtype: expected float32 or float64, got {np.dtype(dtype)}")
    thread_count(n_threads)
    checks = Checks(min_bond, max_force, skip_bad)
    marks = () if isolated is None else marks_of(isolated)
    if isinstance(structures, Structures):
        if isolated is not None or checks != Checks():
            raise InvalidInputError("isolated, min_bond, max_force, skip_bad: not beside Structures, which have them")
        collection = structures
    else:
        paths, in_memory = separate(structures)
        if not (paths or isinstance(in_memory, list) or isinstance(descriptor, Bindable)):
            stream = _Stream(in_memory, marks, checks)
            return _features(stream, descriptor, n_threads, rows, tuple(composition), dtype, progress)
        collection = Structures(paths or in_memory, marks, reading=reading, checks=checks)
    if not collection.is_surveyed:
        collection.survey(progress)
    descriptor = bound(descriptor, collection.examples)
    if store is not None:
        return fill_store(
            collection, descriptor, store, rows=rows, composition=composition, dtype=dtype, append=append,
            n_threads=n_threads, progress=progress,
        )  # fmt: skip
    features = _features(collection, descriptor, n_threads, rows, tuple(composition), dtype, progress)
    if collection is not structures:
        tell_equal_rows([features.per_structure[:, : features.shape[1] - len(composition)]], descriptor)
    return features


class _Stream:
    """Structures that come once, looked at as they pass.

    Parameters
    ----------
    frames : iterable of Frame
        The structures.
    marks : sequence of Isolated
        Marks of isolated atoms, which are left out.
    checks : Checks
        What structures are looked at for.
    """

    def __init__(self, frames: Iterable[Frame], marks: Sequence[Isolated], checks: Checks):
        self._frames = frames
        self._inspector = Inspector(checks, lambda frame: mark_of(frame, marks) is not None)
        self.rejected = self._inspector.rejected
        self.checks: Checks | None = checks
        self.candidates: list[int] = []
        self.n_atoms, self.where, self.marks = 0, "", tuple(map(str, marks))

    def iter_candidates(self) -> Iterator[Frame]:
        """Yield the sound structures, and tell what was seen after the last one."""
        for passed in self._inspector.look(self._frames):
            for position, frame in zip(*passed.candidates, strict=True):
                self.candidates.append(position)
                yield frame
        self._inspector.conclude(len(self.candidates))

    def drop(self, places: Mapping[int, StructureError]) -> None:
        """Reject some structures after all, by their places among the sound ones."""
        for place, error in places.items():
            position = self.candidates[place]
            self.rejected[position] = Rejected(error.source, position, error.problem)


def _features(
    structures: Structures | _Stream,
    descriptor: DescriptorLike,
    n_threads: int | None,
    rows: Rows,
    composition: tuple[str, ...],
    dtype: DTypeLike,
    progress: bool | None,
) -> Features:
    """Describe the candidates in memory, and drop those that cannot be described where such are passed over."""
    failed: dict[int, StructureError] | None = {} if structures.checks and structures.checks.skip_bad else None
    expected = (len(structures.candidates) or None, structures.n_atoms or None)
    with progress_bar(progress, total=expected[0], unit="structure", desc="features") as bar:
        features = describe(
            structures.iter_candidates(), Describer(descriptor, n_threads), rows=rows, composition=composition,
            dtype=dtype, expected=expected,
            bar=bar, failed=failed,
        )  # fmt: skip
    if failed:
        structures.drop(failed)
        logging.getLogger("mlipselect").warning(
            "%s%s cannot be described and %s passed over: %s",
            counted(len(failed), "structure"),
            structures.where,
            "is" if len(failed) == 1 else "are",
            some(failed.values()),
        )
    features.rejected = [structures.rejected[position] for position in sorted(structures.rejected)]
    features.descriptor, features.marks = describe_descriptor(descriptor), structures.marks
    return features
