"""Random selection, simple or stratified: the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect._core import shuffled, shuffled_by_stratum
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.frames import Frame
from mlipselect.selectors.base import integer
from mlipselect.selectors.drawn import DrawnSelector


class RandomSelector(DrawnSelector):
    r"""Random sampling without replacement, of the whole pool or of each stratum in proportion.

    Parameters
    ----------
    n_to_select : int
        Structures to pick.
    stratify_by : str, optional
        Key of `Atoms.info`, such as ``"config_type"``, or ``"composition"``: structures that agree in it are a stratum.
        Such a pool is given as structures; for any other, `fit` takes the strata as `groups`.
    random_state : int, default=0
        Seed of the draw.

    Attributes
    ----------
    selected_idx_ : ndarray of int64
        Picks, in order.
    scores_ : ndarray of float64
        Share of the candidates, or of those of its stratum, that is picked: for each pick, how likely that was.

    Notes
    -----
    Every set of `n_to_select` candidates is as likely as any other or, with strata, every such set that holds as many
    of each. How many that are follows from Webster's method [1]_: the next pick is one of the stratum with the most
    candidates for each :math:`2 k + 1`, with `k` its picks so far. So every beginning of the picks is in proportion, up
    to rounding, and a stratum too small for its share to reach one half has none. Where several are equal, chance
    decides.

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

    def __init__(self, n_to_select: int, *, stratify_by: str | None = None, random_state: int = 0):
        self.n_to_select = n_to_select
        self.stratify_by = stratify_by
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        core: Any = None,  # noqa: ARG002
        *,
        groups: Sequence[Hashable] | NDArray[Any] | None = None,
        exclude: Any = (),
        warm_start: bool = False,
    ) -> RandomSelector:
        """Select `n_to_select` structures of the pool.

        Parameters
        ----------
        X : anything with a length
            The pool: a matrix of features, `Features`, or a list of structures. Features are not looked at.
        core : optional
            Without influence: taken so that all selectors can be called alike.
        groups : sequence of shape (n,), optional
            Stratum of each structure: names, numbers or anything else that can be compared for equality.
        exclude : sequence of int, default=()
            Indices of structures of the pool that must not be picked. They do not count in the size of their stratum.
        warm_start : bool, default=False
            Continue the selection of the last call, on the same pool, up to a larger `n_to_select`. The result is that
            of one selection of as many. Strata are those of that call.

        Returns
        -------
        RandomSelector
            Itself.

        Raises
        ------
        InvalidInputError
            If the pool is smaller than `n_to_select`, strata are given twice or not for every structure, or a parameter
            is out of its range.
        StructureError
            If a structure lacks the key of `stratify_by`.
        """
        n_pool = len(X)

        def order(candidates: NDArray[np.int64]) -> NDArray[np.int64]:
            seed = integer("random_state", self.random_state, 0) % (1 << 64)
            strata = self._strata(X, groups)
            self._counted = np.zeros(n_pool, np.int64) if strata is None else strata
            if strata is None:
                return shuffled(candidates, seed)
            return shuffled_by_stratum(candidates, strata, seed)

        if warm_start and groups is not None:
            raise InvalidInputError("a warm start continues with the strata it began with: leave groups out")
        self._select(n_pool, order, core=None, exclude=exclude, warm_start=warm_start)
        picks = self._counted[self.selected_idx_]
        left = np.concatenate([self.selected_idx_, np.flatnonzero(~self._taken)])
        self.scores_ = np.bincount(picks)[picks] / np.bincount(self._counted[left])[picks]
        return self

    _counted: NDArray[np.int64]

    def _strata(self, X: Any, groups: Any) -> NDArray[np.int64] | None:
        """Give the stratum of every structure as a number, where there are strata."""
        if self.stratify_by is not None:
            if groups is not None:
                raise InvalidInputError("give stratify_by or groups, not both")
            groups = [structure_key(X, index, self.stratify_by) for index in range(len(X))]
        if groups is None:
            return None
        if len(groups) != len(X):
            raise InvalidInputError(f"groups must name the stratum of each of {len(X)} structures, given {len(groups)}")
        numbers: dict[Hashable, int] = {}
        return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)


def structure_key(structures: Sequence[Atoms | Frame], index: int, key: str) -> Hashable:
    """Return what a structure has under a key of its `info`, or its reduced formula for ``"composition"``."""
    structure = structures[index]
    atoms = structure.atoms if isinstance(structure, Frame) else structure
    if not isinstance(atoms, Atoms):
        raise InvalidInputError(
            f"stratify_by={key!r} needs the structures: give a list of them as the pool, or the strata as groups"
        )
    if key == "composition":
        return str(atoms.symbols.formula.reduce()[0].format("hill"))
    if key not in atoms.info:
        raise StructureError(f"it has no {key!r} in its info, which stratify_by asks for", index)
    return str(atoms.info[key])
