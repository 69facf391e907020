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
from mlipselect.features.design import Designs, needed, padded
from mlipselect.random_state import RandomState, draw_seed
from mlipselect.selectors import windowed
from mlipselect.selectors.base import (
    FloatMatrix,
    MappedRows,
    StoredRows,
    integer,
    meant,
    number,
    number_to_select,
    percent,
    pool_shape,
    structure_rows,
)
from mlipselect.selectors.constraints import Constraint
from mlipselect.selectors.derivatives import TERMS, DerivativeSelection
from mlipselect.selectors.greedy import GreedySelector
from mlipselect.selectors.prior import PriorScale
from mlipselect.selectors.starting_posterior import RIDGE, atomic_rows, starting_posterior
from mlipselect.selectors.target import POOL_STD_TARGETS, TARGET_SCORES, Objective, Target, reduced

logger = logging.getLogger("mlipselect.memory")
_LOGGER = logging.getLogger("mlipselect")

Score: TypeAlias = Literal["energy", "logdet", "pool_variance", "pool_std", "force", "stress"] | Mapping[str, float]

#: Scores by name.
SCORES: tuple[str, ...] = get_args(get_args(Score)[0])
#: The score whose picks are worth most on labelled systems.
DEFAULT_SCORE: Final = "pool_variance"
#: Scores that need no rows of forces or stresses.
ENERGY_SCORES = ("energy", "logdet", "pool_variance", "pool_std")
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
        those of its forces or its stress. Scores and updates of forces and stress need the `designs` of `fit`. The
        scores ``pool_*`` are by how much the structure row alone lowers the uncertainty of the target.
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
    objective : {"energy", "forces", "both"}, default="energy"
        Uncertainty of the target that the scores ``pool_*`` lower: that of its energies per atom, that of its force
        components, which needs `designs` or `target_designs` of `fit`, or both, each in units of what it is before the
        first pick.
    max_memory : int, default=4 GiB
        Largest number of bytes for ``pool_std`` and, for a pool on disk, for every score. For ``pool_variance`` the
        copy of a pool in memory, too, is in a temporary file beyond it. The memory for a pool on disk is logged at the
        level INFO before it is allocated.
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
        Threads to use, by default `MLIPSELECT_NUM_THREADS` or one for each processor. The result does not depend on it.

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

    For a pool of more than four million numbers, `energy`, `logdet` and `pool_variance` keep a copy rounded to 16-bit
    integers: two bytes per number, a quarter of a float64 pool. The copy bounds scores; no pick depends on it. For
    `pool_variance` it is in a temporary file if it would need more than `max_memory`.

    Scores `pool_variance` and `pool_std` may rise. For `pool_variance` the next picks, up to 128, are found among the
    best candidates, and one pass over the copy shows which of them are those of the whole pool. In a smaller pool, and
    with an `update` of several rows, every pick takes two dot products per row. For `pool_std` every pick takes one
    pass over the pool, and one or two more if rounding errors require a new start or bounds have become too high: about
    thirty dot products per row give an upper bound of the score; the products with all target rows are computed only
    for the few rows whose bounds reach the best score.

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
    #: Rows whose mean uncertainty the score lowers; None for those of the pool.
    _target_rows: FloatMatrix | None = None
    #: Target, weights and designs that `fit` was given.
    _given_target: tuple[Any, Any, Designs | None]

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
        objective: Objective = "energy",
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
        self.objective = objective
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
        target: Any = None,
        target_weights: Sequence[float] | NDArray[np.float64] | None = None,
        designs: Designs | None = None,
        core_designs: Designs | None = None,
        target_designs: Designs | None = None,
        exclude: Sequence[int] | NDArray[np.integer[Any]] = (),
        constraints: Sequence[Constraint] = (),
        warm_start: bool = False,
        checkpoint: Checkpoint | None = None,
    ) -> BayesianSelector:
        """Select `n_to_select` structures of the pool.

        Parameters
        ----------
        X : ndarray of shape (n, d), Features or FeatureStore
            The pool, one row per structure, float32 or float64 in row order. Others are copied. A store
            is read in parts that fit into `max_memory`; the picks are the same.
        y : optional
            Labels, which are ignored: scikit-learn passes them.
        core : ndarray of shape (m, d), or Features, optional
            Structures that are in the training set already. Their rows are observed as those of picks are.
        target : ndarray of shape (t, d), Features or FeatureStore, optional
            Structures whose mean uncertainty the scores ``pool_*`` lower; by default the pool. Of more than 2048 rows,
            ``pool_std`` draws 2048.
        target_weights : ndarray of shape (t,), optional
            Weight of each structure of the target in that mean, by default the same.
        designs, core_designs, target_designs : Designs, optional
            Rows of forces and stresses of the pool, of the core and of the target, for scores, updates and objectives
            that need them.
        exclude : sequence of int, default=()
            Indices of structures of the pool that must not be picked.
        constraints : sequence of Constraint, default=()
            Limits on the picks, such as a `Quota`, a `Budget` or a `MinDistance`: the best candidate that fits is
            picked.
        warm_start : bool, default=False
            Continue the selection of the last call, on the same pool, up to a larger `n_to_select`. The result is that
            of one larger selection. Posterior, core and target are those of the last call. A selection with constraints
            cannot be continued, since some of them depend on the number of picks.
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
            self._given_target = (target, target_weights, target_designs)
        elif target is not None:
            raise InvalidInputError("a warm start continues with the target it began with: leave target out")
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
    def takes_target(self) -> bool:
        """Whether the score lowers the uncertainty of a target."""
        return self.score in TARGET_SCORES

    @property
    def needs_target_designs(self) -> bool:
        """Whether the objective needs rows of forces of the target."""
        return self.objective != "energy"

    @property
    def is_mergeable(self) -> bool:
        """Whether scores never rise, whatever else is picked, and no pick was left out."""
        return self.score in ("energy", "logdet") and self.stop_gain is None

    def purposes(self, sample: FloatMatrix) -> list[str]:
        """Say how uncertain each pick was, or by how much it lowered the uncertainty of the target."""
        if not self.takes_target:
            return [self._own_uncertainty(k) for k in range(len(self.scores_))]
        whose = "the pool" if self._given_target[0] is None else "the target"
        of = {"energy": "energies", "forces": "forces", "both": "energies and forces"}[self.objective]
        kind = "variance" if self.score == "pool_variance" else "standard deviation"
        what = f"lowers the mean {kind} of the {of} of {whose} most"
        if self.update != "structure":
            # Such a pick teaches more than its score says, so what was left before it is not known.
            return [what for _ in self.scores_]
        rows = sample if self._target_rows is None else self._target_rows
        values = np.maximum(self.posterior_.variance(rows, n_threads=self.n_threads), 0.0)
        after = float((values if self.score == "pool_variance" else np.sqrt(values)).mean())
        left = after + np.cumsum(self.scores_[::-1])[::-1]
        about = "about " if self._target_rows is None and len(sample) < self._n_pool else ""
        shares = zip(self.scores_, left, strict=True)
        return [f"{what}, by {about}{percent(score, before)} of what was left" for score, before in shares]

    def _own_uncertainty(self, k: int) -> str:
        """Say how uncertain a pick was itself."""
        score = float(self.scores_[k])
        if self.score == "logdet":
            return f"carries the most information about the weights, {score / 2:.3g} nat"
        if isinstance(self.score, Mapping):
            return f"has the most uncertain {', '.join(self.score)}, weighted"
        of = {"energy": "energy", "force": "force on an atom", "stress": "stress"}[self.score]
        share = "" if k == 0 else f", {percent(score, float(self.scores_[0]))} of the variance of the first pick"
        return f"has the most uncertain {of}{share}"

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
        integer("max_memory", self.max_memory, 0)
        if pool_shape(X)[1] == 0:
            raise InvalidInputError("the pool has rows without features: expected at least one feature")
        self._refuse_target()
        if isinstance(X, StoredRows) and self.score in ("energy", "logdet") and self.update == "structure":
            return self._begin_stored(X, core)
        pool, atoms, terms = structure_rows(X), self.update == "atoms", self._terms()
        if isinstance(X, StoredRows) and self.takes_target:
            self._check_memory(pool.shape)
            if self.score == "pool_std":
                self._tell_reading(X)
        posterior = self._starting_posterior(X, core)
        target = self._target_rows = self._target(pool, posterior)
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
        if terms is None and self.score == "logdet":
            raise InvalidInputError(f"score 'logdet' cannot be combined with update {self.update!r}")
        if atoms:
            raise InvalidInputError("update 'atoms' cannot be combined with scores of forces and stress")
        designs = needed(self._designs, "designs")
        if self.takes_target:
            target = pool if target is None else target
            target = reduced(target) if self.score == "pool_variance" else target
        return DerivativeSelection(
            posterior,
            terms or {str(self.score): 1.0},
            cast("Literal['structure', 'forces', 'stress']", self.update),
            pool,
            designs,
            target=target,
            engine=self.engine,
            n_threads=self.n_threads,
        )

    def _begin_stored(self, X: StoredRows, core: Any) -> Selection:
        posterior = self._starting_posterior(X, core)
        sizes = windowed.window_sizes(X, "variances", self.max_memory)
        return windowed_bayesian(
            posterior,
            str(self.score),
            MappedRows(X),
            sizes,
            elsewhere=windowed.windows_elsewhere(X, "variances", block=sizes[0]),
            n_threads=self.n_threads,
        )

    def _check_memory(self, shape: tuple[int, int]) -> None:
        """Log the memory of a score with a target for a pool on disk, and refuse more than is allowed."""
        given = self._given_target[0]
        n_targets = min(shape[0] if given is None else len(given), POOL_STD_TARGETS)
        if self.objective != "energy":
            n_targets = POOL_STD_TARGETS
        needed = pool_score_bytes(str(self.score), shape[0], n_targets, shape[1], self.max_memory)
        if needed > self.max_memory:
            raise MemoryLimitError(
                f"{self.score} for {shape[0]} rows of {shape[1]} features on disk needs {needed} bytes, more than the "
                f"{self.max_memory} allowed: raise max_memory"
            )
        passes = "one pass over them a pick" if self.score == "pool_std" else "read once, then their rounded copies"
        logger.info(
            "%s from disk: %d rows of %d features, %s, about %.0f MB in all", self.score, *shape, passes, needed / 1e6
        )

    def _tell_reading(self, rows: StoredRows) -> None:
        """Warn if `pool_std`, which goes through a pool on disk for every pick, reads very much."""
        n = number_to_select(self.n_to_select, len(rows))
        numbers = float(n) * len(rows) * rows.shape[1]
        if numbers > MUCH_TO_READ:
            _LOGGER.warning(
                "pool_std goes through all %d rows of %d features for each of %d picks and reads %.1f TB in all; the "
                "score pool_variance (--score pool_variance) reads almost nothing after its first pass",
                *rows.shape, n, numbers * rows.dtype.itemsize / 1e12,
            )  # fmt: skip

    def _terms(self) -> Mapping[str, float] | None:
        """Return the weights of the terms if the score needs derivatives, else None."""
        if isinstance(self.score, str):
            return {self.score: 1.0} if self.score in ("force", "stress") else None
        if not isinstance(self.score, Mapping):
            raise InvalidInputError(f"score must be a name or weights of {', '.join(TERMS)}, given {self.score!r}")
        unknown = set(self.score) - set(TERMS)
        weights = np.array([number("a weight of score", weight) for weight in self.score.values()])
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

    def _target(self, pool: FloatMatrix, posterior: Posterior) -> FloatMatrix | None:
        """Return the rows whose uncertainty the score lowers; None for those of the pool."""
        given, weights, designs = self._given_target
        if given is None and weights is not None:
            raise InvalidInputError("target_weights: expected `target` with it, got none")
        if not self.takes_target:
            return None
        if given is None and self.objective == "energy":
            if self.score != "pool_std" or len(pool) <= POOL_STD_TARGETS:
                return None
            drawn = np.random.default_rng(self.seed_).choice(len(pool), POOL_STD_TARGETS, replace=False)
            return pool[np.sort(drawn)]
        if given is None:
            given, designs = pool, needed(self._designs, "designs")
        target = Target.of(given, weights, designs, pool.shape[1])
        return target.for_score(str(self.score), self.objective, posterior, self.seed_, self.n_threads)

    def _refuse_target(self) -> None:
        """Refuse an objective that does not exist, and a target or an objective that the score has no use for."""
        if self.objective not in get_args(Objective):
            raise InvalidInputError(
                f"objective: expected {meant(self.objective, get_args(Objective))}, got {self.objective!r}"
            )
        for name, is_given in (
            ("target", self._given_target[0] is not None),
            ("objective", self.objective != "energy"),
        ):
            if is_given and not self.takes_target:
                raise InvalidInputError(
                    f"{name}: expected one of the scores {' and '.join(TARGET_SCORES)}, which lower the uncertainty of "
                    f"a target, got {self.score!r}"
                )
