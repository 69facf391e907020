"""Bayesian selection: pick what the posterior is most uncertain about, account for it, pick again."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import BayesianSelection, Posterior, mean_square
from mlipselect.exceptions import InvalidInputError
from mlipselect.selectors.base import FloatMatrix, HasStructureRows, core_rows
from mlipselect.selectors.greedy import GreedySelector

#: Target rows that `pool_std` draws from a larger pool.
POOL_STD_TARGETS = 2048


class BayesianSelector(GreedySelector):
    r"""Greedy selection by what Bayesian linear regression on the features does not know yet.

    Parameters
    ----------
    n_to_select : int
        Structures to pick.
    score : {"energy", "logdet", "pool_variance", "pool_std"}, default="energy"
        What a candidate is worth: the variance of its energy, the information in the rows it adds, or by
        how much it lowers the mean variance or the mean standard deviation over the target.
    update : {"structure", "atoms"}, default="structure"
        What a pick adds to the posterior: its structure row, or the rows of its atoms.
    ridge : float, default=1e-5
        Prior precision over noise precision, in units of the mean square of the features (of core and pool).
    prior_precision : float or ndarray of shape (d,) or (d, d), optional
        Inverse prior covariance of the weights, instead of `ridge`.
    noise_precision : float, default=1.0
        Inverse noise variance of the observation that a row stands for.
    posterior : Posterior, optional
        Where to start from, instead of a prior: for instance the `posterior_` of an earlier selection.
    target : ndarray of shape (t, d), optional
        Rows whose uncertainty the scores ``pool_*`` are to lower; by default the pool, of which
        ``pool_std`` draws 2048 rows.
    max_memory : int, default=4 GiB
        Bytes that ``pool_std`` may take.
    random_state : int, default=0
        Seed of that draw, the only random part.
    engine : {"lazy", "naive"}, default="lazy"
        How the best candidate is found. Both return the same picks; the second one evaluates every score
        from its definition before every pick.
    progress_bar : bool, default=False
        Show progress on standard error.
    n_threads : int, optional
        Threads to use, by default one for each processor. The result does not depend on it.

    Attributes
    ----------
    selected_idx_ : ndarray of int64
        Picks, in order.
    scores_ : ndarray of float64
        Score of each pick when it was picked.
    information_ : ndarray of float64
        :math:`\ln\det\Sigma_\mathrm{start} - \ln\det\Sigma` after each pick, in nat.
    posterior_ : Posterior
        Knows the core and the picks.

    Notes
    -----
    The posterior covariance obeys :math:`\Sigma^{-1} = \Sigma_0^{-1} + \beta\Psi^T\Psi`, where the rows of
    :math:`\Psi` are those of the core and of the picks: no label enters [1]_. Scores `energy` and `logdet` never
    increase as picks are added, so old values bound new ones and few have to be brought up to date. With one row
    a structure, both give the same order, and the picks are within :math:`1 - 1/e` of the most informative set.

    For a pool of more than four million numbers, `energy` and `logdet` keep a copy of it that is rounded to 16-bit
    integers: two bytes a number, a quarter of a float64 pool. It bounds scores; no pick depends on it.

    References
    ----------
    .. [1] T. Rocke, J. Kermode, arXiv:2502.21165 (2025).

    Examples
    --------
    >>> import numpy as np
    >>> from mlipselect import BayesianSelector
    >>> X = np.array([[1.0, 0.0], [0.0, 3.0], [0.1, 2.9], [2.0, 0.0]])
    >>> BayesianSelector(2).fit(X).selected_idx_
    array([1, 3])
    """

    information_: NDArray[np.float64]

    def __init__(
        self,
        n_to_select: int,
        *,
        score: Literal["energy", "logdet", "pool_variance", "pool_std"] = "energy",
        update: Literal["structure", "atoms"] = "structure",
        ridge: float = 1e-5,
        prior_precision: float | NDArray[np.float64] | None = None,
        noise_precision: float = 1.0,
        posterior: Posterior | None = None,
        target: FloatMatrix | None = None,
        max_memory: int = 4 << 30,
        random_state: int = 0,
        engine: Literal["lazy", "naive"] = "lazy",
        progress_bar: bool = False,
        n_threads: int | None = None,
    ):
        self.n_to_select = n_to_select
        self.score = score
        self.update = update
        self.ridge = ridge
        self.prior_precision = prior_precision
        self.noise_precision = noise_precision
        self.posterior = posterior
        self.target = target
        self.max_memory = max_memory
        self.random_state = random_state
        self.engine = engine
        self.progress_bar = progress_bar
        self.n_threads = n_threads

    def fit(
        self,
        X: Any,
        core: Any = None,
        *,
        exclude: Any = (),
        warm_start: bool = False,
    ) -> BayesianSelector:
        """Select `n_to_select` structures of the pool.

        Parameters
        ----------
        X : ndarray of shape (n, d), or Features
            The pool, one row a structure, float32 or float64. It is neither copied nor converted.
        core : ndarray of shape (m, d), or Features, optional
            Structures that are in the training set already. With ``update="atoms"`` their atoms are observed.
        exclude : sequence of int, default=()
            Indices of structures of the pool that must not be picked.
        warm_start : bool, default=False
            Continue the selection of the last call, on the same pool, up to a larger `n_to_select`. The
            result is that of one selection of as many. The posterior and the core are those of that call.

        Returns
        -------
        BayesianSelector
            Itself.

        Raises
        ------
        InvalidInputError
            If the pool is empty, smaller than `n_to_select`, not finite or not as wide as the core, if the
            prior is singular, or a parameter out of its range.
        """
        super().fit(X, core, exclude=exclude, warm_start=warm_start)
        self.information_ = self._selection.information
        return self

    @property
    def posterior_(self) -> Posterior:
        """The posterior that knows the core and the picks, a new one each time."""
        self._check_fitted()
        return self._selection.posterior()

    def _begin(self, X: Any, pool: FloatMatrix, core: Any) -> BayesianSelection:
        if self.update not in ("structure", "atoms"):
            raise InvalidInputError(f"update must be 'structure' or 'atoms', given {self.update!r}")
        atoms = self.update == "atoms"
        return BayesianSelection(
            self._starting_posterior(pool, core, atoms),
            self.score,
            pool,
            atoms=atomic_rows(X, "the pool") if atoms else None,
            offsets=X.offsets if atoms else None,
            target=self._target(pool),
            engine=self.engine,
            max_memory=self.max_memory,
            n_threads=self.n_threads,
        )

    def _starting_posterior(self, pool: FloatMatrix, core: Any, atoms: bool) -> Posterior:
        known = core_rows(core, pool)
        if self.posterior is not None:
            if self.prior_precision is not None:
                raise InvalidInputError("give prior_precision or posterior, not both")
            posterior = self.posterior.copy()
        else:
            posterior = Posterior(pool.shape[1], self._prior_precision(pool, known), self.noise_precision)
        if known is not None:
            rows = atomic_rows(core, "the core") if atoms else known
            posterior.update(rows, n_threads=self.n_threads)
        return posterior

    def _prior_precision(self, pool: FloatMatrix, core: FloatMatrix | None) -> float | NDArray[np.float64]:
        if self.prior_precision is not None:
            return self.prior_precision
        if not self.ridge > 0:
            raise InvalidInputError(f"ridge must be a number above 0, given {self.ridge}")
        if self.ridge > 0.1:
            warnings.warn(
                f"ridge {self.ridge} is so large that the prior outweighs the data: picks tend to be the structures "
                "with the longest features; values from 1e-3 to 1e-9 serve",
                stacklevel=6,
            )
        scale = mean_square(pool, core, self.n_threads)
        # With no feature anywhere every ridge is the same: nothing can be learned.
        return self.ridge * self.noise_precision * (scale or 1.0)

    def _target(self, pool: FloatMatrix) -> FloatMatrix | None:
        if self.target is not None or self.score != "pool_std" or len(pool) <= POOL_STD_TARGETS:
            return self.target
        drawn = np.random.default_rng(self.random_state).choice(len(pool), POOL_STD_TARGETS, replace=False)
        return pool[np.sort(drawn)]


def atomic_rows(features: Any, what: str, asked: str = "update='atoms'") -> FloatMatrix:
    """Return the atomic rows, which a parameter asked for, of features that have them."""
    atoms = features.atoms if isinstance(features, HasStructureRows) else None
    if atoms is None:
        raise InvalidInputError(
            f"{asked} needs the atomic rows of {what}: make its features with featurize(..., rows='atoms')"
        )
    return atoms
