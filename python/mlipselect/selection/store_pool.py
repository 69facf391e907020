"""A pool of stores of features, and a share of it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.checkpoint import identity_of
from mlipselect.descriptors.base import DescriptorLike
from mlipselect.descriptors.registry import recorded_descriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.features.composition import balanced_scale, composition_sums, scale_composition
from mlipselect.features.element_counts import by_number
from mlipselect.io.checks import Checks
from mlipselect.io.frame import Frame
from mlipselect.io.frames import source_frames
from mlipselect.io.isolated import COMMON_MARKS
from mlipselect.io.sources import as_source
from mlipselect.io.writer import Writer
from mlipselect.selection.candidate_pool import CandidatePool, Outcome
from mlipselect.selection.core import Core
from mlipselect.selection.described import refuse_unmarked
from mlipselect.selection.findings import tell_files_of_stores
from mlipselect.selection.options import Options
from mlipselect.selection.target import Target
from mlipselect.selectors import Selector
from mlipselect.selectors.prior import prior_from_ridge
from mlipselect.stores.joined import JoinedStores, Share
from mlipselect.stores.reader import FeatureStore
from mlipselect.stores.sources import read_places, refuse_missing


class StorePool(CandidatePool):
    """Stores of features on disk, or on the workers of a Dask cluster: only chosen structures are read.

    Parameters
    ----------
    store : JoinedStores
        The stores; a `ClusterStore` has its workers go through the rows.
    """

    features: JoinedStores

    def __init__(self, store: JoinedStores):
        self.features = store
        self.paths = [file["path"] for file in store.files]

    def settled(self, options: Options) -> Options:
        """Take the marks of isolated atoms from the stores, unless they are given.

        Raises
        ------
        InvalidInputError
            Isolated atoms that would be candidates by the marks that are given, but have no rows.
        """
        known, common = self.features.marks, set(map(str, COMMON_MARKS))
        if options.candidates.isolated is None:
            if not known:
                return options
            candidates = dataclasses.replace(options.candidates, isolated=known)
            return dataclasses.replace(options, candidates=candidates)
        given = list(map(str, options.candidates.marks))
        # Which of the common marks an isolated atom has is not known: one of them stands for all.
        named = {*given, *(common if common & set(given) else ())}
        others = [mark for mark in known if mark not in named]
        if others and self.features.isolated:
            raise InvalidInputError(
                f"{self.features.name}: structures marked {', '.join(others)} have no features there: name that mark "
                "too, or featurize without it"
            )
        return options

    def refuse(self, selector: Selector, options: Options) -> None:
        """Refuse what needs structures, or their features in memory."""
        name = self.features.name
        if options.prior.potential is not None:
            raise InvalidInputError("potential: not for a pool that is a store of features")
        if options.checks != Checks():
            raise InvalidInputError(
                "min_bond, max_force, skip_bad: not for a pool that is a store of features; give them to featurize"
            )
        if selector.needs_designs or (selector.needs_target_designs and options.target.target is None):
            raise InvalidInputError(
                f"{name}: scores, updates and objectives of forces and stress need structures as pool, not a store"
            )
        if selector.needs_atomic_rows or options.prior.update == "atoms":
            raise InvalidInputError(f"{name}: atomic rows are used in memory only; load() the features")
        if not selector.supports_store:
            raise InvalidInputError(
                f"{name}: {type(selector).__name__} selects from features in memory; load() the features"
            )

    def survey(self, core: Core | None, n: int, progress: bool | None, writer: Writer | None = None) -> None:
        """Refuse stores whose files are not there; read the structures too if all have to be written exactly."""
        refuse_missing(self.features.stores)
        super().survey(core, n, progress, writer)
        tell_files_of_stores(self.features, core)
        if writer is None or not writer.strict:
            return
        for frame in self.isolated:
            writer.look(frame, frame.source)
        wanted: dict[tuple[FeatureStore, int], set[int]] = {}
        for candidate in range(len(self.features)):
            store, file, index = self.features.place(candidate)
            wanted.setdefault((store, file), set()).add(index)
        for (store, file), indices in wanted.items():
            path = store.files[file]["path"]
            for frame in source_frames(as_source(path), store.reading(file)):
                if frame.index in indices:
                    writer.look(frame, path)

    def featurize(
        self, core: Core | None, descriptor: DescriptorLike | None, rows: str, options: Options
    ) -> Features | None:
        """Describe the core like the store, whose descriptor was recorded, and append element columns to both."""
        store = self.features
        refuse_unmarked(store, list(map(str, options.candidates.marks)))
        describes = core is not None and bool(core.candidates)
        self.descriptor = recorded_descriptor(store.descriptor, store.name, descriptor, describes=describes)
        composition = options.candidates.composition
        elements: tuple[str, ...] = ()
        if store.several_compositions if composition is None else composition:
            elements = by_number([*store.elements, *(() if core is None else core.all_elements)])
        X_core = None
        if core is not None:
            how = {"n_threads": options.execution.n_threads, "progress": options.execution.progress}
            X_core = core.featurize(self.descriptor, elements, rows=rows, dtype=store.dtype, **how)
        scale = self._scale(elements, X_core) if elements else 1.0
        self.features = store.widened(elements, scale)
        if X_core is not None and elements:
            scale_composition(X_core, scale)
        return X_core

    def featurize_target(
        self, target: Target, descriptor: DescriptorLike | None, options: Options
    ) -> Features | JoinedStores:
        """Describe a target like the store, whose descriptor has to be at hand for that."""
        store = self.features
        self.descriptor = recorded_descriptor(
            store.descriptor, store.name, descriptor, describes=bool(target.candidates)
        )
        return super().featurize_target(target, descriptor, options)

    def _scale(self, elements: tuple[str, ...], core: Features | None) -> float:
        """Return the scale of element columns that `balance_composition` finds for pool and core."""
        sums = np.array(self.features.composition_sums(elements))
        if core is not None:
            sums += composition_sums(core)
        return balanced_scale(sums[0], self.features.n_described, sums[1], len(elements))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Numbers of atoms of the candidates."""
        return self.features.n_atoms

    def groups(self, key: str) -> Sequence[Any]:
        """Return the group of each candidate by a key that the store keeps, or ``"composition"``."""
        return self.features.groups(key)

    def take(self, indices: Sequence[int]) -> list[Frame]:
        """Read structures from the files that the store was made from.

        Raises
        ------
        StructureError
            A file that is missing, or is not what it was.
        """
        return read_places([self.features.place(index) for index in indices])

    @property
    def isolated(self) -> list[Frame]:
        """Isolated atoms, read from the files."""
        return read_places(self.features.isolated)

    def positions(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return positions among the structures of all stores."""
        return self.features.positions(indices)

    def digests(
        self,
        core: Core | None,  # noqa: ARG002 - its features tell it
        core_features: Features | None,
        options: Options,
    ) -> dict[str, Any]:
        """Tell stores by the digests of their rows."""
        given = options.candidates.isolated
        marks = [[mark.key, mark.value] for mark in options.candidates.marks]
        return {
            "isolated": None if given is None else marks[0] if len(marks) == 1 else marks,
            "composition": self.features.composition,
            "pool": self.features.digests,
            "prior": self.features.squares,
            "core": None if core_features is None else identity_of(core_features.per_structure),
        }

    def summary(self) -> dict[str, Any]:
        """Describe the files that the stores were made from, and name the stores."""
        return {
            "files": self.features.files,
            "candidates": len(self.features),
            "isolated": len(self.features.isolated),
            "store": self.features.name,
        }

    def recorded(self, options: Options) -> dict[str, Any]:
        """Return element columns, marks, type and limits."""
        return {
            "composition": list(self.features.composition),
            "composition_scale": self.features.composition_scale if self.features.composition else None,
            "stratify_by": options.method.stratify_by,
            "isolated": options.candidates.recorded_marks,
            "dtype": self.features.dtype.name,
            **asdict(options.limits),
        }


class SharePool(StorePool):
    """One of several shares of stores, each for a job of its own; `merge` selects from what they pick.

    Parameters
    ----------
    store : JoinedStores
        The whole pool.
    shard : str
        ``"I/M"``: the I-th of M shares.
    """

    features: Share

    def __init__(self, store: JoinedStores, shard: str):
        match = re.fullmatch(r"(\d+)/(\d+)", shard)
        if match is None:
            raise InvalidInputError(f"shard: expected I/M such as 2/8, got {shard!r}")
        super().__init__(Share(store, int(match[1]), int(match[2])))

    def refuse(self, selector: Selector, options: Options) -> None:
        """Refuse what `merge` cannot go on from."""
        super().refuse(selector, options)
        if not selector.is_mergeable or options.limits.are_set:
            raise InvalidInputError(
                "shard: expected the method bayesian with the score energy or logdet (--score energy), without limits: "
                "only then can `merge` go on from the picks"
            )

    def conclusions(self, outcome: Outcome) -> tuple[dict[str, Any], list[str]]:
        """Return what `merge` has to know: which share it was, its prior, and the largest score that is left."""
        selector: Any = outcome.selector
        prior = selector.prior_precision
        if prior is None:
            core = None if outcome.core is None else outcome.core.per_structure
            prior = prior_from_ridge(selector.ridge, selector.noise_precision, self.features, core, selector.scale)
        known = {"prior_precision": np.asarray(prior).tolist(), "ridge": None, "scale": None}
        return {"shard": self.features.which, **known, "next_score": selector.next_score()}, []
