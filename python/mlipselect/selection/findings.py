"""What a survey of pool and core found beside sound structures, told once."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np

from mlipselect.io.collection import Structures
from mlipselect.io.digest import tell_files_of_core
from mlipselect.io.inspection import some
from mlipselect.selection.core import Core
from mlipselect.stores.joined import JoinedStores
from mlipselect.stores.reader import FeatureStore
from mlipselect.utils.told import counted, is_or_are

_LOGGER = logging.getLogger("mlipselect")


def tell_marks(pool: Structures, core: Structures | None) -> None:
    """Tell marks of isolated atoms that nothing has, and isolated atoms by marks that nobody named."""
    found = dict(pool.marks_found)
    for mark, count in ({} if core is None else core.marks_found).items():
        found[mark] = found.get(mark, 0) + count
    missing = [mark for mark in pool.isolated if not mark.is_assumed and mark not in found]
    if missing:
        _LOGGER.warning("no structure has %s: there are no such isolated atoms", " or ".join(map(str, missing)))
    assumed = {mark: count for mark, count in found.items() if mark.is_assumed}
    if assumed:
        number = sum(assumed.values())
        aside = "is kept aside as an isolated atom" if number == 1 else "are kept aside as isolated atoms"
        them = "it a candidate" if number == 1 else "them candidates"
        _LOGGER.warning(
            "%s %s and not scored, by %s; --isolated none makes %s",
            counted(number, "single atom"), aside, " and ".join(map(str, assumed)), them,
        )  # fmt: skip


def tell_copies(pool: Structures, core: Structures | None) -> None:
    """Tell how many candidates are equal to the last bit, to each other and to structures of the core."""
    found, first, counts = np.unique(pool.fingerprints, return_index=True, return_counts=True)
    repeated = int((counts - 1).sum())
    known = np.isin(found, np.empty(0, np.uint64) if core is None else core.fingerprints)
    parts = []
    if repeated:
        parts.append(f"{counted(repeated, 'copy', 'copies')} of other candidates ({_named(pool, first[counts > 1])})")
    if known.any():
        in_core = counted(int(counts[known].sum()), "copy", "copies")
        parts.append(f"{in_core} of structures in the core ({_named(pool, first[known])})")
    if parts:
        _LOGGER.warning(
            "%s %s %s: %s",
            counted(len(pool.fingerprints), "candidate"),
            is_or_are(len(pool.fingerprints)),
            counted(len(found), "different structure"),
            ", ".join(parts),
        )


def tell_files_of_stores(pool: JoinedStores, core: Core | None) -> None:
    """Tell files whose structures are in several stores of a pool, or in one that is given twice, or in the core."""
    times = Counter(store.path.resolve() for store in pool.stores)
    seen: dict[tuple[str, str], FeatureStore] = {}
    for store in {store.path.resolve(): store for store in pool.stores}.values():
        count = times[store.path.resolve()]
        if count > 1:
            often = "twice" if count == 2 else f"{count} times"
            _LOGGER.warning("%s is given %s: each structure is a candidate %s", store.path, often, often)
        known = {(file["sha256"], str(file.get("frames"))): file["path"] for file in store.files}
        again = [key for key in known if key in seen]
        if again:
            first, names = seen[again[0]], some(known[key] for key in again)
            _LOGGER.warning(
                "%s and %s both describe %s: each structure is a candidate twice", first.path, store.path, names
            )
        seen |= dict.fromkeys(known, store)
    if core is not None:
        tell_files_of_core(pool.files, core.summary()["files"])


def _named(pool: Structures, places: np.ndarray[tuple[int], np.dtype[np.intp]]) -> str:
    """Name the first few candidates."""
    return some(pool.name_of(int(place)) for place in np.sort(places))
