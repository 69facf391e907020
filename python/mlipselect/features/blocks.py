"""Compute the features of frames, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlipselect.exceptions import InvalidInputError, MlipselectError, StructureError
from mlipselect.features.composition import one_hot
from mlipselect.features.container import Features, Rows
from mlipselect.features.describe import Describer, batches, mean_rows
from mlipselect.features.element_counts import ElementCounts
from mlipselect.features.rows import RowBuffer
from mlipselect.io.frame import Frame, FrameStructures, errors_name, flat_frames


def describe(
    frames: Iterable[Frame],
    describer: Describer,
    *,
    rows: Rows,
    composition: tuple[str, ...],
    dtype: DTypeLike,
    bar: Any,
    expected: tuple[int | None, int | None] = (None, None),
    failed: dict[int, StructureError] | None = None,
) -> Features:
    """Describe frames in their order.

    Parameters
    ----------
    frames : iterable of Frame
        Frames to describe.
    describer : Describer
        The descriptor with its checks.
    rows : {"structure", "atoms"}
        Rows to keep: those of structures, or those of atoms as well.
    composition : tuple of str
        Elements whose fractions are appended as columns.
    dtype : dtype
        Type of the result.
    bar : progress bar
        Advanced by one for each structure.
    expected : (int or None, int or None)
        Numbers of structures and of atoms, None where unknown.
    failed : dict, optional
        Takes why structures could not be described, by their places among the frames; they are passed over.

    Raises
    ------
    StructureError
        A structure that cannot be described, or with `failed` none that can.
    InvalidInputError
        No structures at all.
    """
    keeps_atoms = rows == "atoms"
    means: RowBuffer | None = None
    sites: RowBuffer | None = None
    counts: list[ElementCounts] = []
    n_atoms: list[int] = []
    sources: list[tuple[str | None, int]] = []
    for batch, site_rows, mean, marks in _described(frames, describer, keeps_atoms, composition, failed):
        sizes = [frame.n_atoms for frame in batch]
        width = mean.shape[1]
        if means is None:
            means = RowBuffer(width + len(composition), dtype, expected[0])
            sites = RowBuffer(width + len(composition), dtype, expected[1]) if keeps_atoms else None
        _fill(means.extend(len(batch)), mean, None if marks is None else mean_rows(marks, sizes))
        if sites is not None and site_rows is not None:
            _fill(sites.extend(len(site_rows)), site_rows, marks)
        n_atoms += sizes
        counts.append(ElementCounts.of(FrameStructures(batch)))
        sources += [(frame.source, frame.index) for frame in batch]
        bar.update(len(batch))
    if means is None:
        if failed:
            raise next(iter(failed.values()))
        raise InvalidInputError("expected at least one structure, got none")
    return Features(
        per_structure=means.finish(),
        n_atoms=np.array(n_atoms, dtype=np.int64),
        per_atom=None if sites is None else sites.finish(),
        offsets=None if sites is None else np.concatenate([[0], np.cumsum(n_atoms)]).astype(np.int64),
        sources=sources,
        composition=composition,
        counts=ElementCounts.together(counts),
    )


_Described: TypeAlias = tuple[list[Frame], NDArray[Any] | None, NDArray[Any], NDArray[np.float64] | None]
"""Structures, rows of their atoms if wanted, means of these, and marks of the elements of their atoms if wanted."""


def _described(
    frames: Iterable[Frame],
    describer: Describer,
    keeps_atoms: bool,
    composition: tuple[str, ...],
    failed: dict[int, StructureError] | None,
) -> Iterator[_Described]:
    """Describe frames batch by batch, without those that fail where `failed` takes them."""

    def described(batch: list[Frame]) -> _Described:
        sites = describer.sites(batch) if keeps_atoms else None
        mean = describer.means(batch) if sites is None else mean_rows(sites, [frame.n_atoms for frame in batch])
        marks = _one_hot(batch, composition) if composition else None
        return batch, sites, mean, marks

    place = 0
    for whole in batches(frames):
        parts = [whole]
        while parts:
            batch = parts.pop()
            try:
                done = described(batch)
            except Exception as error:
                is_of_structure = isinstance(error, StructureError) or not isinstance(
                    error, (MlipselectError, MemoryError)
                )
                if failed is None or not is_of_structure:
                    raise
                if len(batch) == 1:
                    failed[place] = _failure(error, batch[0])
                    place += 1
                else:  # The faulty structure is in one of the halves.
                    half = len(batch) // 2
                    parts += [batch[half:], batch[:half]]
                continue
            place += len(batch)
            yield done


def _failure(error: Exception, frame: Frame) -> StructureError:
    """Say why a structure could not be described."""
    if isinstance(error, StructureError):
        return error
    problem = f"the descriptor failed: {type(error).__name__}: {error}"
    return StructureError(problem, frame.index, frame.source)


def _fill(block: NDArray[Any], described: NDArray[Any], fractions: NDArray[Any] | None) -> None:
    width = described.shape[1]
    block[:, :width] = described
    if fractions is not None:
        block[:, width:] = fractions


def _one_hot(batch: Sequence[Frame], elements: tuple[str, ...]) -> NDArray[np.float64]:
    """Mark the element of each atom of some structures."""
    try:
        return one_hot(flat_frames(batch).numbers, elements)
    except StructureError:
        for frame in batch:
            with errors_name(frame):
                one_hot(frame.numbers, elements)
        raise
