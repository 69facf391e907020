"""CUR: draw structures by their leverage in the leading right singular directions of the features."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import largest_first, leverage, shuffled_by_weight
from mlipselect.exceptions import InvalidInputError
from mlipselect.random_state import RandomState, draw_seed
from mlipselect.selectors.base import FloatMatrix, check_labels, core_rows, integer, number, structure_rows
from mlipselect.selectors.constraints import Constraint
from mlipselect.selectors.drawn import DrawnSelector
from mlipselect.selectors.starting_posterior import atomic_rows

logger = logging.getLogger("mlipselect")


class CUR(DrawnSelector):
    r"""Structures drawn in proportion to their leverage, or those of the largest leverage.

    Parameters
    ----------
    n_to_select : int or float, optional
        Number of structures to pick, or a fraction of the pool between 0 and 1; by default half of the pool.
    rank : int, optional
        Number of leading right singular directions that count. By default as many as hold 99.9 % of the sum of the
        squares of all features.
    ridge : float, optional
        Instead of `rank`: all directions count, but less if the features are small in them. In units of the mean square
        of the features (of core and pool), as in `BayesianSelector`.
    rows : {"structure", "atoms"}, default="structure"
        Leverage of a structure: that of its structure row, or the sum of the leverages of its atomic rows. The latter
        needs features made with ``featurize(..., rows="atoms")``.
    scale : {"none", "standard"}, default="none"
        Leave every feature as it is, or divide it by its standard deviation over core and pool.
    deterministic : bool, default=False
        Take the structures of the largest leverage instead of drawing; of leverages that agree to one part in
        :math:`10^{12}`, the lowest index first.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the draw, a generator from which one is drawn, or None for fresh entropy.
    n_threads : int, optional
        Threads to use, by default `MLIPSELECT_NUM_THREADS` or one for each processor. The result does not depend on it.

    Attributes
    ----------
    selected_idx_ : ndarray of int64
        Picks, in order.
    scores_ : ndarray of float64
        Leverage of each pick.
    leverage_ : ndarray of float64, shape (n,)
        Leverage of every structure of the pool, including excluded ones. Without a core the sum is `rank_` or, with
        `ridge`, the effective number of directions.
    rank_ : int
        Number of directions that count; with `ridge`, the smaller of the numbers of rows and features.
    explained_ : float
        Their share of the sum of the squares of all features.
    seed_ : int
        Seed of the draw: `random_state`, or the seed drawn for it if it is not an integer.

    Notes
    -----
    With the singular value decomposition :math:`X = U S V^T` of all rows, the leverage of row `i` is the squared length
    of row `i` of the first `rank_` columns of :math:`U` [1]_, or with `ridge`
    :math:`x_i^T (X^T X + \lambda I)^{-1} x_i`. A core adds its rows to :math:`X` but is not drawn from. It has a share
    of the leverage in its directions, so structures of the pool that resemble it have little leverage.

    Structures are drawn one after the other without replacement, with probabilities proportional to the leverages of
    those that are left. Structures without leverage come last. Unlike greedy picks, a draw does not depend on the picks
    before, so many similar structures may be picked.

    One pass over the rows forms the Gram matrix of the columns or that of the rows, whichever is smaller; a second pass
    gives the leverages. A Gram matrix holds squares. If a direction counts whose singular value is more than
    :math:`10^4` times smaller than the largest, a triangular factor of the rows is used instead, which takes longer. So
    leverages agree with those of a singular value decomposition in float64 to about :math:`10^{-8}`, unless the last
    direction that counts has the singular value of the next.

    A float32 pool of more than four million numbers is multiplied in float32, and blocks of rows are summed in float64:
    its leverages agree to about :math:`10^{-5}`, rarely :math:`10^{-4}`. All is done in float64 if a direction counts
    whose singular value is more than 500 times smaller than the largest, or if the sum of the leverages is wrong by
    more than one part in :math:`10^5`.

    Directions whose singular values are below the rounding errors of the features do not count: a `rank` that needs
    them is refused, and `ridge` leaves them out.

    References
    ----------
    .. [1] M. W. Mahoney, P. Drineas, Proc. Natl. Acad. Sci. 106, 697 (2009).

    Examples
    --------
    >>> import numpy as np
    >>> from mlipselect import CUR
    >>> X = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.0, 4.0]])
    >>> selector = CUR(2, rank=2, deterministic=True).fit(X)
    >>> selector.leverage_.round(6), selector.selected_idx_
    (array([0.5 , 0.5 , 0.36, 0.64]), array([3, 0]))
    """

    leverage_: NDArray[np.float64]
    rank_: int
    explained_: float

    def __init__(
        self,
        n_to_select: int | float | None = None,
        *,
        rank: int | None = None,
        ridge: float | None = None,
        rows: Literal["structure", "atoms"] = "structure",
        scale: Literal["none", "standard"] = "none",
        deterministic: bool = False,
        random_state: RandomState = 0,
        n_threads: int | None = None,
    ):
        self.n_to_select = n_to_select
        self.rank = rank
        self.ridge = ridge
        self.rows = rows
        self.scale = scale
        self.deterministic = deterministic
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        core: Any = None,
        exclude: Any = (),
        constraints: Sequence[Constraint] = (),
        warm_start: bool = False,
    ) -> CUR:
        """Select `n_to_select` structures of the pool.

        Parameters
        ----------
        X : ndarray of shape (n, d), or Features
            The pool, one row per structure, float32 or float64 in row order. Others are copied.
        y : optional
            Labels, which are ignored: scikit-learn passes them.
        core : ndarray of shape (m, d), or Features, optional
            Structures that are in the training set already; see the notes.
        exclude : sequence of int, default=()
            Indices of structures of the pool that must not be picked. They count in the leverage of the others.
        constraints : sequence of Constraint, default=()
            Limits on the picks, such as a `Quota`, a `Budget` or a `MinDistance`: the next candidate that fits is
            picked.
        warm_start : bool, default=False
            Continue the selection of the last call, on the same pool, up to a larger `n_to_select`. The result is that
            of one larger selection. Core and leverages are those of the last call.

        Returns
        -------
        CUR
            Itself.

        Raises
        ------
        InvalidInputError
            If the pool is empty, smaller than `n_to_select`, not finite or not as wide as the core, if `rank` is above
            the rank of the features, or a parameter is out of its range.
        """
        pool = structure_rows(X)
        check_labels(y, len(pool))

        def order(candidates: NDArray[np.int64]) -> NDArray[np.int64]:
            self.seed_ = draw_seed(self.random_state)
            seed = self.seed_ % (1 << 64)
            self._set_leverage(X, pool, core)
            if self.deterministic:
                return largest_first(candidates, self.leverage_)
            return shuffled_by_weight(candidates, self.leverage_, seed)

        self._select(pool, order, core=core, exclude=exclude, constraints=constraints, warm_start=warm_start)
        self.n_features_in_ = pool.shape[1]
        self.scores_ = self.leverage_[self.selected_idx_]
        return self

    @property
    def needs_atomic_rows(self) -> bool:
        """Whether leverage is computed from the rows of atoms."""
        return self.rows == "atoms"

    def purposes(self, sample: FloatMatrix) -> list[str]:  # noqa: ARG002 - leverages are those of the pool
        """Say how large the leverage of each pick is."""
        mean = float(self.leverage_.mean()) or 1.0
        how = "has the largest leverage of those left" if self.deterministic else "drawn in proportion to its leverage"
        return [f"{how}, {score / mean:.3g} times the mean" for score in self.scores_]

    def notes(self) -> list[str]:
        """Return a sentence with the number of directions that count and their share of the squares."""
        return [f"{self.rank_} directions hold {100 * self.explained_:.2f} % of the squares of all features"]

    def _set_leverage(self, X: Any, pool: FloatMatrix, core: Any) -> None:
        if self.rows not in ("structure", "atoms"):
            raise InvalidInputError(f"rows must be 'structure' or 'atoms', given {self.rows!r}")
        known, offsets = core_rows(core, pool), None
        if self.rows == "atoms":
            pool, offsets = atomic_rows(X, "the pool", "rows='atoms'"), X.offsets
            known = None if core is None else atomic_rows(core, "the core", "rows='atoms'")
        self.leverage_, self.rank_, self.explained_ = leverage(
            pool,
            known,
            offsets=offsets,
            rank=None if self.rank is None else integer("rank", self.rank, 1),
            ridge=None if self.ridge is None else number("ridge", self.ridge),
            scale=self.scale,
            n_threads=self.n_threads,
        )
        logger.info(
            "CUR: %d of %d directions count, with %.4g %% of the squares of the features",
            self.rank_,
            pool.shape[1],
            100 * self.explained_,
        )
