"""Fill a store with the features of files; a run that was stopped continues where it stopped."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from mlipselect.descriptors.base import DescriptorLike
from mlipselect.descriptors.record import describe_descriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.blocks import describe
from mlipselect.features.container import Rows
from mlipselect.features.describe import Describer
from mlipselect.io.collection import Structures, as_group
from mlipselect.io.frame import Frame
from mlipselect.progress import progress_bar
from mlipselect.stores.manifest import Manifest
from mlipselect.stores.reader import FeatureStore
from mlipselect.stores.writer import StoreWriter

SHARD_BYTES = 32 << 20
"""Bytes of rows in a shard: the most that a stop loses."""
TEXT_LENGTH = 200
"""Longest text of `Atoms.info` that is kept: groups have names, not descriptions."""
EXPECTED_ATOMS = 128
"""Assumed atoms per structure in the size of a shard with atomic rows."""


def fill_store(
    collection: Structures,
    descriptor: DescriptorLike,
    path: str | os.PathLike[str],
    *,
    rows: Rows,
    composition: Sequence[str],
    dtype: DTypeLike,
    append: bool,
    n_threads: int | None,
    progress: bool | None,
) -> FeatureStore:
    """Describe the structures of files, surveyed, into a store; see `featurize` for the parameters.

    Raises
    ------
    StructureError
        A structure that cannot be read or described; the shards before it stay.
    InvalidInputError
        Structures that are not in files, a folder that holds something else, or one that cannot be written to.
    """
    if not collection.paths:
        raise InvalidInputError("store: expected files with structures, so that a run that was stopped can go on")
    for source in collection.sources:
        if source.path != source.name:
            raise InvalidInputError(f"{source.name}: expected a file, as a store reads chosen structures again")
    digests = [collection.digests[source.name] for source in collection.sources]
    elements = tuple(composition)
    describer = Describer(descriptor, n_threads)
    first = next(collection.iter_candidates(), None)
    if first is None:
        raise InvalidInputError("expected at least one structure that is no isolated atom, got none")
    width = describer.means([first]).shape[1] + len(elements)
    row_bytes = width * np.dtype(dtype).itemsize * (EXPECTED_ATOMS if rows == "atoms" else 1)
    expected = Manifest(
        width=width,
        dtype=np.dtype(dtype).name,
        descriptor=describe_descriptor(descriptor),
        composition=list(elements),
        atomic_rows=rows == "atoms",
        shard_rows=max(1, SHARD_BYTES // row_bytes),
        marks=list(collection.marks),
    )
    writer = StoreWriter(path, collection.sources, digests, expected, append=append, reading=collection.reading)
    if not writer.is_complete:
        total = len(collection.candidates) + len(collection.isolated_positions)
        with progress_bar(progress, total=total, initial=writer.skip, unit="structure", desc="features") as bar:
            numbered = _frames(collection, writer.skip, writer)
            while chunk := _peeked(numbered):
                files: list[int] = []
                info: list[dict[str, Any]] = []
                frames = _noted(itertools.islice(chunk, expected.shard_rows), files, info)
                features = describe(frames, describer, rows=rows, composition=elements, dtype=dtype, bar=bar)
                writer.add(features, files, info)
                numbered = chunk
        writer.finish()
        collection.reading.notes.tell()
    return FeatureStore.open(path, verify=False)


def _frames(collection: Structures, skip: int, writer: StoreWriter) -> Iterator[tuple[int, Frame]]:
    """Yield the candidates after the first `skip` structures, which are not parsed, each with the number of its file.

    Isolated atoms are passed over, and noted by the writer.
    """
    isolated = set(collection.isolated_positions)
    for position, frame in collection.iter_kept(skip):
        number, index = collection.origin(position)
        if position in isolated:
            writer.isolate(number, index)
        else:
            yield number, frame


def _peeked(frames: Iterator[tuple[int, Frame]]) -> Iterator[tuple[int, Frame]] | None:
    """Return an iterator over the same frames, or None if there are no more."""
    first = next(frames, None)
    return None if first is None else itertools.chain([first], frames)


def _noted(frames: Iterator[tuple[int, Frame]], files: list[int], info: list[dict[str, Any]]) -> Iterator[Frame]:
    """Yield frames, and note the number of the file of each and what a store keeps of its `Atoms.info`."""
    for number, frame in frames:
        files.append(number)
        info.append(kept_info(frame.info))
        yield frame


def kept_info(info: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the numbers and short texts among the values of `Atoms.info`, as groups have them."""
    kinds = (str, int, float, np.generic, type(None))
    scalars = {key: as_group(value) for key, value in info.items() if isinstance(key, str) and isinstance(value, kinds)}
    return {key: value for key, value in scalars.items() if not isinstance(value, str) or len(value) <= TEXT_LENGTH}
