"""Farthest point sampling: pick the structure that is farthest from core and picks, and repeat."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from mlipselect._core import Selection, windowed_fps
from mlipselect.exceptions import InvalidInputError
from mlipselect.selectors import windowed
from mlipselect.selectors.base import FloatMatrix, MappedRows, StoredRows, core_rows, integer, structure_rows
from mlipselect.selectors.greedy import GreedySelector


class FPS(GreedySelector):
    r"""Greedy selection of the structure that is farthest from the core and the earlier picks.

    Parameters
    ----------
    n_to_select : int or float, optional
        Number of structures to pick, or a fraction of the pool between 0 and 1; by default half of the pool.
    metric : {"euclidean", "cosine"}, default="euclidean"
        Distance of two rows: the length of their difference, or one minus the cosine of the angle between them. The
        cosine refuses rows of zeros, which have no angle.
    scale : {"standard", "none"}, default="standard"
        Divide every feature by its standard deviation over core and pool, or leave it as it is. Features of atomic
        descriptors differ in size by orders of magnitude; without a scale, a few large ones dominate distances.
    initialize : int, optional
        Index of the first pick, without a core only. By default it is the structure farthest from the mean.
    max_memory : int, default=4 GiB
        Largest number of bytes for a pool on disk.
    stop_gain : float, optional
        Stop before a pick whose score is less than this fraction of the first finite score.
    engine : {"lazy", "naive"}, default="lazy"
        Search for the farthest candidate. Both engines return the same picks; the second computes every distance before
        every pick.
    progress : bool or None, default=False
        Show progress on standard error; None shows it if that is a terminal.
    n_threads : int, optional
        Threads to use, by default `MLIPSELECT_NUM_THREADS` or one for each processor. The result does not depend on it.

    Attributes
    ----------
    selected_idx_ : ndarray of int64
        Picks, in order.
    scores_ : ndarray of float64
        Distance of each pick to the nearest of the core and the earlier picks; the first is infinite without a core.
        Scores never rise, and no structure of the pool is farther from core and picks than the last score.

    Notes
    -----
    The picks cover the pool within twice the smallest radius that any choice of as many structures reaches [1]_.

    Distances to the nearest pick never rise, so earlier distances are upper bounds, and few candidates must be measured
    again. For such a candidate the triangle inequality rules out most new picks: with ``c`` its nearest pick so far, at
    a distance ``d``, another pick is no nearer if it is ``2 d`` or more from ``c``. Distances to the other picks are
    bounded with a copy of the pool rounded to 16-bit integers, two bytes per number, and if necessary computed in
    float64 from the features. So the picks are those of the definition in float64; candidates that agree to one part in
    :math:`10^{12}` tie, and the first of them in the pool is picked.

    References
    ----------
    .. [1] T. F. Gonzalez, Theoretical Computer Science 38, 293 (1985).

    Examples
    --------
    >>> import numpy as np
    >>> from mlipselect import FPS
    >>> X = np.array([[0.0], [1.0], [5.0], [6.0]])
    >>> selector = FPS(2, scale="none").fit(X, core=np.array([[0.5]]))
    >>> selector.selected_idx_, selector.scores_
    (array([3, 2]), array([5.5, 1. ]))
    """

    supports_store: ClassVar[bool] = True

    def __init__(
        self,
        n_to_select: int | float | None = None,
        *,
        metric: Literal["euclidean", "cosine"] = "euclidean",
        scale: Literal["standard", "none"] = "standard",
        initialize: int | None = None,
        max_memory: int = 4 << 30,
        stop_gain: float | None = None,
        engine: Literal["lazy", "naive"] = "lazy",
        progress: bool | None = False,
        n_threads: int | None = None,
    ):
        self.n_to_select = n_to_select
        self.metric = metric
        self.scale = scale
        self.initialize = initialize
        self.max_memory = max_memory
        self.stop_gain = stop_gain
        self.engine = engine
        self.progress = progress
        self.n_threads = n_threads

    def purposes(self, sample: FloatMatrix) -> list[str]:  # noqa: ARG002 - distances are the scores
        """Say how far each pick was from core and earlier picks."""
        first = "farthest from the mean of the pool" if self.initialize is None else "given as the first pick"
        return [
            f"farthest from core and earlier picks, at the distance {score:.3g}" if np.isfinite(score) else first
            for score in self.scores_
        ]

    def _begin(self, X: Any, core: Any) -> Selection:
        if isinstance(X, StoredRows):
            return self._begin_stored(X, core)
        pool = structure_rows(X)
        return Selection.fps(
            pool,
            core_rows(core, pool),
            metric=self.metric,
            scale=self.scale,
            initialize=None if self.initialize is None else integer("initialize", self.initialize, 0),
            engine=self.engine,
            n_threads=self.n_threads,
        )

    def _begin_stored(self, X: StoredRows, core: Any) -> Selection:
        if self.metric not in ("euclidean", "cosine") or self.scale not in ("standard", "none"):
            raise InvalidInputError(f"no metric {self.metric!r} with the scale {self.scale!r}")
        known = core_rows(core, X)
        sizes = windowed.window_sizes(X, "distances", integer("max_memory", self.max_memory, 0))
        factors = windowed.stored_scales(X, known, self.n_threads) if self.scale == "standard" else None
        return windowed_fps(
            MappedRows(X),
            known,
            sizes,
            metric=self.metric,
            factors=factors,
            initialize=None if self.initialize is None else integer("initialize", self.initialize, 0),
            elsewhere=windowed.windows_elsewhere(X, "distances", block=sizes[0], metric=self.metric, factors=factors),
            n_threads=self.n_threads,
        )
