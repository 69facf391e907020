"""A pool of stores of features, and a share of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mlipselect.checkpoint import identity_of
from mlipselect.descriptors.base import DescriptorLike
from mlipselect.descriptors.registry import recorded_descriptor
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.features import Features
from mlipselect.featurize import featurize
from mlipselect.io.collection import Structures
from mlipselect.io.digest import sha256
from mlipselect.io.frames import Frame, iter_frames, read_frames
from mlipselect.io.reading import Reading
from mlipselect.io.sources import find_sources
from mlipselect.io.writer import Writer
from mlipselect.selection.candidate_pool import CandidatePool, Outcome
from mlipselect.selection.options import Options
from mlipselect.selectors import Selector
from mlipselect.selectors.starting_posterior import prior_from_ridge
from mlipselect.stores.joined import JoinedStores, Share


class StorePool(CandidatePool):
    """Stores of features on disk, or on the workers of a Dask cluster: only chosen structures are read.

    Parameters
    ----------
    store : JoinedStores
        The stores; a `ClusterStore` has its workers go through the rows.
    """

    features: JoinedStores
    #: What limits and scores are for structures only.
    _lacks: ClassVar[str] = "element fractions and groups are not for stores; load() the features"

    def __init__(self, store: JoinedStores):
        self.features = store
        self._sources = {
            file["path"]: (find_sources(file["path"])[0], Reading(**file.get("reading", {}))) for file in store.files
        }
        self.paths = [source.path for source, _ in self._sources.values()]

    def refuse(self, selector: Selector, options: Options) -> None:
        """Refuse what needs structures, or their features in memory."""
        name = self.features.name
        if options.prior.potential is not None:
            raise InvalidInputError("potential: not for a pool that is a store of features")
        if options.candidates.composition:
            raise InvalidInputError("composition: not for a pool that is a store of features, which has its columns")
        if self.features.composition or options.limits.groups is not None or options.method.stratify_by is not None:
            raise InvalidInputError(f"{name}: {self._lacks}")
        if selector.needs_designs:
            raise InvalidInputError(f"{name}: scores and updates of forces and stress are not for stores")
        if selector.needs_atomic_rows or options.prior.update == "atoms":
            raise InvalidInputError(f"{name}: atomic rows are used in memory only; load() the features")
        if not selector.supports_store:
            raise InvalidInputError(
                f"{name}: {type(selector).__name__} selects from features in memory; load() the features"
            )

    def featurize(
        self,
        core: Structures | None,
        descriptor: DescriptorLike | None,
        rows: str,  # noqa: ARG002 - a store has rows of structures
        options: Options,
    ) -> Features | None:
        """Describe the core like the store, whose descriptor was recorded."""
        store = self.features
        self.descriptor = recorded_descriptor(store.descriptor, store.name, descriptor, describes=core is not None)
        if core is None:
            return None
        how = options.execution
        return featurize(core, self.descriptor, dtype=store.dtype, n_threads=how.n_threads, progress=how.progress)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Numbers of atoms of the candidates."""
        return self.features.n_atoms

    def groups(self, key: str) -> Sequence[Any]:  # noqa: ARG002
        """Refuse: a store does not know what structures carry."""
        raise InvalidInputError(f"{self.features.name}: {self._lacks}")

    def survey(self, core: Structures | None, n: int, progress: bool | None, writer: Writer | None = None) -> None:
        """Go through the core; read the structures too if none may be selected that cannot be written exactly."""
        super().survey(core, n, progress, writer)
        if writer is None or not writer.strict:
            return
        wanted: dict[str, set[int]] = {}
        for candidate in range(len(self.features)):
            path, index = self.features.source(candidate)
            wanted.setdefault(path, set()).add(index)
        for path, indices in wanted.items():
            for frame in iter_frames([self._sources[path][0]], self._sources[path][1]):
                if frame.index in indices:
                    writer.look(frame, path)

    def take(self, indices: Sequence[int]) -> list[Frame]:
        """Read structures from the files that the store was made from.

        Raises
        ------
        StructureError
            A file that is missing, or is not what it was.
        """
        places = [self.features.source(index) for index in indices]
        digests = {file["path"]: file["sha256"] for file in self.features.files}
        found: dict[tuple[str, int], Frame] = {}
        for path in dict.fromkeys(path for path, _ in places):
            source, reading = self._sources[path]
            if sha256(source.path) != digests[path]:
                raise StructureError("the file has changed since its features were computed", source=source.name)
            wanted = [frame for name, frame in places if name == path]
            found |= {(path, index): frame for index, frame in read_frames(source, wanted, reading).items()}
        return [found[place] for place in places]

    def positions(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return positions among the structures of all stores."""
        return self.features.positions(indices)

    def digests(
        self,
        core: Structures | None,  # noqa: ARG002 - its features tell it
        core_features: Features | None,
        options: Options,
    ) -> dict[str, Any]:
        """Tell stores by the digests of their rows."""
        isolated = options.candidates.mark
        return {
            "isolated": None if isolated is None else [isolated.key, isolated.value],
            "pool": self.features.digests,
            "prior": self.features.squares,
            "core": None if core_features is None else identity_of(core_features.per_structure),
        }

    def summary(self) -> dict[str, Any]:
        """Describe the files that the stores were made from, and name the stores."""
        return {"files": self.features.files, "candidates": len(self.features), "store": self.features.name}

    def recorded(self, options: Options) -> dict[str, Any]:  # noqa: ARG002
        """Return the type of the rows."""
        return {"dtype": self.features.dtype.name}


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
                "shard: for the method bayesian with the scores energy and logdet, without limits, which `merge` takes"
            )

    def conclusions(self, outcome: Outcome) -> tuple[dict[str, Any], list[str]]:
        """Return what `merge` has to know: which share it was, its prior, and the largest score that is left."""
        selector: Any = outcome.selector
        prior = selector.prior_precision
        if prior is None:
            core = None if outcome.core is None else outcome.core.per_structure
            prior = prior_from_ridge(selector.ridge, selector.noise_precision, self.features, core)
        known = {"shard": self.features.which, "prior_precision": prior, "ridge": None}
        return known | {"next_score": selector.next_score()}, []
