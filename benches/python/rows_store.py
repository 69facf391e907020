"""A feature store of rows that a benchmark makes, written as any build of the package writes its stores."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import mlipselect as ms

try:
    from mlipselect.stores.manifest import Manifest
    from mlipselect.stores.writer import StoreWriter
except ImportError:  # builds of before a package of stores
    from mlipselect.features.store import Manifest, StoreWriter  # type: ignore[no-redef]

NAME = "mixture"


def write_rows(folder: Path, blocks: Iterable[np.ndarray], dim: int, shard_rows: int) -> None:
    """Write blocks of float32 rows, each as a shard."""
    manifest = Manifest(dim, "float32", {"name": NAME}, [], False, shard_rows)
    writer = StoreWriter(folder, [_source()], ["0" * 64], manifest)
    first = 0
    for rows in blocks:
        _add(writer, rows, first)
        first += len(rows)
    writer.finish()


def _source() -> Any:
    try:
        from mlipselect.io.sources import Source
    except ImportError:  # builds of before slices of files
        return NAME
    return Source(NAME, NAME)


def _add(writer: StoreWriter, rows: np.ndarray, first: int) -> None:
    ones = np.ones(len(rows), dtype=np.int64)
    try:
        from mlipselect.features.element_counts import ElementCounts
    except ImportError:  # builds of before stores with compositions
        origin = np.column_stack([0 * ones, first + np.arange(len(rows)), ones])
        writer.add(rows, origin, None)  # type: ignore[arg-type,call-arg]
        return
    counts = ElementCounts(("Si",), ones[:, None].astype(np.int32))
    sources: list[tuple[str | None, int]] = [(NAME, first + k) for k in range(len(rows))]
    features = ms.Features(per_structure=rows, n_atoms=ones, sources=sources, counts=counts)
    writer.add(features, 0 * ones, [{}] * len(rows))
