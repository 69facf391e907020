"""What keeps features of structures: a store or an archive; and whether it knows the isolated atoms of a job."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlipselect.exceptions import InvalidInputError
from mlipselect.stores.joined import JoinedStores
from mlipselect.stores.manifest import MANIFEST
from mlipselect.stores.reader import FeatureStore


def is_store(item: Any) -> bool:
    """Tell a store, or the folder of one, from anything else."""
    if isinstance(item, (str, os.PathLike)):
        return (Path(item) / MANIFEST).is_file()
    return isinstance(item, FeatureStore)


def is_archive(item: Any) -> bool:
    """Tell the path of an archive of features from anything else."""
    return isinstance(item, (str, os.PathLike)) and Path(item).suffix == ".npz"


def refuse_unmarked(pool: JoinedStores, marks: Sequence[str]) -> None:
    """Refuse stores with rows of structures that are marked as isolated atoms by marks that the stores do not know.

    Parameters
    ----------
    pool : JoinedStores
        The stores.
    marks : sequence of str
        Marks of isolated atoms, ``"KEY=VALUE"``.

    Raises
    ------
    InvalidInputError
        A store that was made without a mark that some of its structures have.
    """
    for store in pool.stores:
        for mark in [mark for mark in marks if mark not in store.manifest.marks]:
            key, _, value = mark.partition("=")
            for shard in range(len(store.shards)):
                single = np.flatnonzero(np.load(store.file(shard, "origin"), mmap_mode="r")[:, 2] == 1)
                info = store.info(shard) if len(single) else []
                if any(str(info[row].get(key)) == value for row in single):
                    raise InvalidInputError(
                        f"{store.path}: holds features of isolated atoms, {mark}: make it with --isolated {mark}, or "
                        "select with --isolated none"
                    )
