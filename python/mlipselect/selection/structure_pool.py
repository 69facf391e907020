"""A pool of structures, from files or from memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mlipselect.checkpoint import identity_of
from mlipselect.descriptors import ACE
from mlipselect.descriptors.base import DescriptorLike, DesignDescriptor, bound
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.features import Designs, Features, balance_composition
from mlipselect.features.composition import scale_composition
from mlipselect.features.element_counts import by_number
from mlipselect.features.equal_rows import tell_equal_rows
from mlipselect.featurize import featurize
from mlipselect.io.collection import Structures, StructuresLike
from mlipselect.io.digest import tell_files_of_core
from mlipselect.io.frame import Frame
from mlipselect.io.inspection import Rejected
from mlipselect.io.writer import Writer
from mlipselect.selection.candidate_pool import CandidatePool
from mlipselect.selection.core import Core
from mlipselect.selection.findings import tell_copies, tell_marks
from mlipselect.selection.options import Options
from mlipselect.selectors import Selector

_LOGGER = logging.getLogger("mlipselect")


class StructurePool(CandidatePool):
    """Structures from files or from memory.

    Parameters
    ----------
    given : path, iterable of paths, ase.Atoms or iterable of ase.Atoms
        Where they are.
    options : Options
        Options of the selection: what marks isolated atoms, and the keys of groups.
    """

    def __init__(self, given: StructuresLike, options: Options):
        keys = {key for key in (options.limits.groups, options.method.stratify_by) if key is not None}
        self.structures = Structures(
            given,
            options.candidates.marks,
            group_by=sorted(keys),
            reading=options.reading,
            checks=options.checks,
            where=" of the pool",
        )
        self.paths = self.structures.paths
        self._limits = options.limits
        self._elements: tuple[str, ...] = ()
        #: Scale of the element columns; None for that which `balance_composition` finds.
        self._scale: float | None = None

    def refuse(self, selector: Selector, options: Options) -> None:  # noqa: ARG002 - structures serve every selector
        """Refuse a share, which only stores have."""
        if options.reading.recorded() and not self.structures.sources:
            name = next(iter(options.reading.recorded()))
            raise InvalidInputError(f"{name}: says how files are read, and the pool is not in files")
        if options.candidates.shard is not None:
            raise InvalidInputError("shard: expected a store of features as pool, which `featurize` with `store` makes")

    def survey(self, core: Core | None, n: int, progress: bool | None, writer: Writer | None = None) -> None:
        """Go through the structures once, and count them."""
        pool = self.structures.survey(progress, None if writer is None else writer.look)
        super().survey(core, n, progress, writer)
        if core is not None:
            tell_files_of_core(pool.summary()["files"], core.summary()["files"])
        marked = len(pool.isolated_positions) + (0 if core is None else len(core.isolated_positions))
        tell_marks(pool, core)
        tell_copies(pool, core)
        available = len(pool.candidates) + len(pool.rejected)
        if available == 0 and not pool.isolated_positions:
            raise InvalidInputError("expected at least one candidate in the pool, got none")
        if available and not 1 <= self._limits.most(n, available) <= available:
            raise InvalidInputError(
                f"n: expected between 1 and {available}, the number of candidates in the pool, got {n}"
            )
        _LOGGER.info(
            "%d candidates of %d atoms, %d structures in the core, %d isolated atoms",
            available, pool.n_atoms, 0 if core is None else core.n_structures, marked,
        )  # fmt: skip

    def featurize(
        self, core: Core | None, descriptor: DescriptorLike | None, rows: str, options: Options
    ) -> Features | None:
        """Describe pool and core with the same descriptor, bound to both."""
        pool = self.structures
        examples = pool.examples + ([] if core is None else core.examples)
        if descriptor is None and core is not None:
            descriptor = core.recorded_descriptor()
        self.descriptor = bound(ACE() if descriptor is None else descriptor, examples)
        _LOGGER.info("descriptor: %r", self.descriptor)
        composition = options.candidates.composition
        if pool.several_compositions if composition is None else composition:
            self._elements = by_number([*pool.elements, *(() if core is None else core.all_elements)])
        how: dict[str, Any] = {
            "rows": rows,
            "dtype": options.candidates.memory_dtype,
            "n_threads": options.execution.n_threads,
            "progress": options.execution.progress,
        }
        # What is there already is compared with the descriptor before the pool is described.
        X_core = None if core is None else core.featurize(self.descriptor, self._elements, **how)
        self.features = X = featurize(pool, self.descriptor, composition=self._elements, **how)
        described = X.per_structure[:, : X.shape[1] - len(self._elements)]
        tell_equal_rows([described], self.descriptor, refuse_zeros=True)
        if X_core is not None and X_core.shape[1] != X.shape[1]:
            problem = f"expected {X.shape[1]} features as for the pool, got {X_core.shape[1]}"
            source, index = X_core.sources[0]
            raise StructureError(problem, index, source)
        if self._elements:
            scale = self._scaled([features for features in (X, X_core) if features is not None])
            _LOGGER.info("element fractions of %s, scaled by %.3g", ", ".join(self._elements), scale)
        return X_core

    def _scaled(self, sets: Sequence[Features]) -> float:
        """Scale the element columns, and return by how much."""
        if self._scale is None:
            return balance_composition(*sets)
        for features in sets:
            scale_composition(features, self._scale)
        return self._scale

    def designs(self, core: Core | None, n_threads: int | None) -> dict[str, Designs]:
        """Prepare the rows of forces and stresses, which are made when they are asked for."""
        made = {}
        for name, structures in (("designs", self.structures), ("core_designs", core)):
            if structures is not None:
                atoms = [frame.atoms for frame in structures.iter_candidates()]
                made[name] = Designs(atoms, cast("DesignDescriptor", self.descriptor), n_threads=n_threads)
        return made

    @property
    def sizes(self) -> Sequence[int]:
        """Numbers of atoms of the candidates."""
        return self.structures.sizes

    def groups(self, key: str) -> Sequence[Any]:
        """Return the group of each candidate by a key that the options name."""
        return self.structures.groups[key]

    def take(self, indices: Sequence[int]) -> list[Frame]:
        """Give candidates, in the order asked for."""
        return self.structures.take([self.structures.candidates[index] for index in indices])

    def positions(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return positions among all structures, isolated atoms counted."""
        return np.array([self.structures.candidates[index] for index in indices], dtype=np.int64)

    @property
    def rejected(self) -> list[Rejected]:
        """Structures that were passed over, in the order of their positions."""
        return [self.structures.rejected[position] for position in sorted(self.structures.rejected)]

    @property
    def isolated(self) -> list[Frame]:
        """Isolated atoms, as they were read."""
        return self.structures.take(self.structures.isolated_positions)

    def digests(self, core: Core | None, core_features: Features | None, options: Options) -> dict[str, Any]:
        """Tell structures by their files and features."""
        return {
            "composition": self._elements,
            "isolated": options.candidates.recorded_marks,
            "pool": _content(self.structures, cast("Features", self.features)),
            "core": None if core is None or core_features is None else _content(core, core_features),
        }

    def summary(self) -> dict[str, Any]:
        """Describe files, with the numbers of candidates and isolated atoms."""
        return self.structures.summary()

    def recorded(self, options: Options) -> dict[str, Any]:
        """Return element columns, marks, type and limits."""
        scale = cast("Features", self.features).composition_scale
        return {
            "composition": list(self._elements),
            "composition_scale": scale if self._elements else None,
            "stratify_by": options.method.stratify_by,
            "isolated": options.candidates.recorded_marks,
            **options.checks.recorded(),
            "dtype": np.dtype(options.candidates.memory_dtype).name,
            **asdict(options.limits),
        }


def _content(structures: Structures, features: Features) -> dict[str, Any]:
    """Tell structures and their features from others."""
    parts = {"structure": features.per_structure, "atoms": features.per_atom}
    digests = {name: identity_of(part) for name, part in parts.items() if part is not None}
    return {"files": list(structures.digests.values()), "features": digests}
