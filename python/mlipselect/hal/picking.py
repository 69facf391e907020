"""The picks of a round: greedy selection from what triggered, while the best still triggers after each update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.hal.known import Known
from mlipselect.hal.lesson import Update, lesson
from mlipselect.hal.surrogate import Surrogate
from mlipselect.hal.triggers import Seen, Trigger
from mlipselect.hal.walker import Candidate
from mlipselect.selectors import BayesianSelector, MinDistance


@dataclass(frozen=True)
class Picked:
    """What a round took.

    Attributes
    ----------
    indices : list of int
        Places of the picks among the candidates, in order.
    variances : list of float
        Variance of the energy per atom of each when it was picked.
    gains : list of float
        Fall of the log determinant of the covariance by each.
    rows : ndarray of shape (n_picks, d)
        Rows of their energies per atom.
    posterior : Posterior
        The posterior after the last.
    n_near : int
        Candidates that were passed over as near-duplicates.
    n_late : int
        Candidates that no longer triggered after earlier picks.
    """

    indices: list[int]
    variances: list[float]
    gains: list[float]
    rows: NDArray[np.float64]
    posterior: Posterior
    n_near: int
    n_late: int


def pick(
    candidates: Sequence[Candidate],
    surrogate: Surrogate,
    known: Known,
    trigger: Trigger,
    n: int,
    *,
    update: Update,
    min_distance: float | None,
) -> Picked:
    """Pick up to `n` candidates, the most uncertain first, that still trigger when their turn comes.

    Parameters
    ----------
    candidates : sequence of Candidate
        What triggered in this round, in the order of the walkers.
    surrogate : Surrogate
        The surrogate before the round; it is not changed.
    known : Known
        Core and earlier picks.
    trigger : Trigger
        What is worth taking.
    n : int
        Largest number of picks.
    update : {"structure", "forces", "labels"}
        What a pick adds to the posterior; see `lesson`.
    min_distance : float or None
        Distance to keep from core and picks; see `MinDistance`.
    """
    X = np.array([surrogate.row(candidate.atoms) for candidate in candidates])
    surrogate = surrogate.learned(surrogate.posterior.copy())
    guard = None if min_distance is None else MinDistance(min_distance)
    if guard is not None:
        there = known.rows
        guard.begin(X, there if len(there) else None, n)
    left, late = list(range(len(candidates))), 0
    indices: list[int] = []
    variances: list[float] = []
    gains: list[float] = []
    while left and len(indices) < n:
        selector = BayesianSelector(1, score="energy", posterior=surrogate.posterior, n_threads=surrogate.n_threads)
        selector.fit(X[left])
        index = left.pop(int(selector.selected_idx_[0]))
        variance = float(selector.scores_[0])
        if guard is not None and not guard.fits(index):
            continue
        if indices and not _triggers(candidates[index], variance, surrogate, known, trigger):
            late += 1
            continue
        before = surrogate.posterior.logdet()
        rows = lesson(surrogate, candidates[index].atoms, X[index], update)
        surrogate.posterior.update(rows, n_threads=surrogate.n_threads)
        known = known.and_also(X[index][None])
        if guard is not None:
            guard.picked(index)
        indices.append(index)
        variances.append(variance)
        gains.append(before - surrogate.posterior.logdet())
    near = 0 if guard is None else len(guard.rejected)
    return Picked(indices, variances, gains, X[indices], surrogate.posterior, near, late)


def _triggers(candidate: Candidate, variance: float, surrogate: Surrogate, known: Known, trigger: Trigger) -> bool:
    """Tell whether a candidate triggers with the posterior as it is now."""
    seen = Seen(candidate.atoms, float(np.sqrt(variance)), candidate.base_forces)
    return trigger.score(surrogate, seen, trigger.reference(surrogate, known)) > trigger.threshold
