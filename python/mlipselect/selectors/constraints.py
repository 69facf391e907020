"""Constraints of a selection: quotas of groups, a budget, a distance to keep.

Greedy selection takes the best candidate that still fits. A candidate that does not fit after a pick never fits later,
so a constraint only names the candidates that a pick rules out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import standard_scales
from mlipselect.exceptions import InvalidInputError
from mlipselect.selectors.base import FloatMatrix, core_rows, integer, number, structure_rows
from mlipselect.utils.told import counted
from mlipselect.utils.unmasked import refuse_masked, unmasked

#: Number of rows that a candidate is compared with at a time.
_BLOCK = 512


class Constraint:
    """Base of constraints, which rule candidates out as picks are made. It rules out none: override what differs."""

    def begin(
        self,
        pool: Any,  # noqa: ARG002 - for those who inherit
        core: Any,  # noqa: ARG002
        n_to_select: int,  # noqa: ARG002
    ) -> Iterable[int]:
        """Forget earlier picks; return the candidates of a pool that do not fit even as the first pick.

        `pool` and `core` are the arguments of `fit`.
        """
        return ()

    def fits(self, index: int) -> bool:  # noqa: ARG002
        """Tell whether a candidate that is not ruled out may be picked next; if not, it is never picked."""
        return True

    def picked(self, index: int) -> Iterable[int]:  # noqa: ARG002
        """Record a pick; return the candidates that no longer fit. Candidates may be named repeatedly."""
        return ()

    @property
    def is_met(self) -> bool:
        """Whether the picks so far are enough: then the selection ends."""
        return False

    def ended(self) -> None:
        """Raise `InvalidInputError` if the selection does not meet the constraint."""

    def notes(self) -> list[str]:
        """Return sentences about the effect of the constraint on the last selection."""
        return []


class Quota(Constraint):
    """Smallest and largest number of picks from each group.

    Parameters
    ----------
    groups : sequence of length n
        Group of each candidate of the pool: a ``config_type``, a composition, a number.
    minimum : int, default=0
        Smallest number of picks from each group; a group with fewer candidates is picked whole.
    maximum : int, optional
        Largest number of picks from each group.

    Notes
    -----
    As soon as all remaining picks are needed for minima, only groups below their minimum are picked from. Until then
    the best candidate of any group is picked.

    Examples
    --------
    >>> import numpy as np
    >>> from mlipselect import BayesianSelector, Quota
    >>> X = np.diag([5.0, 4.0, 3.0, 2.0, 1.0])
    >>> BayesianSelector(3).fit(X, constraints=[Quota("aaabb", minimum=1, maximum=2)]).selected_idx_
    array([0, 1, 3])
    """

    def __init__(self, groups: Sequence[Any], *, minimum: int = 0, maximum: int | None = None):
        minimum, maximum = integer("minimum", minimum), None if maximum is None else integer("maximum", maximum)
        if minimum < 0 or (maximum is not None and (maximum < 1 or maximum < minimum)):
            raise InvalidInputError(
                f"a quota needs 0 <= minimum <= maximum and a maximum of at least 1, given {minimum} and {maximum}"
            )
        self.minimum, self.maximum = minimum, maximum
        refuse_masked("groups", groups)
        names: dict[Any, int] = {}
        self._group = np.array([names.setdefault(group, len(names)) for group in groups], dtype=np.int64)
        self._names = list(names)
        self._members = [np.flatnonzero(self._group == group) for group in range(len(names))]

    def begin(self, pool: Any, core: Any, n_to_select: int) -> Iterable[int]:  # noqa: ARG002
        """Check that the quota can be met."""
        if len(self._group) != len(pool):
            raise InvalidInputError(
                f"a quota needs the group of each candidate: expected {len(pool)}, given {len(self._group)}"
            )
        sizes = np.array([len(members) for members in self._members])
        self._wanted = np.minimum(self.minimum, sizes)
        self._count = np.zeros(len(sizes), dtype=np.int64)
        self._left = n_to_select
        if self._wanted.sum() > n_to_select:
            raise InvalidInputError(
                f"{counted(len(sizes), 'group')} with a minimum of {self.minimum}: expected at least "
                f"{counted(int(self._wanted.sum()), 'pick')}, got {n_to_select}"
            )
        most = sizes if self.maximum is None else np.minimum(sizes, self.maximum)
        if most.sum() < n_to_select:
            raise InvalidInputError(
                f"{counted(len(sizes), 'group')} with a maximum of {self.maximum}: expected at most "
                f"{counted(int(most.sum()), 'pick')}, got {n_to_select}"
            )
        return self._reserve()

    def picked(self, index: int) -> Iterable[int]:
        """Close the group of a pick if it is full, and others if the rest is needed for minima."""
        group = self._group[index]
        self._count[group] += 1
        self._left -= 1
        if self._count[group] == self.maximum:
            return np.concatenate([self._members[group], self._reserve()])
        return self._reserve()

    def ended(self) -> None:
        """Refuse a selection in which a group has fewer than its minimum."""
        for name, count, wanted in zip(self._names, self._count, self._wanted, strict=True):
            if count < wanted:
                raise InvalidInputError(
                    f"group {name!r} got {count} of at least {wanted} picks before others ran out: lower its minimum, "
                    "or loosen the other constraints"
                )

    def _reserve(self) -> NDArray[np.int64]:
        missing = np.maximum(self._wanted - self._count, 0)
        if 0 < self._left <= missing.sum():
            return np.concatenate([np.empty(0, np.int64), *(self._members[g] for g in np.flatnonzero(missing == 0))])
        return np.empty(0, np.int64)


class Budget(Constraint):
    """A limit of the total cost of the picks.

    Parameters
    ----------
    costs : array_like of shape (n,)
        Cost of each candidate, not negative: its number of atoms, or a power of it.
    limit : float
        Largest total cost of the picks.

    Notes
    -----
    The best candidate that fits into the remaining budget is picked. If none fits, the selection ends with fewer picks
    than asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from mlipselect import BayesianSelector, Budget
    >>> X = np.diag([5.0, 4.0, 3.0])
    >>> BayesianSelector(3).fit(X, constraints=[Budget([10, 20, 5], limit=16)]).selected_idx_
    array([0, 2])
    """

    def __init__(self, costs: Any, limit: float):
        self.costs = unmasked("costs", costs, np.float64)
        if self.costs.ndim != 1 or not (np.isfinite(self.costs) & (self.costs >= 0)).all():
            raise InvalidInputError("costs must be one number a candidate, finite and not negative")
        limit = number("limit", limit)
        if not limit > 0:
            raise InvalidInputError(f"the limit of a budget must be above 0, given {limit}")
        self.limit = limit

    def begin(self, pool: Any, core: Any, n_to_select: int) -> Iterable[int]:  # noqa: ARG002
        """Rule out candidates that cost more than the limit."""
        if len(self.costs) != len(pool):
            raise InvalidInputError(
                f"a budget needs one cost a candidate: expected {len(pool)}, given {len(self.costs)}"
            )
        self._by_cost = np.argsort(-self.costs, kind="stable")
        self._ruled_out = 0
        self.spent = 0.0
        return self._beyond()

    def picked(self, index: int) -> Iterable[int]:
        """Rule out candidates that cost more than the remaining budget."""
        self.spent += float(self.costs[index])
        return self._beyond()

    def notes(self) -> list[str]:
        """Say what the picks cost."""
        return [f"cost {self.spent:.6g} of at most {self.limit:.6g}"]

    def _beyond(self) -> NDArray[np.int64]:
        # Costs that add up to the limit must not exceed it by rounding.
        left = (self.limit - self.spent) + 1e-12 * self.limit
        first = self._ruled_out
        self._ruled_out = int(np.searchsorted(-self.costs[self._by_cost], -left, side="left"))
        return self._by_cost[first : self._ruled_out]


class MinDistance(Constraint):
    """A guard against near-duplicates: the smallest distance of picks from each other and from the core.

    Parameters
    ----------
    distance : float
        Root mean square, over the features, of the differences between two structures, each in units of the standard
        deviation of that feature over core and pool. 0.01 means a hundredth of a typical difference.

    Attributes
    ----------
    rejected : list of int
        Candidates that were best but too near, in the order in which they were refused.

    Examples
    --------
    >>> import numpy as np
    >>> from mlipselect import FPS, MinDistance
    >>> X = np.array([[0.0], [0.001], [5.0], [9.0]])
    >>> guard = MinDistance(0.01)
    >>> FPS(4).fit(X, constraints=[guard]).selected_idx_, guard.rejected
    (array([3, 0, 2]), [1])
    """

    def __init__(self, distance: float):
        distance = number("distance", distance)
        if not 0 < distance < np.inf:
            raise InvalidInputError(f"the distance to keep must be above 0, given {distance}")
        self.distance = distance

    def begin(self, pool: Any, core: Any, n_to_select: int) -> Iterable[int]:  # noqa: ARG002
        """Begin with the core and no picks."""
        self._pool = structure_rows(pool)
        self._core = core_rows(core, self._pool)
        self._scales = standard_scales(self._pool, self._core)
        self._picks: list[int] = []
        self.rejected: list[int] = []
        return ()

    def fits(self, index: int) -> bool:
        """Compare a candidate with the core and the picks."""
        row = self._pool[index].astype(np.float64)
        near = any(self._is_near(row, others) for others in self._present())
        if near:
            self.rejected.append(index)
        return not near

    def picked(self, index: int) -> Iterable[int]:
        """Record a pick."""
        self._picks.append(index)
        return ()

    def notes(self) -> list[str]:
        """Say how many candidates were refused as too near."""
        return [f"{counted(len(self.rejected), 'candidate')} passed over as near-duplicates"]

    def _present(self) -> Iterator[FloatMatrix]:
        for start in range(0, len(self._picks), _BLOCK):
            yield self._pool[self._picks[start : start + _BLOCK]]
        if self._core is not None:
            for start in range(0, len(self._core), _BLOCK):
                yield self._core[start : start + _BLOCK]

    def _is_near(self, row: NDArray[np.float64], others: FloatMatrix) -> bool:
        differences = (others - row) * self._scales
        squares = np.einsum("ij,ij->i", differences, differences)
        return bool((squares < self.distance**2 * len(row)).any())
