"""Describe structures: one row each, and one per atom if asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import get_args, overload

import numpy as np
from numpy.typing import DTypeLike

from mlipselect.descriptors.base import Bindable, DescriptorLike, bound
from mlipselect.descriptors.record import describe_descriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.blocks import describe
from mlipselect.features.container import Features, Rows
from mlipselect.features.describe import Describer
from mlipselect.io.collection import Isolated, Structures, StructuresLike, separate
from mlipselect.io.frames import Frame, iter_frames
from mlipselect.io.reading import Reading
from mlipselect.progress import progress_bar
from mlipselect.stores.fill import fill_store
from mlipselect.stores.reader import FeatureStore


@overload
def featurize(
    structures: StructuresLike,
    descriptor: DescriptorLike,
    *,
    reading: Reading | None = None,
    rows: Rows = "structure",
    composition: Sequence[str] = (),
    dtype: DTypeLike = np.float64,
    n_threads: int | None = None,
    progress: bool | None = None,
    store: None = None,
    append: bool = False,
    isolated: str | None = None,
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
    n_threads: int | None = None,
    progress: bool | None = None,
    store: str | os.PathLike[str],
    append: bool = False,
    isolated: str | None = None,
) -> FeatureStore: ...


def featurize(
    structures: StructuresLike,
    descriptor: DescriptorLike,
    *,
    reading: Reading | None = None,
    rows: Rows = "structure",
    composition: Sequence[str] = (),
    dtype: DTypeLike = np.float64,
    n_threads: int | None = None,
    progress: bool | None = None,
    store: str | os.PathLike[str] | None = None,
    append: bool = False,
    isolated: str | None = None,
) -> Features | FeatureStore:
    """Compute the features of structures.

    Parameters
    ----------
    structures : path, iterable of paths, ase.Atoms or iterable of ase.Atoms
        Structures to describe. Files and generators are read in batches and never held whole, unless the descriptor
        has to see all structures first (`ACE` without elements).
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
    n_threads : int, optional
        Threads for descriptors that work on batches; all cores by default.
    progress : bool, optional
        Show a progress bar on the standard error, after one second; by default where that is a terminal.
    reading : Reading, optional
        How files are read where they do not say it themselves.
    store : path, optional
        Folder to write the features to, shard by shard, instead of holding them in memory; only for files. A call that
        was stopped is continued by a call with the same arguments.
    append : bool, default=False
        Add the files to those that are in `store` already.
    isolated : str, optional
        ``"KEY=VALUE"`` that marks isolated atoms, such as ``"config_type=isolated_atom"``. They are not described. A
        store remembers the mark and where they are; `select` writes them first.

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
    if reading is not None or isolated is not None:
        mark = None if isolated is None else Isolated.parse(isolated)
        structures = Structures(structures, mark, reading=reading)
    if store is not None:
        return fill_store(
            structures, descriptor, store, rows=rows, composition=composition, dtype=dtype, append=append,
            n_threads=n_threads, progress=progress,
        )  # fmt: skip
    structures, descriptor = _bound(structures, descriptor)
    frames, n_structures, n_atoms = _counted(structures)
    with progress_bar(progress, total=n_structures, unit="structure", desc="features") as bar:
        features = describe(
            frames,
            Describer(descriptor, n_threads),
            rows=rows,
            composition=tuple(composition),
            dtype=dtype,
            expected=(n_structures, n_atoms),
            bar=bar,
        )
    features.descriptor = describe_descriptor(descriptor)
    features.marks = structures.marks if isinstance(structures, Structures) else ()
    return features


def _bound(structures: StructuresLike, descriptor: DescriptorLike) -> tuple[StructuresLike, DescriptorLike]:
    """Bind the descriptor to the structures, if it has `bind`."""
    if not isinstance(descriptor, Bindable):
        return structures, descriptor
    structures = structures if isinstance(structures, Structures) else Structures(structures)
    if not structures.is_surveyed:
        structures.survey()
    return structures, bound(descriptor, structures.examples)


def _counted(structures: StructuresLike) -> tuple[Iterable[Frame], int | None, int | None]:
    """Return the frames, and the numbers of structures and atoms; None where only reading would tell."""
    if isinstance(structures, Structures):
        if not structures.is_surveyed:
            structures.survey()
        return structures.iter_candidates(), len(structures.candidates), structures.n_atoms
    paths, in_memory = separate(structures)
    if paths:
        return iter_frames(paths), None, None
    if isinstance(in_memory, list):
        return in_memory, len(in_memory), sum(len(frame.atoms) for frame in in_memory)
    return in_memory, None, None
