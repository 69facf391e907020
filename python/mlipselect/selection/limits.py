"""Limits to the selected structures, as constraints on the picks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.selection.expected_error import Until
from mlipselect.selectors.constraints import Budget, Constraint, MinDistance, Quota
from mlipselect.utils.option import option
from mlipselect.utils.unmasked import unmasked

CostLike: TypeAlias = "str | Sequence[float] | NDArray[np.floating[Any]]"
"""``"natoms"``, a power of it such as ``"natoms^3"``, or one number for each candidate."""

_POWER = re.compile(r"natoms(?:(?:\^|\*\*)(?P<power>[0-9]*\.?[0-9]+))?")


class HasGroupsAndSizes(Protocol):
    """What limits ask of a pool."""

    @property
    def sizes(self) -> Sequence[int] | NDArray[np.int64]:
        """Numbers of atoms of the candidates."""

    def groups(self, key: str) -> Sequence[Any]:
        """Return the group of each candidate by a key."""


@dataclass(frozen=True)
class Limits:
    """What the selected structures may be together."""

    title: ClassVar[str] = "limits (the best candidate that meets them is picked)"

    groups: str | None = option(
        None,
        "group by this key, such as config_type, or by composition, for --min and --max; the output says how many of "
        "each are picked",
        metavar="KEY",
    )
    min_per_group: int = option(0, "structures of each group, at least", flags=["--min"], type=int, metavar="A")
    max_per_group: int | None = option(
        None, "structures of each group, at most", flags=["--max"], type=int, metavar="B"
    )
    max_atoms: int | None = option(None, "atoms of all selected structures together", type=int, metavar="N")
    cost: CostLike | None = option(
        None, "what a structure costs: natoms or a power of it, such as natoms^3 (default: natoms)", metavar="COST"
    )
    max_cost: float | None = option(None, "cost of all selected structures together", type=float, metavar="C")
    min_distance: float | None = option(
        None,
        "pass near-duplicates of core and picks over: the root mean square difference of features, in units of their "
        "standard deviations, such as 0.01",
        type=float,
        metavar="D",
    )

    until: str | float | None = option(
        None,
        "stop once the expected error of energies an atom is below this, such as 2meV, by the energies of the core or "
        "the potential, or this fraction of what it is before the first pick, such as 50%%; -n is the most, and may be "
        "more than the pool has",
        metavar="ERROR",
    )
    energy_key: str | Sequence[str] | None = option(
        None,
        "keys of energies of the core, which give expected errors their scale (default: guessed where --until is an "
        "amount such as 2meV, else not used)",
        metavar="KEY",
        nargs="+",
    )

    def __post_init__(self) -> None:
        if self.until is not None:
            Until.parse(self.until)
        if self.groups is None and (self.min_per_group or self.max_per_group is not None):
            raise InvalidInputError("a number for each group: expected `groups` with it, got none")
        if self.cost is not None and self.max_cost is None:
            raise InvalidInputError("cost: expected `max_cost` with it, got none")

    @property
    def are_set(self) -> bool:
        """Whether anything is limited."""
        limits = (self.max_per_group, self.max_atoms, self.max_cost, self.min_distance, self.until)
        return bool(self.min_per_group) or any(limit is not None for limit in limits)

    def most(self, n: int, n_candidates: int) -> int:
        """Return how many structures are selected at most: with `until`, `n` may be more than there are candidates."""
        return n if self.until is None else min(n, max(n_candidates, 1))

    def constraints(self, pool: HasGroupsAndSizes) -> list[Constraint]:
        """Make the constraints on the candidates of a pool."""
        made: list[Constraint] = []
        if self.groups is not None and (self.min_per_group or self.max_per_group is not None):
            made.append(Quota(pool.groups(self.groups), minimum=self.min_per_group, maximum=self.max_per_group))
        if self.max_atoms is not None:
            made.append(Budget(pool.sizes, self.max_atoms))
        if self.max_cost is not None:
            made.append(Budget(costs("natoms" if self.cost is None else self.cost, pool.sizes), self.max_cost))
        if self.min_distance is not None:
            made.append(MinDistance(self.min_distance))
        return made


def costs(cost: CostLike, sizes: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
    """Evaluate what candidates cost.

    Parameters
    ----------
    cost : str or sequence of float
        ``"natoms"``, a power of it such as ``"natoms^3"``, or one number for each candidate.
    sizes : sequence of int
        Numbers of atoms of the candidates.

    Raises
    ------
    InvalidInputError
        An expression that is not understood.
    """
    if not isinstance(cost, str):
        return unmasked("cost: the numbers", cost, np.float64)
    match = _POWER.fullmatch(cost.strip())
    if match is None:
        raise InvalidInputError(f"cost: expected natoms or a power of it such as natoms^3, got {cost!r}")
    return np.asarray(sizes, dtype=np.float64) ** float(match["power"] or 1)
