"""From what was given as a pool to one of the kinds of pools."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.collection import StructuresLike
from mlipselect.selection.candidate_pool import CandidatePool
from mlipselect.selection.options import Options
from mlipselect.selection.store_pool import SharePool, StorePool
from mlipselect.selection.structure_pool import StructurePool
from mlipselect.stores import FeatureStore
from mlipselect.stores.joined import JoinedStores, open_stores
from mlipselect.stores.manifest import MANIFEST


def open_pool(pool: Any, options: Options) -> CandidatePool:
    """Open what was given as a pool.

    Raises
    ------
    InvalidInputError
        Stores together with structures.
    """
    if isinstance(pool, CandidatePool):
        return pool
    store = as_store(pool)
    shard = options.candidates.shard
    if store is not None:
        return StorePool(store) if shard is None else SharePool(store, shard)
    return StructurePool(cast("StructuresLike", pool), options)


def as_store(pool: Any) -> JoinedStores | None:
    """Return the stores that were given or named, alone, as a pool; None for anything else."""
    if isinstance(pool, JoinedStores):
        return pool
    given = list(pool) if isinstance(pool, (list, tuple)) else [pool]
    stores = [is_store(item) for item in given]
    if given and all(stores):
        return open_stores(given)
    if any(stores):
        raise InvalidInputError(
            f"{given[stores.index(True)]}: a store of features, which cannot be a pool together with structures"
        )
    return None


def is_store(item: Any) -> bool:
    """Tell a store, or the folder of one, from anything else."""
    if isinstance(item, (str, os.PathLike)):
        return (Path(item) / MANIFEST).is_file()
    return isinstance(item, FeatureStore)
