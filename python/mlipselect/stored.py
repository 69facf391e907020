"""`select` from a store of features: structures are read only once they are chosen."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlipselect.descriptors import ACE
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.features import FeatureStore, featurize
from mlipselect.features.describe import DescriptorLike
from mlipselect.features.store import MANIFEST
from mlipselect.io.collection import Isolated, Structures, StructuresLike, sha256
from mlipselect.io.frames import Frame, raw_frames
from mlipselect.io.output import Output
from mlipselect.limits import Limits
from mlipselect.provenance import describe_descriptor
from mlipselect.selection import Selection, output_for, selection_notes
from mlipselect.selectors import BayesianSelector, Selector
from mlipselect.selectors.methods import selector_parameters


def as_store(pool: Any) -> FeatureStore | None:
    """Return the store that was given or named, alone, as a pool; None for anything else."""
    if isinstance(pool, FeatureStore):
        return pool
    if isinstance(pool, (list, tuple)) and len(pool) == 1:
        pool = pool[0]
    if isinstance(pool, (str, os.PathLike)) and (Path(pool) / MANIFEST).is_file():
        return FeatureStore.open(pool)
    return None


def descriptor_of(store: FeatureStore, given: DescriptorLike | None) -> DescriptorLike:
    """Return the descriptor that the store was made with, which the core must be described with.

    Parameters
    ----------
    store : FeatureStore
        The store.
    given : object or callable, optional
        The descriptor, where it is not an `ACE` or is to be checked.

    Raises
    ------
    InvalidInputError
        It is another one, or must be given.
    """
    known = dict(store.manifest.descriptor)
    if given is None:
        parameters = dict(known)
        if parameters.pop("name", None) != "ACE":
            raise InvalidInputError(f"{store.path}: expected its descriptor with it, {known}")
        return ACE(**parameters)
    if describe_descriptor(given) != known:
        raise InvalidInputError(
            f"{store.path}: made with another descriptor, {known}, than the one given, {describe_descriptor(given)}"
        )
    return given


def chosen_frames(store: FeatureStore, picks: Sequence[int]) -> list[Frame]:
    """Read some structures from the files that the store was made from.

    Raises
    ------
    StructureError
        A file that is missing, or is not what it was.
    """
    places = [store.source(pick) for pick in picks]
    digests = {file["path"]: file["sha256"] for file in store.manifest.files}
    found: dict[tuple[str, int], Frame] = {}
    for path in dict.fromkeys(path for path, _ in places):
        if sha256(path) != digests[path]:
            raise StructureError("the file has changed since its features were computed", source=path)
        wanted = {frame for source, frame in places if source == path}
        for raw in raw_frames(path):
            if raw.index in wanted:
                found[path, raw.index] = raw.parse()
    return [found[place] for place in places]


def select_stored(
    store: FeatureStore,
    n: int,
    core: StructuresLike | None,
    descriptor: DescriptorLike | None,
    selector: Selector,
    limits: Limits,
    *,
    isolated: Isolated | None,
    parameters: dict[str, Any],
    n_threads: int | None,
    progress: bool | None,
    output: str | os.PathLike[str] | None,
    save_posterior: str | os.PathLike[str] | None,
) -> Selection:
    """Select from a store of features; see `mlipselect.select` for the parameters.

    Raises
    ------
    InvalidInputError
        What only features in memory serve for: another selector, groups, a distance to keep.
    StructureError
        A chosen structure that cannot be read, or whose file has changed.
    """
    if not isinstance(selector, BayesianSelector):
        raise InvalidInputError(f"{store.path}: from a store only the method bayesian selects; load() the features")
    if store.composition or limits.groups is not None or limits.min_distance is not None:
        raise InvalidInputError(
            f"{store.path}: element fractions, groups and min_distance are not for stores; load() the features"
        )
    known = None if core is None else Structures(core, isolated)
    files = [file["path"] for file in store.manifest.files]
    with contextlib.ExitStack() as stack:
        times = [time.perf_counter()]
        out: Output | None = None
        if output is not None:
            inputs = files + ([] if known is None else known.paths)
            out = stack.enter_context(output_for(output, inputs, save_posterior))
        descriptor = descriptor_of(store, descriptor)
        X_core = None
        if known is not None:
            X_core = featurize(
                known.survey(progress), descriptor, dtype=store.dtype, n_threads=n_threads, progress=progress
            )
        times.append(time.perf_counter())
        is_limited = limits.max_atoms is not None or limits.max_cost is not None
        budgets = limits.budgets(store.n_atoms) if is_limited else []
        selector.fit(store, X_core, constraints=budgets)
        times.append(time.perf_counter())
        posterior = selector.posterior_
        result = Selection(
            frames=chosen_frames(store, selector.selected_idx_.tolist()),
            indices=selector.selected_idx_,
            scores=selector.scores_,
            information=selector.information_,
            effective_dimension=posterior.effective_dimension(),
            posterior=posterior,
            descriptor=descriptor,
            features=store,
            core_features=X_core,
            parameters={"n": n, "method": "bayesian", **selector_parameters(selector), **parameters},
            notes=selection_notes(selector, budgets, n),
            inputs={
                "pool": {"files": store.manifest.files, "candidates": len(store), "store": os.fspath(store.path)},
                "core": None if known is None else known.summary(),
                "potential": None,
            },
            seconds=dict(zip(("core", "selection"), np.diff(times).tolist(), strict=True)),
        )
        if out is not None:
            result.write_to(out)
            out.publish()
    return result
