"""The target of a selection: the structures that it is for, read like a pool, and the weight of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from mlipselect.descriptors.base import DescriptorLike, DesignDescriptor
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.features import Designs, Features
from mlipselect.features.composition import scale_composition
from mlipselect.io.checks import Checks
from mlipselect.io.isolated import Isolated
from mlipselect.io.reading import Reading
from mlipselect.selection.core import Core, CoreLike
from mlipselect.stores.joined import JoinedStores
from mlipselect.utils.option import option
from mlipselect.utils.unmasked import unmasked

WeightsLike: TypeAlias = "str | Sequence[float] | Sequence[str] | NDArray[np.floating[Any]] | Mapping[str, float]"
"""The key of a number in `Atoms.info`, a number for each structure or for each group, also as ``"GROUP=WEIGHT"``."""


@dataclass(frozen=True)
class TargetOptions:
    """Which structures a selection is for."""

    title: ClassVar[str] = "target (what the scores pool_variance and pool_std lower the uncertainty of)"

    target: CoreLike | None = option(
        None,
        "files with the structures that the selection is for, such as surfaces, or stores or archives of their "
        "features: they need no labels and are never picked (default: the pool)",
        nargs="+",
        metavar="FILE",
    )
    target_groups: str | None = option(
        None,
        "group the target by this key, such as config_type, or by composition: the structures of a group share its "
        "weight (default weight of a group: 1)",
        metavar="KEY",
    )
    target_weights: WeightsLike | None = option(
        None,
        "weight of each structure of the target: a key with a number, such as weight, or with --target-groups the "
        "weight of each group, GROUP=WEIGHT (default: all the same)",
        nargs="+",
        metavar="WEIGHT",
    )

    def __post_init__(self) -> None:
        if self.target is None:
            for name in ("target_groups", "target_weights"):
                if getattr(self, name) is not None:
                    raise InvalidInputError(f"{name}: expected `target` with it, got none")
        if self.target_groups is None and self.target_weights is not None and self._by_group is not None:
            raise InvalidInputError("target_weights: expected `target_groups` with weights of groups, got none")
        if self.target_groups is not None and self.target_weights is not None and self._by_group is None:
            given = f", got {self.target_weights!r}" if isinstance(self.target_weights, (str, list)) else ""
            raise InvalidInputError(
                f"target_weights: expected weights of groups with `target_groups`, GROUP=WEIGHT{given}"
            )

    @property
    def _by_group(self) -> dict[str, float] | None:
        """The weights of groups; None where weights are given otherwise."""
        given = self.target_weights
        if isinstance(given, Mapping):
            return {str(group): _number(weight, f"group {group}") for group, weight in given.items()}
        if not isinstance(given, (list, tuple)) or not all(isinstance(item, str) for item in given):
            return None
        items = [cast("str", item).rpartition("=") for item in given]
        if len(items) == 1 and not items[0][1]:
            return None
        if not all(equals for _, equals, _ in items):
            raise InvalidInputError(f"target_weights: expected one key, or GROUP=WEIGHT for each group, got {given}")
        twice = [group for group, count in Counter(group for group, _, _ in items).items() if count > 1]
        if twice:
            raise InvalidInputError(f"target_weights: expected one weight for each group, got several for {twice[0]}")
        return {group: _number(weight, f"group {group}") for group, _, weight in items}

    @property
    def _key(self) -> str | None:
        """The key of the weights; None where weights are given otherwise."""
        given = self.target_weights
        alone: Any = given
        if isinstance(given, (list, tuple)) and len(given) == 1 and self._by_group is None:
            alone = given[0]
        return alone if isinstance(alone, str) else None

    @property
    def keys(self) -> list[str]:
        """Keys of `Atoms.info` that weights follow from."""
        return [key for key in (self.target_groups, self._key) if key is not None]

    def weights(self, target: Target) -> NDArray[np.float64] | None:
        """Return the weight of each structure of a target; None if all have the same.

        Raises
        ------
        InvalidInputError
            A weight that is no number, a group without a weight, a weight of a group that the target lacks, or another
        number of weights than structures.
        """
        if self.target_groups is not None:
            groups = [str(group) for group in target.values(self.target_groups)]
            sizes, by_group = Counter(groups), self._by_group
            missing = sorted(set(groups) - set(groups if by_group is None else by_group))
            if missing:
                raise InvalidInputError(
                    f"target_weights: expected a weight for each group, got none for {', '.join(missing)}"
                )
            unknown = sorted(set(by_group or ()) - set(groups))
            if unknown:
                raise InvalidInputError(
                    f"target_weights: expected groups of the target, {', '.join(sorted(sizes))}, "
                    f"got {', '.join(unknown)}"
                )
            return np.array([(1.0 if by_group is None else by_group[group]) / sizes[group] for group in groups])
        if self._key is not None:
            values = enumerate(target.values(self._key))
            return np.array([_number(value, target.place(k)) for k, value in values])
        if self.target_weights is None:
            return None
        return unmasked("target_weights", self.target_weights, np.float64)

    def recorded(self) -> dict[str, Any]:
        """Return how structures weigh, if there is a target."""
        if self.target is None:
            return {}
        weights = self.target_weights
        if isinstance(weights, (list, tuple)) and not any(isinstance(item, str) for item in weights):
            weights = np.asarray(weights, dtype=np.float64)
        return {"target_groups": self.target_groups, "target_weights": weights}


def _number(value: Any, where: str) -> float:
    """Understand a weight."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidInputError(f"target_weights: expected a number for {where}, got {value!r}") from None


