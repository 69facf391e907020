"""Fill a store with the features of files; a run that was stopped continues where it stopped."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike

from mlipselect.descriptors.base import Bindable, DescriptorLike, bound
from mlipselect.descriptors.record import describe_descriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.blocks import describe
from mlipselect.features.container import Rows
from mlipselect.features.describe import Describer
from mlipselect.io.collection import Structures, StructuresLike
from mlipselect.io.digest import sha256
from mlipselect.io.frames import Frame, raw_frames
from mlipselect.progress import progress_bar
from mlipselect.stores.manifest import Manifest
from mlipselect.stores.reader import FeatureStore
from mlipselect.stores.writer import StoreWriter

SHARD_BYTES = 32 << 20
"""Bytes of rows in a shard: the most that a stop loses."""
EXPECTED_ATOMS = 128
"""Assumed atoms per structure in the size of a shard with atomic rows."""


def fill_store(
    structures: StructuresLike,
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
    """Describe the structures of files into a store; see `featurize` for the parameters.

    Raises
    ------
    StructureError
        A structure that cannot be read or described; the shards before it stay.
    InvalidInputError
        Structures that are not in files, a folder that holds something else, or one that cannot be written to.
    """
    collection = structures if isinstance(structures, Structures) else Structures(structures)
    if not collection.paths:
        raise InvalidInputError("store: expected files with structures, so that a run that was stopped can go on")
    for source in collection.sources:
        if source.path != source.name:
            raise InvalidInputError(f"{source.name}: expected a file, as a store reads chosen structures again")
    if isinstance(descriptor, Bindable):
        if not collection.digests:
            collection.survey(progress)
        descriptor = bound(descriptor, collection.examples)
    digests = [collection.digests.get(source.name) or sha256(source.path) for source in collection.sources]
    elements = tuple(composition)
    describer = Describer(descriptor, n_threads)
    first = next(_frames(collection, 0))[1]
    width = describer.means([first]).shape[1] + len(elements)
    row_bytes = width * np.dtype(dtype).itemsize * (EXPECTED_ATOMS if rows == "atoms" else 1)
    expected = Manifest(
        width=width,
        dtype=np.dtype(dtype).name,
        descriptor=describe_descriptor(descriptor),
        composition=list(elements),
        atomic_rows=rows == "atoms",
        shard_rows=max(1, SHARD_BYTES // row_bytes),
    )
    named = [source.given for source in collection.sources]
    writer = StoreWriter(path, named, digests, expected, append=append, reading=collection.reading.recorded())
    if not writer.is_complete:
        total = len(collection) or None
        with progress_bar(progress, total=total, initial=writer.skip, unit="structure", desc="features") as bar:
            numbered = _frames(collection, writer.skip)
            while chunk := _peeked(numbered):
                files: list[int] = []
                frames = _noted(itertools.islice(chunk, expected.shard_rows), files)
                features = describe(frames, describer, rows=rows, composition=elements, dtype=dtype, bar=bar)
                origin = np.column_stack([files, [index for _, index in features.sources], features.n_atoms])
                writer.add(features.per_structure, origin.astype(np.int64), features.per_atom)
                numbered = chunk
        writer.finish()
    return FeatureStore.open(path, verify=False)


def _frames(collection: Structures, skip: int) -> Iterator[tuple[int, Frame]]:
    """Yield the candidates after the first `skip`, which are not parsed, each with the number of its file."""
    isolated = set(collection.isolated_positions)
    sources = enumerate(collection.sources)
    raws = ((number, raw) for number, source in sources for raw in raw_frames(source, collection.reading))
    kept = (numbered for position, numbered in enumerate(raws) if position not in isolated)
    for number, raw in itertools.islice(kept, skip, None):
        yield number, Frame.parse(raw)


def _peeked(frames: Iterator[tuple[int, Frame]]) -> Iterator[tuple[int, Frame]] | None:
    """Return an iterator over the same frames, or None if there are no more."""
    first = next(frames, None)
    return None if first is None else itertools.chain([first], frames)


def _noted(frames: Iterator[tuple[int, Frame]], files: list[int]) -> Iterator[Frame]:
    for number, frame in frames:
        files.append(number)
        yield frame
