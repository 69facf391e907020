"""k-medoids: the structures that best represent the pool, each its own cluster of nearest structures."""

from __future__ import annotations

import logging
import time
import warnings
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import MedoidSwaps
from mlipselect.exceptions import InvalidInputError
from mlipselect.progress import progress_bar
from mlipselect.random_state import RandomState, draw_seed
from mlipselect.selectors.base import (
    FloatMatrix,
    Selector,
    check_labels,
    core_rows,
    distance_note,
    excluded_indices,
    integer,
    meant,
    number_to_select,
    structure_rows,
)

logger = logging.getLogger("mlipselect")


#: Ways to find the first medoids, with their names in `_core`.
STARTS = {"build": "build", "lab": "lab", "k_medoids++": "k-medoids++"}


class KMedoids(Selector):
    r"""A set of rows, the medoids, that minimises the sum over the pool of the distance to the nearest medoid.

    Parameters
    ----------
    n_to_select : int or float, optional
        Number of structures to pick, without those of a core, or a fraction of the pool between 0 and 1; by default
        half of the pool.
    initialize : {"build", "lab", "k_medoids++"}, default="lab"
        First medoids, one after the other: the best of all rows [1]_, the best of a few random rows [2]_, or a row
        drawn with a probability proportional to its distance to the nearest medoid so far.
    metric : {"euclidean"}, default="euclidean"
        Distance of two rows.
    scale : {"standard", "none"}, default="standard"
        Divide every feature by its standard deviation over core and pool, or leave it as it is.
    max_iter : int, default=100
        Largest number of rounds over the pool. Few are needed; if these are too few, a warning says so.
    max_memory : int, default=4 GiB
        Largest number of bytes beside the pool. The memory needed is logged at the level INFO before it is allocated.
        If it is too small for the neighbours of all rows, they are found again in every round, which is slow.
    random_state : int, numpy.random.Generator or None, default=0
        Seed of the first medoids ``"lab"`` and ``"k_medoids++"``, a generator from which one is drawn, or None for
        fresh entropy. Nothing else is random.
    progress : bool or None, default=False
        Show progress on standard error; None shows it if that is a terminal.
    n_threads : int, optional
        Threads to use, by default `MLIPSELECT_NUM_THREADS` or one for each processor. The result does not depend on it.

    Attributes
    ----------
    selected_idx_ : ndarray of int64
        Medoids, those with larger clusters first; of equal clusters, the lower index first.
    scores_ : ndarray of float64
        Number of rows of the pool in the cluster of each medoid, including itself.
    labels_ : ndarray of int64
        For every row of the pool, the position in `selected_idx_` of its nearest medoid, or -1 if a row of the core is
        as near or nearer.
    loss_ : float
        Sum over the pool of the distance to the nearest medoid or row of the core, in float64.
    n_iter_ : int
        Rounds over the pool; the last one found no swap, unless `max_iter` stopped it.
    n_swaps_ : int
        Swaps of a medoid for another row.
    seed_ : int
        Seed of the draw: `random_state`, or the seed drawn for it if it is not an integer.

    Notes
    -----
    FasterPAM [2]_ visits the rows in the order of the pool, round after round, and swaps a row for a medoid as soon as
    that lowers the loss, until no swap does. The rows of a core act as medoids that cannot be swapped, so picks go
    where the core is far away. The picks for `n` are not among those for `m > n`.

    Distances are computed from float32 rows, relative to the mean of the pool, so the loss is a local minimum to about
    one part in :math:`10^6`. No matrix of distances is formed. The components of rows along a few leading directions,
    with the length of the rest, give a lower bound of every distance. Whether a swap lowers the loss depends only on
    pairs nearer than the second nearest medoid, about two in every `n_to_select`. These are kept, with eight bytes
    each.

    References
    ----------
    .. [1] L. Kaufman, P. J. Rousseeuw, Finding Groups in Data, Wiley (1990), chapter 2.
    .. [2] E. Schubert, P. J. Rousseeuw, Information Systems 101, 101804 (2021).

    Examples
    --------
    >>> import numpy as np
    >>> from mlipselect import KMedoids
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [10.0], [11.0], [12.0]])
    >>> medoids = KMedoids(2, scale="none").fit(X)
    >>> medoids.selected_idx_, medoids.loss_
    (array([1, 5]), 6.0)
    """

    supports_store: ClassVar[bool] = True

    labels_: NDArray[np.int64]
    loss_: float
    n_iter_: int
    n_swaps_: int

    def __init__(
        self,
        n_to_select: int | float | None = None,
        *,
        initialize: Literal["build", "lab", "k_medoids++"] = "lab",
        metric: Literal["euclidean"] = "euclidean",
        scale: Literal["standard", "none"] = "standard",
        max_iter: int = 100,
        max_memory: int = 4 << 30,
        random_state: RandomState = 0,
        progress: bool | None = False,
        n_threads: int | None = None,
    ):
        self.n_to_select = n_to_select
        self.initialize = initialize
        self.metric = metric
        self.scale = scale
        self.max_iter = max_iter
        self.max_memory = max_memory
        self.random_state = random_state
        self.progress = progress
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any = None, *, core: Any = None, exclude: Any = (), warm_start: bool = False) -> KMedoids:
        """Select `n_to_select` medoids of the pool.

        Parameters
        ----------
        X : ndarray of shape (n, d), or Features
            The pool, one row per structure, float32 or float64 in row order. Others are copied.
        y : optional
            Labels, which are ignored: scikit-learn passes them.
        core : ndarray of shape (m, d), or Features, optional
            Structures that are in the training set already; they act as medoids that stay.
        exclude : sequence of int, default=()
            Indices of structures of the pool that must not become medoids. They still count in the loss.
        warm_start : bool, default=False
            Refused: medoids are chosen together, and those of a smaller selection are not among those of a larger one.

        Returns
        -------
        KMedoids
            Itself.

        Raises
        ------
        InvalidInputError
            If the pool is empty, smaller than `n_to_select`, not finite or not as wide as the core, or a parameter
            out of its range.
        MemoryLimitError
            If `max_memory` is too small for the rows and the neighbours of a few of them.
        """
        if warm_start:
            raise InvalidInputError(
                "k-medoids cannot be continued: give the picks so far as core, or start again without warm_start"
            )
        pool = structure_rows(X)
        check_labels(y, len(pool))
        known = core_rows(core, pool)
        max_iter = integer("max_iter", self.max_iter, 1)
        search = self._begin(pool, known, exclude)
        self._start(search, number_to_select(self.n_to_select, len(pool)))
        self._swap(search, len(pool), max_iter)
        self.selected_idx_, self.scores_, self.labels_, self.loss_ = search.result()
        self.n_iter_, self.n_swaps_ = -(-search.visited // len(pool)), search.swaps
        self._n_pool, self.n_features_in_ = pool.shape
        return self

    def purposes(self, sample: FloatMatrix) -> list[str]:  # noqa: ARG002 - the clusters are known
        """Say how many structures each pick represents."""
        sizes = np.bincount(self.labels_[self.labels_ >= 0], minlength=len(self.selected_idx_))
        return [f"represents a cluster of {size} candidates" for size in sizes]

    def notes(self) -> list[str]:
        """Return a sentence with the sum of the distances of the pool to core and picks."""
        return [distance_note(self.loss_)]

    def _begin(self, pool: FloatMatrix, core: FloatMatrix | None, exclude: Any) -> MedoidSwaps:
        n = number_to_select(self.n_to_select, len(pool))
        self.seed_ = draw_seed(self.random_state)
        max_memory = integer("max_memory", self.max_memory, 0)
        excluded = excluded_indices(exclude, len(pool))
        if self.initialize not in STARTS:
            raise InvalidInputError(f"initialize: expected {meant(self.initialize, STARTS)}, got {self.initialize!r}")
        if self.metric != "euclidean":
            raise InvalidInputError(f"k-medoids: metric must be 'euclidean', given {self.metric!r}")
        n_core = 0 if core is None else len(core)
        row_bytes = MedoidSwaps.row_bytes(len(pool), n_core, pool.shape[1], n)
        logger.info("k-medoids: %d rows of pool and core take up to %.1f MB", len(pool) + n_core, row_bytes / 1e6)
        return MedoidSwaps(
            pool,
            n,
            core=core,
            exclude=excluded,
            init=STARTS[self.initialize],
            seed=self.seed_ % (1 << 64),
            scale=self.scale,
            max_memory=max_memory,
            n_threads=self.n_threads,
        )

    def _start(self, search: MedoidSwaps, n: int) -> None:
        with progress_bar(self.progress, total=n, desc="first medoids", unit="medoid") as bar:
            while search.list_bytes is None:
                started = search.started
                search.advance(1)
                bar.update(search.started - started)

    def _swap(self, search: MedoidSwaps, n_pool: int, max_iter: int) -> None:
        logger.info(
            "k-medoids: the neighbours of %s rows take about %.1f MB",
            "all" if search.window >= n_pool else f"{search.window} of {n_pool}",
            (search.list_bytes or 0) / 1e6,
        )
        # Steps of about a tenth of a second let Ctrl-C through and move the bar.
        step = 1024
        limit = max_iter * n_pool
        with progress_bar(self.progress, desc="swapping", unit="row", unit_scale=True) as bar:
            while not search.is_done and search.visited < limit:
                began, visited = time.perf_counter(), search.visited
                search.advance(min(step, limit - visited))
                bar.update(search.visited - visited)
                step = max(1024, step // 2) if time.perf_counter() - began > 0.1 else 2 * step
        if not search.is_done:
            warnings.warn(
                f"k-medoids was stopped after {max_iter} rounds, and a swap may still lower the loss: raise max_iter",
                stacklevel=3,
            )
