"""Greedy selection with scores or updates of forces and stresses, whose rows are computed on demand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.design import Designs, padded
from mlipselect.selectors.base import FloatMatrix

#: Scores within this fraction of the best count as tied with it, and the tie goes to the lowest index.
TIE = 1e-12
#: Number of candidates whose rows are computed together.
BATCH = 16
#: Number of candidates whose products with a target are computed together.
BLOCK = 1024

TERMS = ("energy", "force", "stress")


class DerivativeSelection:
    """A greedy selection by `energy`, `force` or `stress`, a weighted sum of them, or the uncertainty of a target.

    The first three never rise, so earlier scores are upper bounds: a candidate is evaluated again only if its bound may
    be the largest score. Rows of forces are computed for a few candidates at a time. Scores with a target may rise, and
    every candidate is evaluated before every pick. They need the structure rows of candidates only.

    Parameters
    ----------
    posterior : Posterior
        The posterior before the first pick; picks update it.
    weights : mapping of str to float
        Weight of each term. With several terms, each is first divided by its largest value over the pool. A score with
        a target is the only term.
    update : {"structure", "forces", "stress"}
        Rows that a pick adds to the posterior.
    pool : ndarray of shape (n, d)
        Structure rows.
    designs : Designs
        Designs of the same structures.
    target : ndarray of shape (t, d), optional
        Rows of the target, for the terms `pool_variance` and `pool_std`.
    engine : {"lazy", "naive"}
        Use bounds, or evaluate every score before every pick.
    n_threads : int, optional
        Threads to use.
    """

    def __init__(
        self,
        posterior: Posterior,
        weights: Mapping[str, float],
        update: Literal["structure", "forces", "stress"],
        pool: FloatMatrix,
        designs: Designs,
        *,
        target: FloatMatrix | None = None,
        engine: Literal["lazy", "naive"] = "lazy",
        n_threads: int | None = None,
    ):
        if len(designs) != len(pool):
            raise InvalidInputError(f"designs: expected those of {len(pool)} structures, got {len(designs)}")
        self._posterior, self._update = posterior, update
        self._pool, self._designs = pool, designs
        self._target = None if target is None else target.astype(np.float64)
        self._engine, self._n_threads = engine, n_threads
        self._start = posterior.information()
        self._open = np.ones(len(pool), dtype=bool)
        self._indices: list[int] = []
        self._scores: list[float] = []
        self._information: list[float] = []
        terms = {name: weight for name, weight in weights.items() if weight > 0.0}
        first = self._terms(range(len(pool)), terms)
        several = len(terms) > 1
        # With one term the score is its value. With several, the largest value of each is scaled to its weight.
        self._weights = {k: terms[k] / (v.max() or 1.0) if several else 1.0 for k, v in first.items()}
        self._bounds = self._sum(first)
        self._exact = np.zeros(len(pool), dtype=np.int64)

    @property
    def remaining(self) -> int:
        """Number of candidates that are neither picked nor excluded."""
        return int(self._open.sum())

    @property
    def indices(self) -> NDArray[np.int64]:
        """The picks so far, in order."""
        return np.array(self._indices, dtype=np.int64)

    @property
    def scores(self) -> NDArray[np.float64]:
        """The score of each pick when it was picked."""
        return np.array(self._scores)

    @property
    def information(self) -> NDArray[np.float64]:
        """Cumulative information after each pick, in nat."""
        return np.array(self._information)

    def posterior(self) -> Posterior:
        """Return the posterior after all picks so far."""
        return self._posterior.copy()

    def exclude(self, candidates: Iterable[int]) -> None:
        """Never pick these candidates."""
        for candidate in candidates:
            if not 0 <= candidate < len(self._open):
                raise InvalidInputError(
                    f"candidate {candidate} cannot be excluded: the pool has {len(self._open)} candidates"
                )
            self._open[candidate] = False

    def propose(self) -> tuple[int, float] | None:
        """Return the candidate that would be picked next and its score, or None if no candidate is left."""
        if not self._open.any():
            return None
        stale = self._open & (self._exact != len(self._indices))
        if self._target is not None:
            self._evaluate_all()
        elif self._engine == "naive":
            self._evaluate(np.flatnonzero(stale))
        while True:
            open_ = np.flatnonzero(self._open)
            bounds = self._bounds[open_]
            fresh = self._exact[open_] == len(self._indices)
            best = bounds[fresh].max(initial=-np.inf)
            contenders = open_[~fresh & (bounds >= best - TIE * abs(best))]
            if not len(contenders):
                break
            # The largest bounds first: one of them may rule out the others.
            self._evaluate(np.sort(contenders[np.argsort(-self._bounds[contenders], kind="stable")][:BATCH]))
        index = int(open_[bounds >= best - TIE * abs(best)][0])
        return index, float(self._bounds[index])

    def advance(self, count: int) -> None:
        """Pick `count` further candidates."""
        for _ in range(count):
            proposed = self.propose()
            if proposed is None:
                raise InvalidInputError(f"cannot pick {count} more structures: the pool has none left to pick from")
            self._take(*proposed)

    def accept(self, candidate: int) -> None:
        """Pick a candidate, whether or not it is the best."""
        if not (0 <= candidate < len(self._open) and self._open[candidate]):
            raise InvalidInputError(f"candidate {candidate} cannot be picked: it is picked, excluded or not there")
        if self._target is not None:
            self._evaluate_all()
        elif self._exact[candidate] != len(self._indices):
            self._evaluate(np.array([candidate]))
        self._take(candidate, float(self._bounds[candidate]))

    def _take(self, index: int, score: float) -> None:
        self._posterior.update(picked_rows(self._pool, self._designs, self._update, index), n_threads=self._n_threads)
        self._open[index] = False
        self._indices.append(index)
        self._scores.append(score)
        self._information.append(self._posterior.information() - self._start)

    def _evaluate(self, candidates: NDArray[np.intp]) -> None:
        if len(candidates):
            self._bounds[candidates] = self._sum(self._terms(candidates, self._weights))
            self._exact[candidates] = len(self._indices)

    def _evaluate_all(self) -> None:
        """Evaluate every candidate, also those that are picked: a score has the same bits in any search."""
        if (self._exact != len(self._indices)).any():
            self._evaluate(np.arange(len(self._open)))

    def _sum(self, terms: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.asarray(sum(self._weights[name] * values for name, values in terms.items()))

    def _terms(self, candidates: Sequence[int] | NDArray[np.intp] | range, names: Iterable[str]) -> dict[str, Any]:
        """Evaluate terms of the score for some candidates."""
        candidates = [int(candidate) for candidate in candidates]
        out: dict[str, NDArray[np.float64]] = {}
        for name in names:
            if name == "energy":
                out[name] = self._posterior.variance(self._pool[candidates], n_threads=self._n_threads)
            elif self._target is not None:
                out[name] = lowered(name, self._posterior, self._pool, self._target, self._n_threads)[candidates]
            else:
                blocks = self._designs.forces(candidates) if name == "force" else self._designs.stress(candidates)
                out[name] = np.array([self._largest(rows) for rows in blocks])
        return out

    def _largest(self, rows: NDArray[Any]) -> float:
        rows = padded(rows, self._pool.shape[1])
        return float(self._posterior.variance(rows, n_threads=self._n_threads).max(initial=0.0))


def lowered(
    score: str, posterior: Posterior, pool: FloatMatrix, target: NDArray[np.float64], n_threads: int | None = None
) -> NDArray[np.float64]:
    r"""Return by how much each candidate lowers the uncertainty of a target, if its structure row is observed.

    Parameters
    ----------
    score : {"pool_variance", "pool_std"}
        Whether the uncertainty is the mean variance of the rows of the target, or their mean standard deviation.
    posterior : Posterior
        The posterior before the observation.
    pool : ndarray of shape (n, d)
        Structure rows of the candidates.
    target : ndarray of shape (t, d)
        Rows of the target.
    n_threads : int, optional
        Threads to use.

    Notes
    -----
    With :math:`v = x^T \Sigma x` the variance of a row :math:`t` falls by
    :math:`f = (t^T \Sigma x)^2 / (1 / \beta + v)`, and its standard deviation :math:`s` by
    :math:`f / (s + \sqrt{s^2 - f})`, which has no cancellation.
    """
    noise = 1.0 / posterior.noise_precision
    directions = posterior.covariance @ target.T
    deviations = np.sqrt(np.maximum(posterior.variance(target, n_threads=n_threads), 0.0))
    variances = np.maximum(posterior.variance(pool, n_threads=n_threads), 0.0)
    out = np.empty(len(pool))
    for first in range(0, len(pool), BLOCK):
        own = slice(first, first + BLOCK)
        falls = (pool[own].astype(np.float64) @ directions) ** 2 / (noise + variances[own, None])
        if score == "pool_std":
            left = deviations + np.sqrt(np.maximum(deviations**2 - falls, 0.0))
            falls = np.divide(falls, left, out=np.zeros_like(falls), where=left > 0.0)
        out[own] = falls.mean(axis=1)
    return out


def picked_rows(
    pool: FloatMatrix, designs: Designs, update: Literal["structure", "forces", "stress"], index: int
) -> NDArray[Any]:
    """Return the rows that a pick adds to the posterior: its structure row, and those of its forces or its stress."""
    own = pool[index : index + 1]
    if update == "structure":
        return own
    more = next(iter(designs.forces([index]) if update == "forces" else designs.stress([index])))
    return np.concatenate([own, padded(more, pool.shape[1])]).astype(np.float64)
