"""Bayesian selection: pick the candidate with the largest score, observe it, and repeat."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior, Selection, pool_score_bytes, windowed_bayesian
from mlipselect.checkpoint import Checkpoint
from mlipselect.exceptions import InvalidInputError, MemoryLimitError
from mlipselect.features.design import Designs
from mlipselect.random_state import RandomState, draw_seed
from mlipselect.selectors import windowed
from mlipselect.selectors.base import (
    FloatMatrix,
    MappedRows,
    StoredRows,
    by_rows,
    integer,
    meant,
    number_to_select,
    structure_rows,
)
from mlipselect.selectors.constraints import Constraint
from mlipselect.selectors.derivatives import TERMS, DerivativeSelection, padded
from mlipselect.selectors.greedy import GreedySelector
from mlipselect.selectors.prior import PriorScale
from mlipselect.selectors.starting_posterior import RIDGE, atomic_rows, starting_posterior

logger = logging.getLogger("mlipselect.memory")
_LOGGER = logging.getLogger("mlipselect")

Score: TypeAlias = Literal["energy", "logdet", "pool_variance", "pool_std", "force", "stress"] | Mapping[str, float]

#: Scores by name.
SCORES: tuple[str, ...] = get_args(get_args(Score)[0])
#: The score whose picks are worth most on labelled systems.
DEFAULT_SCORE: Final = "pool_variance"
#: Scores that need no rows of forces or stresses.
ENERGY_SCORES = ("energy", "logdet", "pool_variance", "pool_std")
#: Number of target rows that `pool_std` draws from a larger pool.
POOL_STD_TARGETS = 2048
#: Numbers that a selection from a pool on disk reads in all, from which on this is warned of.
MUCH_TO_READ = 1e11


class BayesianSelector(GreedySelector):
    r"""Greedy selection by the uncertainty of Bayesian linear regression on the features.

    Parameters
    ----------
    n_to_select : int or float, optional
        Number of structures to pick, or a fraction of the pool between 0 and 1; by default half of the pool.
    score : {"energy", "logdet", "pool_variance", "pool_std", "force", "stress"} or mapping, default="pool_variance"
        Score of a candidate: variance of its energy per atom; decrease of the log determinant of the covariance, twice
        the information of its rows; decrease of the mean variance or the mean standard deviation of the target; or
        largest variance of a force or stress component. A mapping of ``"energy"``, ``"force"`` and ``"stress"`` to
        weights is their weighted sum, each divided by its largest value over the pool.
    update : {"structure", "atoms", "forces", "stress"}, default="structure"
        Rows that a pick adds to the posterior: its structure row, the rows of its atoms, or its structure row with
        those of its forces or its stress. Scores and updates of forces and stress need the `designs` of `fit`.
    ridge : float, default=1e-4
        Prior precision over noise precision, in units of the mean square of the divided columns (of core and pool).
    scale : {"root", "standard", "none"}, default="root"
        What columns are divided by under the prior of `ridge`: the square root of their standard deviation over pool
        and core, the standard deviation, or nothing. Columns that do not vary have the largest divisor. Rows stay as
        they are: the precision of each weight is multiplied by the square of the divisor. With a `prior_precision` or a
        `posterior` it has no effect.
    prior_precision : float or ndarray of shape (d,) or (d, d), optional
        Inverse prior covariance of the weights, instead of `ridge`.
    noise_precision : float, default=1.0
        Inverse noise variance of the observation that a row stands for.
    posterior : Posterior, optional
        Posterior to start from, instead of a prior: for instance the `posterior_` of an earlier selection.
    target : ndarray of shape (t, d), optional
        Rows whose uncertainty the scores ``pool_*`` are to lower; by default the pool, of which
        ``pool_std`` draws 2048 rows.
    max_memory : int, default=4 GiB
        Largest number of bytes for ``pool_std`` and, for a pool on disk, for every score. The memory for a pool on disk
        is logged at the level INFO before it is allocated.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of that draw, the only random part; a generator from which one is drawn; or None for fresh entropy.
    stop_gain : float, optional
        Stop before a pick whose score is less than this fraction of the first score.
    engine : {"lazy", "naive"}, default="lazy"
        Search for the best candidate. Both engines return the same picks; the second evaluates every score from its
        definition before every pick.
    progress : bool or None, default=False
        Show progress on standard error; None shows it if that is a terminal.
    n_threads : int, optional
        Threads to use, by default one for each processor. The result does not depend on it.

    Attributes
    ----------
    selected_idx_ : ndarray of int64
        Picks, in order.
    scores_ : ndarray of float64
        Score of each pick when it was picked.
    information_ : ndarray of float64
        :math:`\tfrac12 (\ln\det\Sigma_\mathrm{start} - \ln\det\Sigma)` after each pick, in nat: the information of
        Gaussian observations of the picks about the weights.
    posterior_ : Posterior
        The posterior after core and picks.
    seed_ : int
        Seed of the draw: `random_state`, or the seed drawn for it if it is not an integer.

    Notes
    -----
    The posterior covariance obeys :math:`\Sigma^{-1} = \Sigma_0^{-1} + \beta\Psi^T\Psi`, where the rows of :math:`\Psi`
    are those of the core and of the picks: no label enters [1]_. Scores `energy` and `logdet` never rise as picks are
    added, so old values bound new ones and few must be recomputed. With one row per structure, both rank candidates
    alike, and the picks carry at least :math:`1 - 1/e` of the information of the best set.

    The defaults are those whose picks are worth most on labelled systems, see the page on evidence. The method of the
    paper is ``score="energy", scale="none", ridge=1e-5``.

    Scores `pool_variance` and `pool_std` may rise, so every pick takes one pass over the pool, and one or two more if
    rounding errors require a new start or bounds have become too high. For `pool_variance` a pass takes two dot
    products per row. For `pool_std` about thirty dot products per row give an upper bound of the score; the products
    with all target rows are computed only for the few rows whose bounds reach the best score.

    For a pool of more than four million numbers, `energy` and `logdet` keep a copy rounded to 16-bit integers: two
    bytes per number, a quarter of a float64 pool. The copy bounds scores; no pick depends on it.

    References
    ----------
    .. [1] T. Rocke, J. Kermode, arXiv:2502.21165 (2025).

    Examples
    --------
    >>> import numpy as np
    >>> from mlipselect import BayesianSelector
    >>> X = np.array([[1.0, 0.0], [0.0, 3.0], [0.1, 2.9], [2.0, 0.0]])
    >>> BayesianSelector(2).fit(X).selected_idx_
    array([2, 3])
    """

    supports_store: ClassVar[bool] = True
    keeps_posterior: ClassVar[bool] = True

    information_: NDArray[np.float64]
    _selection: Selection | DerivativeSelection
    _posterior: Posterior
    _designs: Designs | None
    _core_designs: Designs | None

    def __init__(
        self,
        n_to_select: int | float | None = None,
        *,
        score: Score = DEFAULT_SCORE,
        update: Literal["structure", "atoms", "forces", "stress"] = "structure",
        ridge: float = RIDGE,
        scale: PriorScale = "root",
        prior_precision: float | NDArray[np.float64] | None = None,
        noise_precision: float = 1.0,
        posterior: Posterior | None = None,
        target: FloatMatrix | None = None,
        max_memory: int = 4 << 30,
        random_state: RandomState = 0,
        stop_gain: float | None = None,
        engine: Literal["lazy", "naive"] = "lazy",
        progress: bool | None = False,
        n_threads: int | None = None,
    ):
        self.n_to_select = n_to_select
        self.score = score
        self.update = update
        self.ridge = ridge
        self.scale = scale
        self.prior_precision = prior_precision
        self.noise_precision = noise_precision
        self.posterior = posterior
        self.target = target
        self.max_memory = max_memory
        self.random_state = random_state
        self.stop_gain = stop_gain
        self.engine = engine
        self.progress = progress
        self.n_threads = n_threads

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        core: Any = None,
        designs: Designs | None = None,
        core_designs: Designs | None = None,
        exclude: Sequence[int] | NDArray[np.integer[Any]] = (),
        constraints: Sequence[Constraint] = (),
        warm_start: bool = False,
        checkpoint: Checkpoint | None = None,
    ) -> BayesianSelector:
        """Select `n_to_select` structures of the pool.

        Parameters
        ----------
        X : ndarray of shape (n, d), Features or FeatureStore
            The pool, one row per structure, float32 or float64. It is neither copied nor converted. A store is read in
            parts that fit into `max_memory`; the picks are the same.
        y : optional
            Labels, which are ignored: scikit-learn passes them.
        core : ndarray of shape (m, d), or Features, optional
            Structures that are in the training set already. Their rows are observed as those of picks are.
        designs, core_designs : Designs, optional
            Rows of forces and stresses of the pool, and of the core, for scores and updates that need them.
        exclude : sequence of int, default=()
            Indices of structures of the pool that must not be picked.
        constraints : sequence of Constraint, default=()
            Limits on the picks, such as a `Quota`, a `Budget` or a `MinDistance`: the best candidate that fits is
            picked.
        warm_start : bool, default=False
            Continue the selection of the last call, on the same pool, up to a larger `n_to_select`. The result is that
            of one larger selection. Posterior and core are those of the last call. A selection with constraints cannot
            be continued, since some of them depend on the number of picks.
        checkpoint : Checkpoint, optional
            Keeps the picks in a file while they are made. Picks in the file are repeated first, without a search.

        Returns
        -------
        BayesianSelector
            Itself.

        Raises
        ------
        InvalidInputError
            If the pool is empty, smaller than `n_to_select`, not finite or not as wide as the core, if the prior is
            singular, designs are missing, constraints cannot be met, or a parameter is out of its range.
        MemoryLimitError
            If more than `max_memory` is needed, for ``pool_std`` or a pool on disk.
        """
        if isinstance(self.score, str) and self.score not in SCORES:
            raise InvalidInputError(f"score: expected {meant(self.score, SCORES)}, got {self.score!r}")
        if not warm_start:
            self.seed_ = draw_seed(self.random_state)
            self._designs, self._core_designs = designs, core_designs
        return super().fit(
            X,
            y,
            core=core,
            exclude=exclude,
            constraints=constraints,
            warm_start=warm_start,
            checkpoint=checkpoint,
        )

    @property
    def needs_atomic_rows(self) -> bool:
        """Whether picks add the rows of their atoms to the posterior."""
        return self.update == "atoms"

    @property
    def needs_designs(self) -> bool:
        """Whether the score or the update needs rows of forces or stress."""
        return self.update in ("forces", "stress") or self.score not in ENERGY_SCORES

    @property
    def is_mergeable(self) -> bool:
        """Whether scores never rise, whatever else is picked, and no pick was left out."""
        return self.score in ("energy", "logdet") and self.stop_gain is None

    def _ended(self) -> None:
        self.information_ = self._selection.information

    @property
    def posterior_(self) -> Posterior:
        """The posterior after core and picks, a new copy each time."""
        self._check_fitted()
        return self._selection.posterior() if hasattr(self, "_selection") else self._posterior.copy()

    def __getstate__(self) -> dict[str, Any]:
        """Keep the posterior in place of the compiled selection."""
        state = super().__getstate__()
        return state | {"_posterior": self.posterior_} if hasattr(self, "selected_idx_") else state

    def _begin(self, X: Any, core: Any) -> Selection | DerivativeSelection:
        if self.update not in ("structure", "atoms", "forces", "stress"):
            raise InvalidInputError(f"update must be 'structure', 'atoms', 'forces' or 'stress', given {self.update!r}")
        if isinstance(X, StoredRows) and self.score in ("energy", "logdet") and self.update == "structure":
            return self._begin_stored(X, core)
        pool, atoms, terms = structure_rows(X), self.update == "atoms", self._terms()
        target = self._target(pool)
        if isinstance(X, StoredRows) and self.score in ("pool_variance", "pool_std"):
            self._check_memory(pool.shape, len(pool if target is None else target))
            self._tell_reading(X)
        posterior = self._starting_posterior(X, core)
        if terms is None and self.update in ("structure", "atoms"):
            return Selection.bayesian(
                posterior,
                str(self.score),
                pool,
                atoms=atomic_rows(X, "the pool") if atoms else None,
                offsets=X.offsets if atoms else None,
                target=target,
                engine=self.engine,
                max_memory=self.max_memory,
                n_threads=self.n_threads,
            )
        if terms is None and self.score != "energy":
            raise InvalidInputError(f"score {self.score!r} cannot be combined with update {self.update!r}")
        if atoms:
            raise InvalidInputError("update 'atoms' cannot be combined with scores of forces and stress")
        return DerivativeSelection(
            posterior,
            terms or {"energy": 1.0},
            cast("Literal['structure', 'forces', 'stress']", self.update),
            pool,
            needed(self._designs, "designs"),
            engine=self.engine,
            n_threads=self.n_threads,
        )

    def _begin_stored(self, X: StoredRows, core: Any) -> Selection:
        posterior = self._starting_posterior(X, core)
        sizes = windowed.window_sizes(X, "variances", integer("max_memory", self.max_memory, 0))
        return windowed_bayesian(
            posterior,
            str(self.score),
            MappedRows(X),
            sizes,
            elsewhere=windowed.windows_elsewhere(X, "variances", block=sizes[0]),
            n_threads=self.n_threads,
        )

    def _check_memory(self, shape: tuple[int, int], n_targets: int) -> None:
        """Log the memory of a score with a target for a pool on disk, and refuse more than is allowed."""
        needed = pool_score_bytes(str(self.score), shape[0], n_targets, shape[1])
        if needed > self.max_memory:
            raise MemoryLimitError(
                f"{self.score} for {shape[0]} rows of {shape[1]} features on disk needs {needed} bytes, more than the "
                f"{self.max_memory} allowed: raise max_memory"
            )
        logger.info(
            "%s from disk: %d rows of %d features, one pass over them a pick, about %.0f MB in all",
            self.score, *shape, needed / 1e6,
        )  # fmt: skip

    def _tell_reading(self, rows: StoredRows) -> None:
        """Warn if a score that goes through a pool on disk for every pick reads very much."""
        n = number_to_select(self.n_to_select, len(rows))
        numbers = float(n) * len(rows) * rows.shape[1]
        if numbers > MUCH_TO_READ:
            _LOGGER.warning(
                "%s goes through all %d rows of %d features for each of %d picks and reads %.1f TB in all; the score "
                "energy (--score energy) reads almost nothing after its first pass",
                self.score, *rows.shape, n, numbers * rows.dtype.itemsize / 1e12,
            )  # fmt: skip

    def _terms(self) -> Mapping[str, float] | None:
        """Return the weights of the terms if the score needs derivatives, else None."""
        if isinstance(self.score, str):
            return {self.score: 1.0} if self.score in ("force", "stress") else None
        unknown = set(self.score) - set(TERMS)
        weights = np.array(list(self.score.values()), dtype=float)
        if unknown or not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
            raise InvalidInputError(
                f"score must give weights of {', '.join(TERMS)}, none negative and not all zero, given {self.score}"
            )
        return dict(self.score)

    def _starting_posterior(self, X: Any, core: Any) -> Posterior:
        posterior = starting_posterior(
            X,
            core,
            update="atoms" if self.update == "atoms" else "structure",
            ridge=self.ridge,
            scale=self.scale,
            prior_precision=self.prior_precision,
            noise_precision=self.noise_precision,
            posterior=self.posterior,
            n_threads=self.n_threads,
        )
        if core is not None and self.update in ("forces", "stress"):
            designs = needed(self._core_designs, "core_designs")
            made = designs.forces if self.update == "forces" else designs.stress
            for rows in made(range(len(designs))):
                posterior.update(padded(rows, posterior.dim), n_threads=self.n_threads)
        return posterior

    def _target(self, pool: FloatMatrix) -> FloatMatrix | None:
        if self.target is not None or self.score != "pool_std" or len(pool) <= POOL_STD_TARGETS:
            return by_rows(self.target)  # type: ignore[no-any-return]
        drawn = np.random.default_rng(self.seed_).choice(len(pool), POOL_STD_TARGETS, replace=False)
        return pool[np.sort(drawn)]


def needed(designs: Designs | None, name: str) -> Designs:
    """Return designs, or refuse their absence."""
    if designs is None:
        raise InvalidInputError(f"scores and updates of forces and stress need {name}=Designs(structures, descriptor)")
    return designs
