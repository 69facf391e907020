"""Compute the features of frames, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.features.composition import one_hot
from mlipselect.features.container import Features, Rows
from mlipselect.features.describe import Describer, batches, mean_rows
from mlipselect.features.element_counts import ElementCounts
from mlipselect.features.rows import RowBuffer
from mlipselect.io.frames import Frame


def describe(
    frames: Iterable[Frame],
    describer: Describer,
    *,
    rows: Rows,
    composition: tuple[str, ...],
    dtype: DTypeLike,
    bar: Any,
    expected: tuple[int | None, int | None] = (None, None),
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

    Raises
    ------
    StructureError
        A structure that cannot be described.
    InvalidInputError
        No structures at all.
    """
    keeps_atoms = rows == "atoms"
    means: RowBuffer | None = None
    sites: RowBuffer | None = None
    counts: list[ElementCounts] = []
    n_atoms: list[int] = []
    sources: list[tuple[str | None, int]] = []
    for batch in batches(frames):
        sizes = [len(frame.atoms) for frame in batch]
        site_rows = describer.sites(batch) if keeps_atoms else None
        mean = describer.means(batch) if site_rows is None else mean_rows(site_rows, sizes)
        width = mean.shape[1]
        if means is None:
            means = RowBuffer(width + len(composition), dtype, expected[0])
            sites = RowBuffer(width + len(composition), dtype, expected[1]) if keeps_atoms else None
        marks = np.concatenate([_one_hot(frame, composition) for frame in batch]) if composition else None
        _fill(means.extend(len(batch)), mean, None if marks is None else mean_rows(marks, sizes))
        if sites is not None and site_rows is not None:
            _fill(sites.extend(len(site_rows)), site_rows, marks)
        n_atoms += sizes
        counts.append(ElementCounts.of([frame.atoms for frame in batch]))
        sources += [(frame.source, frame.index) for frame in batch]
        bar.update(len(batch))
    if means is None:
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


def _fill(block: NDArray[Any], described: NDArray[Any], fractions: NDArray[Any] | None) -> None:
    width = described.shape[1]
    block[:, :width] = described
    if fractions is not None:
        block[:, width:] = fractions


def _one_hot(frame: Frame, elements: tuple[str, ...]) -> NDArray[np.float64]:
    try:
        return one_hot(frame.atoms, elements)
    except StructureError as error:
        raise StructureError(error.problem, frame.index, frame.source) from None
