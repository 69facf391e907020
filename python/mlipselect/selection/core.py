"""The core of a selection: structures from files or memory, and structures whose features are there already."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import DTypeLike

from mlipselect.descriptors.base import DescriptorLike
from mlipselect.descriptors.registry import recorded_descriptor
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.features.composition import with_composition
from mlipselect.features.element_counts import ElementCounts, by_number
from mlipselect.featurize import featurize
from mlipselect.io.checks import Checks
from mlipselect.io.collection import Structures, StructuresLike
from mlipselect.io.digest import sha256
from mlipselect.io.frame import Frame
from mlipselect.io.isolated import Isolated
from mlipselect.io.reading import Reading
from mlipselect.selection.described import is_archive, is_store, refuse_unmarked
from mlipselect.stores.joined import JoinedStores, open_stores
from mlipselect.stores.reader import FeatureStore
from mlipselect.utils.told import told_label

CoreLike: TypeAlias = "StructuresLike | Features | FeatureStore | Sequence[Any]"
"""Structures, or features of structures: a store or an archive, or the folder or file with it; or several of these."""


class Core(Structures):
    """Structures that are in the training set, some of them perhaps described already.

    As `Structures` it holds those that are not described yet.

    Parameters
    ----------
    given : like `CoreLike`
        The core.
    isolated : sequence of Isolated, default=()
        Marks of isolated atoms, which are not part of the core's rows.
    reading : Reading, optional
        How files are read.
    checks : Checks, optional
        What structures are looked at for.
    group_by : sequence of str, optional
        Keys by which structures are grouped; see `Structures`.
    name : str, default="core"
        What messages call these structures.

    Attributes
    ----------
    described : list of DescribedCore
        Features that are there already.

    Raises
    ------
    InvalidInputError
        A store or an archive that cannot be read.
    """

    def __init__(
        self,
        given: CoreLike,
        isolated: Sequence[Isolated] = (),
        reading: Reading | None = None,
        checks: Checks | None = None,
        group_by: Sequence[str] = (),
        name: str = "core",
    ):
        items: list[Any] = list(given) if isinstance(given, (list, tuple)) else [given]
        self.described = [DescribedCore(item, name) for item in items if is_described(item)]
        others = [item for item in items if not is_described(item)]
        super().__init__(
            cast("StructuresLike", others if self.described else given),
            isolated,
            group_by=group_by,
            reading=reading,
            checks=checks,
            where=f" of the {name}",
        )
        self.files_to_keep = self.paths + [path for known in self.described for path in known.paths]

    @property
    def n_structures(self) -> int:
        """Number of structures that are not isolated atoms."""
        return len(self.candidates) + sum(len(known) for known in self.described)

    @property
    def all_elements(self) -> tuple[str, ...]:
        """Elements of all structures, by atomic number."""
        return by_number([*self.elements, *(symbol for known in self.described for symbol in known.elements)])

    def survey(self, progress: bool | None = False, look: Callable[[Frame, str | None], None] | None = None) -> Core:
        """Read structures once; refuse features of structures that are marked as isolated atoms now."""
        super().survey(progress, look)
        for known in self.described:
            known.refuse_unmarked([str(mark) for mark in self.isolated if not mark.is_assumed])
        return self

    def place(self, row: int) -> str:
        """Name the structure of a row by its file and frame, and by its ``config_type`` if that is at hand."""
        for known in self.described:
            if row < len(known):
                return known.where(row)
            row -= len(known)
        kind = None
        if self._held is not None:
            frame = self._held[self.candidates[row]]
            kind = None if frame is None else frame.atoms.info.get("config_type")
        return self.name_of(row) + (f" ({told_label(kind)})" if kind is not None else "")

    def recorded_descriptor(self) -> DescriptorLike | None:
        """Make the descriptor of the features that are there already; None if there are none.

        Raises
        ------
        InvalidInputError
            The features do not say what describes structures like them.
        """
        made = (recorded_descriptor(known.record, known.name, None, describes=True) for known in self.described)
        return next(made, None)

    def featurize(self, descriptor: DescriptorLike, composition: tuple[str, ...], **how: Any) -> Features | None:
        """Describe structures, and put the features that are there beside them.

        Parameters
        ----------
        descriptor : object
            What describes structures.
        composition : tuple of str
            Elements whose fractions are the last columns, not scaled.
        **how
            ``rows``, ``dtype``, ``n_threads`` and ``progress`` of `mlipselect.featurize`.

        Returns
        -------
        Features or None
            Rows of all structures; None if there are none.

        Raises
        ------
        InvalidInputError
            Features of another type or descriptor, or of structures only where those of atoms are asked for.
        """
        parts = [known.rows(descriptor, composition, how["rows"], how["dtype"]) for known in self.described]
        if self.candidates:
            parts.append(featurize(self, descriptor, composition=composition, **how))
        return _together(parts) if parts else None

    def summary(self) -> dict[str, Any]:
        """Return files with their digests, and the numbers of structures and isolated atoms, ready for JSON."""
        own = super().summary()
        described = {
            "files": own["files"] + [file for known in self.described for file in known.files],
            "candidates": self.n_structures,
            "isolated": own["isolated"] + sum(known.n_isolated for known in self.described),
            "features": [known.name for known in self.described],
        }
        return described if self.described else own


class DescribedCore:
    """Features of structures in the training set, or of those that a selection is for.

    Parameters
    ----------
    given : Features, FeatureStore, JoinedStores or path
        The features, or the folder or archive that keeps them.
    part : str, default="core"
        What messages call these structures.
    """

    def __init__(self, given: Any, part: str = "core"):
        self.paths: list[str] = []
        self.store: JoinedStores | None = None
        self._part = part
        self.name = f"the features of the {part}"
        if isinstance(given, JoinedStores) or is_store(given):
            self.store = given if isinstance(given, JoinedStores) else open_stores([given])
            self.name = self.store.name
        elif isinstance(given, Features):
            self.features = given
        else:
            self.name = os.fspath(given)
            self.paths, self.features = [self.name], Features.load(given)

    @functools.cached_property
    def features(self) -> Features:
        """The features in memory; those of a store are read when they are asked for."""
        assert self.store is not None
        return self.store.load()

    def __len__(self) -> int:
        return len(self.features) if self.store is None else len(self.store)

    def where(self, row: int) -> str:
        """Name the structure of a row by its file and frame."""
        return self.features.where(row) if self.store is None else self.store.where(row)

    @property
    def record(self) -> dict[str, Any]:
        """Name and parameters of the descriptor."""
        record = self.features.descriptor if self.store is None else self.store.descriptor
        if record is None:
            raise InvalidInputError(
                f"{self.name}: does not say which descriptor made it, as archives of earlier versions do not: "
                "featurize again"
            )
        return record

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements of the structures, as far as they are known."""
        if self.store is not None:
            return self.store.elements
        return () if self.features.counts is None else self.features.counts.elements

    @property
    def files(self) -> list[dict[str, str]]:
        """The files that were described, or the archive, each with its path and digest."""
        if self.store is not None:
            return self.store.files
        return [{"path": path, "sha256": sha256(path)} for path in self.paths]

    @property
    def n_isolated(self) -> int:
        """Number of isolated atoms that were left out of the rows."""
        return 0 if self.store is None else len(self.store.isolated)

    def refuse_unmarked(self, marks: Sequence[str]) -> None:
        """Refuse rows of structures that are marked as isolated atoms, or may be where only a file could tell."""
        if self.store is not None:
            refuse_unmarked(self.store, marks)
            return
        for mark in marks:
            if mark not in self.features.marks and (self.features.n_atoms == 1).any():
                raise InvalidInputError(
                    f"{self.name}: holds features of single atoms, and does not know which are isolated atoms, {mark}: "
                    f"make it with --isolated {mark}"
                )

    def check(self, descriptor: DescriptorLike, dtype: DTypeLike) -> None:
        """Refuse features of another descriptor or type than those of the pool."""
        recorded_descriptor(self.record, self.name, descriptor, describes=False)
        own = self.features.dtype if self.store is None else self.store.dtype
        if own != np.dtype(dtype):
            raise InvalidInputError(f"{self.name}: has features of type {own}, those of the pool are {np.dtype(dtype)}")

    def rows(self, descriptor: DescriptorLike, elements: tuple[str, ...], rows: str, dtype: DTypeLike) -> Features:
        """Return the features for a selection; see `Core.featurize`."""
        self.check(descriptor, dtype)
        if rows == "atoms":
            raise InvalidInputError(f"{self.name}: atomic rows of a {self._part} need its structures: give the files")
        try:
            return with_composition(self.features, elements)
        except InvalidInputError as error:
            raise InvalidInputError(f"{self.name}: {error}") from None


def is_described(item: Any) -> bool:
    """Tell features, or what keeps them, from structures."""
    return isinstance(item, (Features, JoinedStores)) or is_store(item) or is_archive(item)


def _together(parts: Sequence[Features]) -> Features:
    """Put the rows of a core one after the other."""
    if len(parts) == 1:
        return parts[0]
    counts = [part.counts for part in parts if part.counts is not None]
    return Features(
        per_structure=np.concatenate([part.per_structure for part in parts]),
        n_atoms=np.concatenate([part.n_atoms for part in parts]),
        sources=[source for part in parts for source in part.sources],
        composition=parts[0].composition,
        counts=ElementCounts.together(counts) if len(counts) == len(parts) else None,
        descriptor=parts[0].descriptor,
    )
