"""What a selection may contain, as options of `select` and of the command line say it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.collection import Structures
from mlipselect.selectors.constraints import Budget, Constraint, MinDistance, Quota

CostLike: TypeAlias = "str | Sequence[float] | NDArray[np.floating[Any]]"
"""``"natoms"``, a power of it such as ``"natoms^3"``, or one number for each candidate."""

_POWER = re.compile(r"natoms(?:(?:\^|\*\*)(?P<power>[0-9]*\.?[0-9]+))?")


@dataclass(frozen=True)
class Limits:
    """Limits that a selection keeps; see `mlipselect.select` for what each means."""

    groups: str | None = None
    min_per_group: int = 0
    max_per_group: int | None = None
    max_atoms: int | None = None
    cost: CostLike | None = None
    max_cost: float | None = None
    min_distance: float | None = None

    def __post_init__(self) -> None:
        if self.groups is None and (self.min_per_group or self.max_per_group is not None):
            raise InvalidInputError("a number for each group: expected `groups` with it, got none")
        if self.groups is not None and not self.min_per_group and self.max_per_group is None:
            raise InvalidInputError("groups: expected a smallest or a largest number for each group with it, got none")

        if self.cost is not None and self.max_cost is None:
            raise InvalidInputError("cost: expected `max_cost` with it, got none")

    def constraints(self, pool: Structures) -> list[Constraint]:
        """Make the constraints on the candidates of a pool."""
        made: list[Constraint] = []
        if self.groups is not None:
            made.append(Quota(pool.groups[self.groups], minimum=self.min_per_group, maximum=self.max_per_group))
        made += self.budgets(pool.sizes)
        if self.min_distance is not None:
            made.append(MinDistance(self.min_distance))
        return made

    def budgets(self, sizes: Sequence[int] | NDArray[np.int64]) -> list[Constraint]:
        """Make those of the constraints that follow from the numbers of atoms of the candidates."""
        made: list[Constraint] = []
        if self.max_atoms is not None:
            made.append(Budget(sizes, self.max_atoms))
        if self.max_cost is not None:
            made.append(Budget(costs("natoms" if self.cost is None else self.cost, sizes), self.max_cost))
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
        return np.asarray(cost, dtype=np.float64)
    match = _POWER.fullmatch(cost.strip())
    if match is None:
        raise InvalidInputError(f"cost: expected natoms or a power of it such as natoms^3, got {cost!r}")
    return np.asarray(sizes, dtype=np.float64) ** float(match["power"] or 1)
