"""The ways to pick that are compared: each a name, features, and a selector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from benches.quality.systems import System
from numpy.typing import NDArray

import mlipselect as ms
from mlipselect.features.composition import balance_composition

#: Total degree of features that are made to select, by the number of elements.
SHORT_DEGREE = {1: 12, 2: 6, 3: 5, 4: 4}

Rows = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Way:
    """One way to pick.

    Attributes
    ----------
    features : str
        ``"short"`` or ``"long"``: the ACE that describes structures.
    scaled : callable or None
        What is done to the rows of pool and core.
    make : callable
        Returns a selector for so many picks.
    nested : bool
        Whether the first of many picks are those of a selection of few.
    """

    features: str
    scaled: Callable[[NDArray[np.float64], NDArray[np.float64]], Rows] | None
    make: Callable[[int], Any]
    nested: bool = True


def root_scaled(X: NDArray[np.float64], core: NDArray[np.float64], power: float = 0.5) -> Rows:
    """Divide columns by a power of their standard deviation over core and pool; leave out those that do not vary."""
    both = np.concatenate([X, core])
    deviations = both.std(axis=0)
    varies = deviations > 1e-12 * np.abs(both).max(axis=0)
    return X[:, varies] / deviations[varies] ** power, core[:, varies] / deviations[varies] ** power


def centred(X: NDArray[np.float64], core: NDArray[np.float64]) -> Rows:
    """Subtract the mean over core and pool."""
    mean = np.concatenate([X, core]).mean(axis=0)
    return X - mean, core - mean


def _bayesian(**how: Any) -> Callable[[int], Any]:
    return lambda n: ms.BayesianSelector(n, **how)


WAYS: dict[str, Way] = {
    "energy, long": Way("long", None, _bayesian()),
    "energy, short": Way("short", None, _bayesian()),
    "pool_variance, long": Way("long", None, _bayesian(score="pool_variance")),
    "pool_variance, short": Way("short", None, _bayesian(score="pool_variance")),
    "pool_variance, short, root": Way("short", root_scaled, _bayesian(score="pool_variance", ridge=1e-4)),
    "pool_std, short": Way("short", None, _bayesian(score="pool_std")),
    "pool_std, short, root": Way("short", root_scaled, _bayesian(score="pool_std", ridge=1e-4)),
    "pool_std, short, centred": Way("short", centred, _bayesian(score="pool_std")),
    "facility location": Way("short", None, ms.FacilityLocation),
    "fps": Way("short", None, ms.FPS),
    "k_medoids": Way("short", None, ms.KMedoids, nested=False),
    "cur": Way("short", None, ms.CUR, nested=False),
}


class Describer:
    """The features of a system, each kind made once."""

    def __init__(self, system: System):
        self._system = system
        self._made: dict[str, tuple[ms.Features, ms.Features]] = {}

    def rows(self, kind: str) -> tuple[ms.Features, ms.Features]:
        """Return the features of pool and core."""
        if kind not in self._made:
            elements = self._system.elements
            degree = SHORT_DEGREE.get(len(elements), 4) if kind == "short" else None
            descriptor = ms.ACE(elements, totaldegree=degree)
            composition = elements if len(elements) > 1 else []
            made = tuple(
                ms.featurize(part, descriptor, composition=composition)
                for part in (self._system.pool, self._system.core)
            )
            if composition:
                balance_composition(*made)
            self._made[kind] = made
        return self._made[kind]


def picks(way: Way, describer: Describer, numbers: list[int]) -> dict[int, NDArray[np.int64]]:
    """Pick by one way, for each number of picks."""
    X, core = (features.per_structure for features in describer.rows(way.features))
    if way.scaled is not None:
        X, core = (np.ascontiguousarray(rows) for rows in way.scaled(X, core))
    if way.nested:
        chosen = way.make(min(max(numbers), len(X))).fit(X, core=core).selected_idx_
        return {n: chosen[:n] for n in numbers}
    return {n: way.make(n).fit(X, core=core).selected_idx_ for n in numbers}
