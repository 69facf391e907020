"""Greedy selection by the uncertainty of forces and stresses, with their rows computed on demand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.design import Designs
from mlipselect.selectors.base import FloatMatrix

#: Scores within this fraction of the best count as tied with it, and the tie goes to the lowest index.
TIE = 1e-12
#: Number of candidates whose rows are computed together.
BATCH = 16

TERMS = ("energy", "force", "stress")


class DerivativeSelection:
    """A greedy selection by `energy`, `force` or `stress`, or by a weighted sum of them.

    These scores never rise, so earlier scores are upper bounds: a candidate is evaluated again only if its bound may be
    the largest score. Rows of forces are computed for a few candidates at a time.

    Parameters
    ----------
    posterior : Posterior
        The posterior before the first pick; picks update it.
    weights : mapping of str to float
        Weight of each term. With several terms, each is first divided by its largest value over the pool.
    update : {"structure", "forces", "stress"}
        Rows that a pick adds to the posterior.
    pool : ndarray of shape (n, d)
        Structure rows.
    designs : Designs
        Designs of the same structures.
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
        engine: Literal["lazy", "naive"] = "lazy",
        n_threads: int | None = None,
    ):
        if len(designs) != len(pool):
            raise InvalidInputError(f"designs: expected those of {len(pool)} structures, got {len(designs)}")
        self._posterior, self._update = posterior, update
        self._pool, self._designs = pool, designs
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
        if self._engine == "naive":
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
        if self._exact[candidate] != len(self._indices):
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

    def _sum(self, terms: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.asarray(sum(self._weights[name] * values for name, values in terms.items()))

    def _terms(self, candidates: Sequence[int] | NDArray[np.intp] | range, names: Iterable[str]) -> dict[str, Any]:
        """Evaluate terms of the score for some candidates."""
        candidates = [int(candidate) for candidate in candidates]
        out: dict[str, NDArray[np.float64]] = {}
        for name in names:
            if name == "energy":
                out[name] = self._posterior.variance(self._pool[candidates], n_threads=self._n_threads)
            else:
                blocks = self._designs.forces(candidates) if name == "force" else self._designs.stress(candidates)
                out[name] = np.array([self._largest(rows) for rows in blocks])
        return out

    def _largest(self, rows: NDArray[Any]) -> float:
        rows = padded(rows, self._pool.shape[1])
        return float(self._posterior.variance(rows, n_threads=self._n_threads).max(initial=0.0))


def padded(rows: NDArray[Any], width: int) -> NDArray[Any]:
    """Append columns of zeros to derivatives, since element fractions do not change with displacement or strain."""
    return np.ascontiguousarray(np.pad(rows, ((0, 0), (0, width - rows.shape[1]))))


def picked_rows(
    pool: FloatMatrix, designs: Designs, update: Literal["structure", "forces", "stress"], index: int
) -> NDArray[Any]:
    """Return the rows that a pick adds to the posterior: its structure row, and those of its forces or its stress."""
    own = pool[index : index + 1]
    if update == "structure":
        return own
    more = next(iter(designs.forces([index]) if update == "forces" else designs.stress([index])))
    return np.concatenate([own, padded(more, pool.shape[1])]).astype(np.float64)
