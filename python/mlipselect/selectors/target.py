"""The target of a selection: what the scores `pool_variance` and `pool_std` lower the uncertainty of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.design import Designs, needed, padded
from mlipselect.selectors.base import FloatMatrix, StoredRows, by_rows, structure_rows
from mlipselect.utils.unmasked import unmasked

Objective: TypeAlias = Literal["energy", "forces", "both"]

#: Scores that lower the uncertainty of a target.
TARGET_SCORES: Final = ("pool_variance", "pool_std")
#: Number of rows that `pool_std` draws from a larger target.
POOL_STD_TARGETS = 2048
#: Number of rows that are factorised together, in units of the number of features.
_BLOCK = 4

Weighted: TypeAlias = tuple[FloatMatrix, NDArray[np.float64]]
"""Rows, and their weights."""


@dataclass(frozen=True)
class Target:
    """Structures whose uncertainty a selection is to lower.

    Attributes
    ----------
    rows : ndarray of shape (t, d) or rows on disk
        The structure rows: energies per atom.
    weights : ndarray of shape (t,) or None
        Weight of each structure; None for equal weights.
    designs : Designs or None
        Designs of the structures, for an objective with forces.

    Raises
    ------
    InvalidInputError
        There is no structure, or a weight is negative, or all are zero, or their number is another.
    """

    rows: FloatMatrix | StoredRows
    weights: NDArray[np.float64] | None = None
    designs: Designs | None = None

    def __post_init__(self) -> None:
        count = len(self.rows)
        if count == 0:
            raise InvalidInputError("target: expected at least one structure, got none")
        if self.weights is not None:
            if self.weights.shape != (count,):
                raise InvalidInputError(
                    f"target_weights: expected one weight for each of {count} structures, got shape "
                    f"{self.weights.shape}"
                )
            wrong = np.flatnonzero(~(np.isfinite(self.weights) & (self.weights >= 0)))
            if len(wrong):
                raise InvalidInputError(
                    f"target_weights: expected finite numbers of at least 0, got {self.weights[wrong[0]]:g} for "
                    f"structure {wrong[0]} of the target"
                )
            if not self.weights.any():
                raise InvalidInputError("target_weights: expected a weight above 0, got 0 for all structures")
        if self.designs is not None and len(self.designs) != count:
            raise InvalidInputError(f"target_designs: expected those of {count} structures, got {len(self.designs)}")

    @classmethod
    def of(cls, given: Any, weights: Any, designs: Designs | None, width: int) -> Target:
        """Make the target of what `BayesianSelector.fit` was given.

        Raises
        ------
        InvalidInputError
            Another number of features than `width`, or as for the class.
        """
        rows = given if isinstance(given, StoredRows) else structure_rows(by_rows(given))
        if rows.shape[1] != width:
            raise InvalidInputError(f"target: expected {width} features as of the pool, got {rows.shape[1]}")
        return cls(rows, None if weights is None else unmasked("weights of the target", weights, np.float64), designs)

    def for_score(
        self, score: str, objective: Objective, posterior: Posterior, seed: int, n_threads: int | None = None
    ) -> FloatMatrix:
        r"""Return rows whose plain mean in a score is the weighted mean over the target.

        Parameters
        ----------
        score : {"pool_variance", "pool_std"}
            The score.
        objective : {"energy", "forces", "both"}
            The rows of the target that count.
        posterior : Posterior
            The posterior before the first pick. With two kinds of rows, each counts in units of its uncertainty then.
        seed : int
            Seed of the rows that ``pool_std`` draws.
        n_threads : int, optional
            Threads to use.

        Raises
        ------
        InvalidInputError
            A row that is not finite, or forces without designs.

        Notes
        -----
        A variance is quadratic in its row, a standard deviation linear. So a row with the weight :math:`w_t` counts as
        it should after multiplication by :math:`\sqrt{w_t}` for ``pool_variance``, and by :math:`w_t` for
        ``pool_std``. For ``pool_variance`` rows matter only by :math:`M = \sum_t w_t t t^T / \sum_t w_t`; a triangle
        :math:`T` with :math:`T^T T = M` takes their place, made in one pass.
        """
        is_plain = objective == "energy" and self.weights is None and not isinstance(self.rows, StoredRows)
        if is_plain and (score == "pool_variance" or len(self.rows) <= POOL_STD_TARGETS):
            return cast("FloatMatrix", self.rows)
        kinds = ("energy", "forces") if objective == "both" else (objective,)
        parts: list[NDArray[np.float64]] = []
        for kind in kinds:
            if score == "pool_variance":
                part = self.triangle(kind)
                unit = float(posterior.variance(part, n_threads=n_threads).sum())
                part /= (unit if len(kinds) > 1 and unit > 0.0 else 1.0) ** 0.5
            else:
                part = self._sample(kind, POOL_STD_TARGETS // len(kinds), seed)
                unit = float(np.sqrt(posterior.variance(part, n_threads=n_threads)).sum())
                part /= unit if len(kinds) > 1 and unit > 0.0 else 1.0
            parts.append(part)
        stacked = np.concatenate(parts)
        return np.asarray(stacked * float(len(stacked)) ** (0.5 if score == "pool_variance" else 1.0))

    def triangle(self, kind: str) -> NDArray[np.float64]:
        """Return `T` with `T^T T` the weighted mean of `t t^T` over the rows of a kind."""
        width, total = self.rows.shape[1], 0.0
        triangle: Any = np.empty((0, width))
        for rows, weights in self._blocks(kind, _BLOCK * width):
            total += float(weights.sum())
            triangle = np.linalg.qr(np.concatenate([triangle, rows * np.sqrt(weights)[:, None]]), mode="r")
        return np.asarray(triangle / total**0.5)

    def _blocks(self, kind: str, size: int) -> Iterator[Weighted]:
        """Yield the rows of a kind that have a weight, about `size` at a time, with their weights."""
        counts = self._counts(kind)
        starts = np.concatenate([[0], np.cumsum(counts)])
        first = 0
        while first < len(counts):
            last = max(first + 1, int(np.searchsorted(starts, starts[first] + size, side="right")) - 1)
            few = first + np.flatnonzero(counts[first:last])
            if len(few):
                yield self._rows(kind, few), np.repeat(self._weights(few), counts[few])
            first = last

    def _sample(self, kind: str, limit: int, seed: int) -> NDArray[np.float64]:
        """Return at most `limit` rows of a kind, each times its weight; the sum of the weights is one."""
        starts = np.concatenate([[0], np.cumsum(self._counts(kind))])
        chosen = np.arange(starts[-1])
        if len(chosen) > limit:
            chosen = np.sort(np.random.default_rng(seed).choice(len(chosen), limit, replace=False))
        owners = np.searchsorted(starts, chosen, side="right") - 1
        few, first = np.unique(owners, return_index=True)
        parts = np.split(chosen - starts[owners], first[1:])
        if kind == "energy":
            rows = self._rows(kind, owners)
        else:
            made = needed(self.designs, "target_designs").forces(few.tolist())
            own = [padded(forces[within], self.rows.shape[1]) for forces, within in zip(made, parts, strict=True)]
            rows = np.concatenate(own).astype(np.float64)
        weights = self._weights(owners)
        return np.asarray(rows * (weights / weights.sum())[:, None])

    def _counts(self, kind: str) -> NDArray[np.int64]:
        """Return the number of rows of a kind of each structure, 0 for one without weight."""
        counts = np.ones(len(self.rows), dtype=np.int64)
        if kind == "forces":
            designs = needed(self.designs, "target_designs")
            counts = np.array([3 * len(atoms) for atoms in designs.structures], dtype=np.int64)
        return counts if self.weights is None else np.where(self.weights > 0.0, counts, 0)

    def _weights(self, structures: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.ones(len(structures)) if self.weights is None else self.weights[structures]

    def _rows(self, kind: str, structures: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return all rows of a kind of some structures, and refuse one that is not finite."""
        if kind == "forces":
            made = needed(self.designs, "target_designs").forces(structures.tolist())
            return np.concatenate([padded(rows, self.rows.shape[1]) for rows in made]).astype(np.float64)
        found = self.rows.take(structures) if isinstance(self.rows, StoredRows) else self.rows[structures]
        finite = np.isfinite(found).all(axis=1)
        if not finite.all():
            row = int(structures[np.argmin(finite)])
            place = f"{self.rows.where(row)}: " if isinstance(self.rows, StoredRows) else ""
            raise InvalidInputError(f"{place}row {row} of the target is not finite")
        return found.astype(np.float64)


def reduced(rows: FloatMatrix) -> NDArray[np.float64]:
    """Return as many rows as there are features, or fewer, with the same mean of `t t^T`."""
    triangle = Target(rows).triangle("energy")
    return np.asarray(triangle * len(triangle) ** 0.5)
