"""Random selection, simple or stratified: the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import shuffled, shuffled_by_stratum
from mlipselect.exceptions import InvalidInputError
from mlipselect.random_state import RandomState, draw_seed
from mlipselect.selectors.base import FloatMatrix, check_labels, refuse_sparse_and_masked
from mlipselect.selectors.constraints import Constraint
from mlipselect.selectors.drawn import DrawnSelector
from mlipselect.utils.unmasked import refuse_masked


class RandomSelector(DrawnSelector):
    r"""Random sampling without replacement, of the whole pool or of each stratum in proportion.

    Parameters
    ----------
    n_to_select : int or float, optional
        Number of structures to pick, or a fraction of the pool between 0 and 1; by default half of the pool.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the draw, a generator from which one is drawn, or None for fresh entropy.

    Attributes
    ----------
    selected_idx_ : ndarray of int64
        Picks, in order.
    scores_ : ndarray of float64
        Probability of each pick: the share of the candidates, or of its stratum, that is picked.
    seed_ : int
        Seed of the draw: `random_state`, or the seed drawn for it if it is not an integer.

    Notes
    -----
    Every set of `n_to_select` candidates is equally likely or, with strata, every set with the same number from each
    stratum. Webster's method [1]_ gives these numbers: the next pick is from the stratum with the largest number of
    candidates divided by :math:`2 k + 1`, with `k` its picks so far. Ties are broken at random. So every beginning of
    the picks is in proportion, up to rounding; a small stratum may have no pick.

    References
    ----------
    .. [1] M. L. Balinski, H. P. Young, Fair Representation, Yale University Press (1982).

    Examples
    --------
    >>> from mlipselect import RandomSelector
    >>> kinds = ["bulk"] * 6 + ["surface"] * 3
    >>> picks = RandomSelector(3, random_state=1).fit(kinds, groups=kinds).selected_idx_
    >>> [kinds[i] for i in picks]
    ['bulk', 'surface', 'bulk']
    """

    supports_strata: ClassVar[bool] = True

    def __init__(self, n_to_select: int | float | None = None, *, random_state: RandomState = 0):
        self.n_to_select = n_to_select
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        core: Any = None,
        groups: Sequence[Hashable] | NDArray[Any] | None = None,
        exclude: Any = (),
        constraints: Sequence[Constraint] = (),
        warm_start: bool = False,
    ) -> RandomSelector:
        """Select `n_to_select` structures of the pool.

        Parameters
        ----------
        X : anything with a length
            The pool: a matrix of features, `Features`, or a list of structures. Features are not used.
        y : optional
            Labels, which are ignored: scikit-learn passes them.
        core : optional
            Used by a `MinDistance` only; accepted since all selectors have the same call.
        groups : sequence of shape (n,), optional
            Stratum of each structure: names, numbers or anything else that can be compared for equality.
        exclude : sequence of int, default=()
            Indices of structures of the pool that must not be picked. They do not count in the size of their stratum.
        constraints : sequence of Constraint, default=()
            Limits on the picks, such as a `Quota`, a `Budget` or a `MinDistance`: the next candidate that fits is
            picked.
        warm_start : bool, default=False
            Continue the selection of the last call, on the same pool, up to a larger `n_to_select`. The result is that
            of one larger selection. Strata are those of the last call.

        Returns
        -------
        RandomSelector
            Itself.

        Raises
        ------
        InvalidInputError
            If the pool is smaller than `n_to_select`, strata are not given for every structure, or a parameter
            is out of its range.
        """
        refuse_sparse_and_masked(X)
        n_pool = len(X)
        check_labels(y, n_pool)

        def order(candidates: NDArray[np.int64]) -> NDArray[np.int64]:
            self.seed_ = draw_seed(self.random_state)
            seed = self.seed_ % (1 << 64)
            strata = self._strata(X, groups)
            self._counted = np.zeros(n_pool, np.int64) if strata is None else strata
            if strata is None:
                return shuffled(candidates, seed)
            return shuffled_by_stratum(candidates, strata, seed)

        if warm_start and groups is not None:
            raise InvalidInputError("a warm start continues with the strata it began with: leave groups out")
        self._select(X, order, core=core, exclude=exclude, constraints=constraints, warm_start=warm_start)
        shape: Any = getattr(X, "shape", ())
        if len(shape) == 2:
            self.n_features_in_ = shape[1]
        picks = self._counted[self.selected_idx_]
        left = np.concatenate([self.selected_idx_, np.flatnonzero(~self._taken)])
        self.scores_ = np.bincount(picks)[picks] / np.bincount(self._counted[left])[picks]
        return self

    _counted: NDArray[np.int64]

    def purposes(self, sample: FloatMatrix) -> list[str]:  # noqa: ARG002 - features are not used
        """Say that picks are random, and of how many structures each was drawn."""
        sizes = np.bincount(self._counted)[self._counted[self.selected_idx_]]
        whole = len(self._counted)
        return ["drawn at random" if size == whole else f"drawn at random from its group of {size}" for size in sizes]

    def _strata(self, X: Any, groups: Any) -> NDArray[np.int64] | None:
        """Return the stratum of every structure as a number, or None without strata."""
        if groups is None:
            return None
        if len(groups) != len(X):
            raise InvalidInputError(f"groups must name the stratum of each of {len(X)} structures, given {len(groups)}")
        refuse_masked("groups", groups)
        numbers: dict[Hashable, int] = {}
        return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)
