"""`select` from a store of features: structures are read only once they are chosen."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlipselect.checkpoint import Checkpoint, identity_of, refuse_unusable
from mlipselect.descriptors.recorded import recorded_descriptor
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.features import Features, FeatureStore, featurize
from mlipselect.features.describe import DescriptorLike
from mlipselect.features.joined import JoinedStores, Share, open_stores
from mlipselect.features.store import MANIFEST
from mlipselect.io.collection import Isolated, Structures, StructuresLike, sha256
from mlipselect.io.frames import Frame, read_frames
from mlipselect.io.output import Output
from mlipselect.limits import Limits
from mlipselect.provenance import describe_descriptor, descriptor_identity
from mlipselect.selection import Selection, output_for, selection_notes, warn_beyond
from mlipselect.selectors import BayesianSelector, MinDistance, Selector
from mlipselect.selectors.methods import fit, needs_derivatives, selector_parameters
from mlipselect.selectors.starting_posterior import learned, prior_from_ridge, starting_posterior


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


def share(store: JoinedStores, shard: str) -> Share:
    """Give the share of a pool that ``"I/M"`` names."""
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    if match is None:
        raise InvalidInputError(f"shard: expected I/M such as 2/8, got {shard!r}")
    return Share(store, int(match[1]), int(match[2]))


def chosen_frames(store: JoinedStores, picks: Sequence[int]) -> list[Frame]:
    """Read some structures from the files that the store was made from.

    Raises
    ------
    StructureError
        A file that is missing, or is not what it was.
    """
    places = [store.source(pick) for pick in picks]
    digests = {file["path"]: file["sha256"] for file in store.files}
    found: dict[tuple[str, int], Frame] = {}
    for path in dict.fromkeys(path for path, _ in places):
        if sha256(path) != digests[path]:
            raise StructureError("the file has changed since its features were computed", source=path)
        wanted = [frame for source, frame in places if source == path]
        found |= {(path, index): frame for index, frame in read_frames(path, wanted).items()}
    return [found[place] for place in places]


def picks_depend_on(
    selector: Selector, n: int, descriptor: DescriptorLike, limits: Limits, posterior_options: Mapping[str, Any]
) -> dict[str, Any]:
    """Tell, for a checkpoint, what picks depend on beside the rows of pool and core."""
    how = {"max_memory", "engine"}
    return {
        "method": type(selector).__name__,
        "n": n,
        "descriptor": descriptor_identity(describe_descriptor(descriptor)),
        **identity_of(
            {
                **{name: value for name, value in selector_parameters(selector).items() if name not in how},
                **posterior_options,
                **dataclasses.asdict(limits),
            }
        ),
    }


def select_stored(
    store: JoinedStores,
    n: int,
    core: StructuresLike | None,
    descriptor: DescriptorLike | None,
    method: str,
    selector: Selector,
    limits: Limits,
    *,
    isolated: Isolated | None,
    parameters: dict[str, Any],
    n_threads: int | None,
    progress: bool | None,
    output: str | os.PathLike[str] | None,
    save_posterior: str | os.PathLike[str] | None,
    checkpoint: str | os.PathLike[str] | None,
) -> Selection:
    """Select from a store of features; see `mlipselect.select` for the parameters.

    Raises
    ------
    InvalidInputError
        What only features in memory serve for: atomic rows, forces and stress, groups.
    StructureError
        A chosen structure that cannot be read, or whose file has changed.
    """
    if store.composition or limits.groups is not None:
        raise InvalidInputError(f"{store.name}: element fractions and groups are not for stores; load() the features")
    if isinstance(selector, BayesianSelector) and needs_derivatives(selector):
        raise InvalidInputError(f"{store.name}: scores and updates of forces and stress are not for stores")
    rows = selector.update if isinstance(selector, BayesianSelector) else getattr(selector, "rows", None)
    if "atoms" in (rows, parameters["update"]):
        raise InvalidInputError(f"{store.name}: atomic rows are used in memory only; load() the features")
    if isinstance(store, Share) and not (
        isinstance(selector, BayesianSelector)
        and selector.score in ("energy", "logdet")
        and limits == Limits()
        and selector.stop_gain is None
    ):
        raise InvalidInputError(
            "shard: for the method bayesian with the scores energy and logdet, without limits, which `merge` takes"
        )
    known = None if core is None else Structures(core, isolated)
    files = [file["path"] for file in store.files]
    with contextlib.ExitStack() as stack:
        times = [time.perf_counter()]
        out: Output | None = None
        inputs = files + ([] if known is None else known.paths)
        if output is not None:
            out = stack.enter_context(output_for(output, inputs, save_posterior))
        if checkpoint is not None:
            refuse_unusable(checkpoint, inputs, [] if out is None else out.targets)
        descriptor = recorded_descriptor(store.descriptor, store.name, descriptor, describes=known is not None)
        X_core = None
        if known is not None:
            X_core = featurize(
                known.survey(progress), descriptor, dtype=store.dtype, n_threads=n_threads, progress=progress
            )
        times.append(time.perf_counter())
        is_limited = limits.max_atoms is not None or limits.max_cost is not None
        constraints = limits.budgets(store.n_atoms) if is_limited else []
        if limits.min_distance is not None:
            constraints.append(MinDistance(limits.min_distance))
        kept = None
        if checkpoint is not None:
            kept = Checkpoint(
                checkpoint,
                {
                    **picks_depend_on(selector, n, descriptor, limits, parameters),
                    "isolated": None if isolated is None else [isolated.key, isolated.value],
                    "pool": store.digests,
                    "prior": store.squares,
                    "core": None if X_core is None else identity_of(X_core.per_structure),
                },
            )
        fit(selector, store, X_core, constraints, checkpoint=kept)
        if isinstance(selector, BayesianSelector):
            posterior, information = selector.posterior_, selector.information_
        else:
            start = starting_posterior(store, X_core, n_threads=n_threads, **parameters)
            posterior, information = learned(start, store, selector.selected_idx_)
        times.append(time.perf_counter())
        result = Selection(
            frames=chosen_frames(store, selector.selected_idx_.tolist()),
            indices=store.positions(selector.selected_idx_),
            scores=selector.scores_,
            information=information,
            effective_dimension=posterior.effective_dimension(),
            posterior=posterior,
            descriptor=descriptor,
            features=store,
            core_features=X_core,
            parameters={
                "n": n,
                "method": method,
                **selector_parameters(selector),
                **parameters,
                "dtype": store.dtype.name,
                **_share_of(store, selector, X_core),
            },
            notes=selection_notes(selector, constraints, n),
            inputs={
                "pool": {"files": store.files, "candidates": len(store), "store": store.name},
                "core": None if known is None else known.summary(),
                "potential": None,
            },
            seconds=dict(zip(("core", "selection"), np.diff(times).tolist(), strict=True)),
        )
        warn_beyond(result)
        if out is not None:
            result.write_to(out)
            out.publish()
    return result


def _share_of(store: JoinedStores, selector: Selector, core: Features | None) -> dict[str, Any]:
    """Tell what `merge` has to know of the selection from a share: which it was, its prior, and what it left."""
    if not (isinstance(store, Share) and isinstance(selector, BayesianSelector)):
        return {}
    prior: Any = selector.prior_precision
    if prior is None:
        prior = prior_from_ridge(
            selector.ridge, selector.noise_precision, store, None if core is None else core.per_structure
        )
    return {"shard": store.which, "prior_precision": prior, "ridge": None, "next_score": selector.next_score()}
