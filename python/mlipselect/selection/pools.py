"""From what was given as a pool to one of the kinds of pools."""

from __future__ import annotations

import os
from typing import Any, cast

from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.io.collection import StructuresLike
from mlipselect.selection.candidate_pool import CandidatePool
from mlipselect.selection.described import is_archive, is_store
from mlipselect.selection.options import Options
from mlipselect.selection.store_pool import SharePool, StorePool
from mlipselect.selection.structure_pool import StructurePool
from mlipselect.stores.joined import JoinedStores, open_stores


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
    for item in pool if isinstance(pool, (list, tuple)) else [pool]:
        if isinstance(item, Features) or is_archive(item):
            name = "the pool" if isinstance(item, Features) else os.fspath(item)
            raise InvalidInputError(
                f"{name}: features without their structures can be a core, not a pool: give the files, or a store of "
                "them (featurize --store)"
            )
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