class Target(Core):
    """Structures that a selection is for, some of them perhaps described already; they are read like a pool.

    Parameters
    ----------
    options : TargetOptions
        The structures, and how they weigh.
    isolated : sequence of Isolated
        Marks of isolated atoms, which are left out.
    reading : Reading
        How files are read.
    checks : Checks
        What structures are looked at for.

    Raises
    ------
    InvalidInputError
        A store or an archive that cannot be read.
    """

    def __init__(self, options: TargetOptions, isolated: Sequence[Isolated], reading: Reading, checks: Checks):
        super().__init__(
            cast("CoreLike", options.target), isolated, reading, checks, group_by=options.keys, name="target"
        )
        self._options = options

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """Weight of each structure; None if all have the same."""
        return self._options.weights(self)

    def values(self, key: str) -> list[Any]:
        """Return the value of a key for each structure, in the order of the rows.

        Raises
        ------
        InvalidInputError
            Features that keep no keys.
        """
        found: list[Any] = []
        for known in self.described:
            if known.store is None:
                raise InvalidInputError(
                    f"{known.name}: keeps no key {key!r} to weigh structures by: give their files, or a store"
                )
            found += known.store.groups(key)
        return found + self.groups[key]

    def rows(
        self, descriptor: DescriptorLike, like: Features | JoinedStores, *, n_threads: int | None, progress: bool | None
    ) -> Features | JoinedStores:
        """Describe the structures as those of a pool are described; a store alone stays on disk.

        Parameters
        ----------
        descriptor : object
            The descriptor of the pool.
        like : Features or JoinedStores
            The features of the pool.
        n_threads : int, optional
            Threads to use.
        progress : bool, optional
            Show a progress bar.

        Raises
        ------
        InvalidInputError
            No structure, or features that are described already and differ in kind from those of the pool.
        StructureError
            A structure that cannot be described.
        """
        unknown = {symbol for known in self.described for symbol in known.elements} - set(like.composition)
        if like.composition and unknown:
            raise InvalidInputError(
                f"{self.described[0].name}: the target has {', '.join(sorted(unknown))}, but neither pool nor core"
            )
        if len(self.described) == 1 and self.described[0].store is not None and not self.candidates:
            self.described[0].check(descriptor, like.dtype)
            return self.described[0].store.widened(like.composition, like.composition_scale)
        how = {"n_threads": n_threads, "progress": progress}
        made = self.featurize(descriptor, like.composition, rows="structure", dtype=like.dtype, **how)
        if made is None or not len(made):
            raise InvalidInputError("target: expected at least one structure, got none")
        if made.shape[1] != like.shape[1]:
            source, index = made.sources[0] if made.sources else (None, 0)
            raise StructureError(
                f"expected {like.shape[1]} features as for the pool, got {made.shape[1]}", index, source
            )
        if like.composition:
            scale_composition(made, like.composition_scale)
        return made

    def designs(self, descriptor: DescriptorLike, n_threads: int | None) -> Designs:
        """Prepare the rows of forces, which are made when they are asked for.

        Raises
        ------
        InvalidInputError
            Features of structures that are not given themselves, or a descriptor without derivatives.
        """
        if self.described:
            raise InvalidInputError(
                f"{self.described[0].name}: an objective with forces needs the structures of the target: give the files"
            )
        atoms = [frame.atoms for frame in self.iter_candidates()]
        return Designs(atoms, cast("DesignDescriptor", descriptor), n_threads=n_threads)
