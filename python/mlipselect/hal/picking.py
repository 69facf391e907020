"""The picks of a round: greedy selection from what triggered, while the best still triggers after each update."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.features import Designs
from mlipselect.hal.known import Known
from mlipselect.hal.surrogate import Surrogate
from mlipselect.hal.triggers import Seen, Trigger
from mlipselect.hal.walker import Candidate
from mlipselect.selectors import BayesianSelector, Constraint, MinDistance

Update: TypeAlias = Literal["structure", "forces"]
"""What a pick adds to the posterior: the row of its energy per atom, or also those of its forces."""


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
        Their rows.
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


class StillTriggers(Constraint):
    """Candidates that still trigger after the picks so far."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        surrogate: Surrogate,
        known: Known,
        trigger: Trigger,
        rows: Sequence[NDArray[np.float64]],
    ):
        self._candidates, self._trigger, self._rows = candidates, trigger, rows
        self._surrogate = surrogate.learned(surrogate.posterior.copy())
        self._known = known
        self._reference: float | None = None
        self._has_picks = False
        self.passed_over: set[int] = set()

    def fits(self, index: int) -> bool:
        """Score a candidate with the posterior as it is now; before the first pick all of them trigger."""
        if not self._has_picks:
            return True
        if self._reference is None:
            self._reference = self._trigger.reference(self._surrogate, self._known)
        atoms = self._candidates[index].atoms
        deviation = float(np.sqrt(self._surrogate.posterior.variance(self._rows[index][:1])[0]))
        seen = Seen(atoms, deviation, self._candidates[index].base_forces)
        if self._trigger.score(self._surrogate, seen, self._reference) > self._trigger.threshold:
            return True
        self.passed_over.add(index)
        return False

    def picked(self, index: int) -> Iterable[int]:
        """Learn from a pick."""
        rows = self._rows[index]
        self._surrogate.posterior.update(rows, n_threads=self._surrogate.n_threads)
        self._known = self._known.and_also(rows[:1])
        self._has_picks, self._reference = True, None
        return ()


class FarFromKnown(MinDistance):
    """The guard against near-duplicates, with the core and all earlier picks as what is there."""

    def __init__(self, distance: float, known: NDArray[np.float64]):
        super().__init__(distance)
        self._known = known

    def begin(self, pool: Any, core: Any, n_to_select: int) -> Iterable[int]:  # noqa: ARG002
        """Begin with what is known."""
        return super().begin(pool, self._known if len(self._known) else None, n_to_select)


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
    update : {"structure", "forces"}
        What a pick adds to the posterior.
    min_distance : float or None
        Distance to keep from core and picks; see `MinDistance`.
    """
    X = np.array([surrogate.row(candidate.atoms) for candidate in candidates])
    rows = [_rows(surrogate, candidate, row, update) for candidate, row in zip(candidates, X, strict=True)]
    still = StillTriggers(candidates, surrogate, known, trigger, rows)
    constraints: list[Constraint] = [still]
    near = None if min_distance is None else FarFromKnown(min_distance, known.rows)
    if near is not None:
        constraints.insert(0, near)
    selector = BayesianSelector(
        min(n, len(candidates)),
        score="energy",
        update=update,
        posterior=surrogate.posterior,
        n_threads=surrogate.n_threads,
    )
    structures = [candidate.atoms for candidate in candidates]
    designs = Designs(structures, surrogate.descriptor, n_threads=surrogate.n_threads) if update == "forces" else None
    selector.fit(X, constraints=constraints, designs=designs)
    indices = selector.selected_idx_.tolist()
    return Picked(
        indices=indices,
        variances=selector.scores_.tolist(),
        gains=np.diff(2.0 * selector.information_, prepend=0.0).tolist(),
        rows=X[indices],
        posterior=selector.posterior_,
        n_near=0 if near is None else len(near.rejected),
        n_late=len(still.passed_over),
    )


def _rows(surrogate: Surrogate, candidate: Candidate, row: NDArray[np.float64], update: Update) -> NDArray[np.float64]:
    """Return the rows that a pick adds to the posterior, that of its energy per atom first."""
    if update == "structure":
        return row[None]
    forces = np.asarray(surrogate.design(candidate.atoms).forces, dtype=np.float64)
    return np.ascontiguousarray(np.concatenate([row[None], forces]))
