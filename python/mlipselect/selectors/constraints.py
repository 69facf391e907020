"""What a selection may contain: quotas for groups, a budget, a distance to keep.

Greedy selection takes the best candidate that still fits. A candidate that no longer fits never fits again, so each
constraint only has to name those that a pick rules out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError


class Constraint(Protocol):
    """Rules out candidates as picks are made."""

    def begin(self, n_pool: int, n_to_select: int) -> Iterable[int]:
        """Forget earlier picks; return the candidates of a pool that do not fit at all."""

    def picked(self, index: int) -> Iterable[int]:
        """Account for a pick; return the candidates that do not fit any more, named before or not."""


class Quota:
    """So many of each group, at least and at most.

    Parameters
    ----------
    labels : sequence of length n
        Group of each candidate of the pool: a ``config_type``, a composition, a number.
    minimum : int, default=0
        Picks that each group gets at least, or all of its candidates where it has fewer.
    maximum : int, optional
        Picks that each group gets at most.

    Notes
    -----
    Minima are met by leaving out every group that has enough as soon as the picks that are left are needed for the
    others; until then the best candidate wins whatever its group.

    Examples
    --------
    >>> import numpy as np
    >>> from mlipselect import BayesianSelector, Quota
    >>> X = np.diag([5.0, 4.0, 3.0, 2.0, 1.0])
    >>> BayesianSelector(3).fit(X, constraints=[Quota("aaabb", minimum=1, maximum=2)]).selected_idx_
    array([0, 1, 3])
    """

    def __init__(self, labels: Sequence[Any], *, minimum: int = 0, maximum: int | None = None):
        if minimum < 0 or (maximum is not None and (maximum < 1 or maximum < minimum)):
            raise InvalidInputError(
                f"a quota needs 0 <= minimum <= maximum and a maximum of at least 1, given {minimum} and {maximum}"
            )
        self.minimum, self.maximum = minimum, maximum
        names: dict[Any, int] = {}
        self._group = np.array([names.setdefault(label, len(names)) for label in labels], dtype=np.int64)
        self._names = list(names)
        self._members = [np.flatnonzero(self._group == group) for group in range(len(names))]

    def begin(self, n_pool: int, n_to_select: int) -> Iterable[int]:
        """Check that the quota can be met."""
        if len(self._group) != n_pool:
            raise InvalidInputError(f"a quota needs one label a candidate: expected {n_pool}, given {len(self._group)}")
        sizes = np.array([len(members) for members in self._members])
        self._wanted = np.minimum(self.minimum, sizes)
        self._count = np.zeros(len(sizes), dtype=np.int64)
        self._left = n_to_select
        if self._wanted.sum() > n_to_select:
            raise InvalidInputError(
                f"{len(sizes)} groups with a minimum of {self.minimum} need {self._wanted.sum()} picks, "
                f"more than the {n_to_select} asked for"
            )
        most = sizes if self.maximum is None else np.minimum(sizes, self.maximum)
        if most.sum() < n_to_select:
            raise InvalidInputError(
                f"{len(sizes)} groups with a maximum of {self.maximum} allow {most.sum()} picks, "
                f"fewer than the {n_to_select} asked for"
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

    def _reserve(self) -> NDArray[np.int64]:
        missing = np.maximum(self._wanted - self._count, 0)
        if 0 < missing.sum() == self._left:
            return np.concatenate([np.empty(0, np.int64), *(self._members[g] for g in np.flatnonzero(missing == 0))])
        return np.empty(0, np.int64)


class Budget:
    """A limit to what the picks cost together.

    Parameters
    ----------
    costs : array_like of shape (n,)
        Cost of each candidate, not negative: its number of atoms, or a power of it.
    limit : float
        What the picks may cost together.

    Notes
    -----
    The best candidate that still fits is taken, so cheap ones fill up what is left. Where nothing fits any more the
    selection ends with fewer picks than asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from mlipselect import BayesianSelector, Budget
    >>> X = np.diag([5.0, 4.0, 3.0])
    >>> BayesianSelector(3).fit(X, constraints=[Budget([10, 20, 5], limit=16)]).selected_idx_
    array([0, 2])
    """

    def __init__(self, costs: Any, limit: float):
        self.costs = np.asarray(costs, dtype=np.float64)
        if self.costs.ndim != 1 or not (np.isfinite(self.costs) & (self.costs >= 0)).all():
            raise InvalidInputError("costs must be one number a candidate, finite and not negative")
        if not limit > 0:
            raise InvalidInputError(f"the limit of a budget must be above 0, given {limit}")
        self.limit = float(limit)

    def begin(self, n_pool: int, n_to_select: int) -> Iterable[int]:  # noqa: ARG002 - the number does not matter here
        """Leave out what costs more than the limit by itself."""
        if len(self.costs) != n_pool:
            raise InvalidInputError(f"a budget needs one cost a candidate: expected {n_pool}, given {len(self.costs)}")
        self._by_cost = np.argsort(-self.costs, kind="stable")
        self._ruled_out = 0
        self.spent = 0.0
        return self._beyond()

    def picked(self, index: int) -> Iterable[int]:
        """Leave out what costs more than what is left."""
        self.spent += float(self.costs[index])
        return self._beyond()

    def _beyond(self) -> NDArray[np.int64]:
        # Sums of costs that meet the limit exactly must not fail by rounding.
        left = (self.limit - self.spent) + 1e-12 * self.limit
        first = self._ruled_out
        self._ruled_out = int(np.searchsorted(-self.costs[self._by_cost], -left, side="left"))
        return self._by_cost[first : self._ruled_out]
