"""The ways to pick that are compared: each a name, features, and a selector."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benches.quality.systems import System
from numpy.typing import NDArray

import mlipselect as ms
from mlipselect.features.composition import balance_composition

#: Largest numbers of features: of the default of `select`, and of the default of `fit`.
MAX_FEATURES = {"short": 500, "long": 1000}

#: Foundation models that bring their weights: the package that has to be installed, and the descriptor.
FOUNDATION = {"CHGNet": ("chgnet", ms.CHGNet), "SevenNet-0": ("sevenn", ms.SevenNet)}

#: One prior for all weights, with the ridge of the paper.
PLAIN = {"scale": "none", "ridge": 1e-5}

Rows = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Way:
    """One way to pick.

    Attributes
    ----------
    features : str
        ``"short"`` or ``"long"``, the ACE that describes structures, or the name of a foundation model.
    make : callable
        Returns a selector for so many picks.
    nested : bool
        Whether the first of many picks are those of a selection of few.
    scaled : callable or None
        What is done to the rows of pool and core.
    """

    features: str
    make: Callable[[int], Any]
    nested: bool = True
    scaled: Callable[[NDArray[np.float64], NDArray[np.float64]], Rows] | None = None


def centred(X: NDArray[np.float64], core: NDArray[np.float64]) -> Rows:
    """Subtract the mean over core and pool."""
    mean = np.concatenate([X, core]).mean(axis=0)
    return X - mean, core - mean


def _bayesian(score: str, **how: Any) -> Callable[[int], Any]:
    return lambda n: ms.BayesianSelector(n, score=score, **how)


#: The way that `select` goes without any option.
DEFAULT = "default"

#: Ways to pick; a dictionary has the options of `select`.
WAYS: dict[str, Way | dict[str, Any]] = {
    DEFAULT: {},
    "update forces": {"score": "pool_variance", "update": "forces"},
    "objective forces": {"objective": "forces"},
    "objective and update forces": {"score": "pool_variance", "objective": "forces", "update": "forces"},
    "objective both, update forces": {"score": "pool_variance", "objective": "both", "update": "forces"},
    "pool_variance, long": Way("long", _bayesian("pool_variance")),
    "pool_variance, standard": Way("short", _bayesian("pool_variance", scale="standard")),
    "pool_variance, none": Way("short", _bayesian("pool_variance", **PLAIN)),
    "pool_std": Way("short", _bayesian("pool_std")),
    "pool_std, none": Way("short", _bayesian("pool_std", **PLAIN)),
    "pool_std, none, centred": Way("short", _bayesian("pool_std", **PLAIN), scaled=centred),
    "energy": Way("short", _bayesian("energy")),
    "energy, none": Way("short", _bayesian("energy", **PLAIN)),
    "energy, none, long": Way("long", _bayesian("energy", **PLAIN)),
    "facility_location": Way("short", ms.FacilityLocation),
    "fps": Way("short", ms.FPS),
    "k_medoids": Way("short", ms.KMedoids, nested=False),
    "cur": Way("short", ms.CUR, nested=False),
}
for _model in FOUNDATION:
    WAYS[f"foundation {_model}"] = Way(_model, _bayesian("pool_variance"))
    WAYS[f"foundation {_model}, energy"] = Way(_model, _bayesian("energy", **PLAIN))

#: The ways in which elements enter ACE, each with the default score; not among those that are measured unless named.
SPECIES: dict[str, Callable[[list[str]], Any]] = {
    "labels": lambda elements: ms.ACE(elements, species="labels", max_features=MAX_FEATURES["short"]),
    "channels": lambda elements: ms.ACE(elements, species="channels", max_features=MAX_FEATURES["short"]),
    # Of the same length: fewer channels and functions for each of many elements.
    "channels per element": lambda elements: ms.PerElement(
        ms.ACE(
            species="channels",
            n_channels=max(1, 16 // len(elements)),
            max_features=MAX_FEATURES["short"] // len(elements),
        ),
        elements,
    ),
}
SPECIES_WAYS: dict[str, Way | dict[str, Any]] = {
    name: Way(name, _bayesian("pool_variance", scale="root", ridge=1e-4)) for name in SPECIES
}


def missing_package(name: str) -> str | None:
    """Return the package that a way needs, if it is not installed."""
    way = (WAYS | SPECIES_WAYS)[name]
    package, _ = FOUNDATION.get(way.features if isinstance(way, Way) else "", (None, None))
    return package if package is not None and importlib.util.find_spec(package) is None else None


@functools.cache
def foundation(name: str, folder: Path) -> ms.Cached:
    """Make the descriptor of a foundation model, which keeps its features in a folder."""
    return ms.Cached(FOUNDATION[name][1](), folder)


class Describer:
    """The structures of a system and their features, each kind made once.

    Parameters
    ----------
    system : System
        The structures.
    folder : path
        Where features of foundation models are kept.
    """

    def __init__(self, system: System, folder: Path):
        self.system, self.folder = system, folder
        self._made: dict[str, tuple[ms.Features, ms.Features]] = {}

    def rows(self, kind: str) -> tuple[ms.Features, ms.Features]:
        """Return the features of pool and core, as `select` makes them."""
        if kind not in self._made:
            elements = self.system.elements
            if kind in FOUNDATION:
                descriptor = foundation(kind, self.folder)
            elif kind in SPECIES:
                descriptor = SPECIES[kind](elements)
            else:
                descriptor = ms.ACE(elements, max_features=MAX_FEATURES[kind])
            composition = elements if len(elements) > 1 else []
            made = tuple(
                ms.featurize(part, descriptor, composition=composition) for part in (self.system.pool, self.system.core)
            )
            if composition:
                balance_composition(*made)
            self._made[kind] = made
        return self._made[kind]


def picks(way: Way | dict[str, Any], describer: Describer, numbers: list[int]) -> dict[int, NDArray[np.int64]]:
    """Pick by one way, for each number of picks."""
    if isinstance(way, dict):
        system = describer.system
        chosen = ms.select(system.pool, max(numbers), system.core, progress=False, **way).indices
        return {n: chosen[:n] for n in numbers}
    X, core = (features.per_structure for features in describer.rows(way.features))
    if way.scaled is not None:
        X, core = (np.ascontiguousarray(rows) for rows in way.scaled(X, core))
    if way.nested:
        chosen = way.make(max(numbers)).fit(X, core=core).selected_idx_
        return {n: chosen[:n] for n in numbers}
    return {n: way.make(n).fit(X, core=core).selected_idx_ for n in numbers}
