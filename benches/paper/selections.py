"""Which structures each method selects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from benches.paper.published import DotProductSampling

import mlipselect as ms
from mlipselect.selectors.registry import make_selector


@dataclass(frozen=True)
class Method:
    """A way to select.

    Attributes
    ----------
    name : str
        What tables and figures call it.
    selector : str
        Name of the selector, or "dot products": `DotProductSampling`.
    parameters : dict
        Its parameters.
    draws : bool
        Whether it depends on a seed.
    features : bool
        Whether it depends on features.
    """

    name: str
    selector: str
    parameters: dict[str, Any]
    draws: bool = False
    features: bool = True


#: The prior of the paper: one for all weights.
PRIOR = {"scale": "none", "ridge": 1e-5}
METHODS = (
    Method("random", "random", {}, draws=True, features=False),
    Method("CUR, structures", "cur", {}, draws=True),
    Method("CUR, atoms", "cur", {"rows": "atoms"}, draws=True),
    Method("FPS", "fps", {}),
    Method("FPS, not scaled", "fps", {"scale": "none"}),
    Method("FPS by dot products", "dot products", {}),
    Method("k-medoids", "k_medoids", {}),
    Method("facility location", "facility_location", {}),
    Method("Bayesian, energy", "bayesian", {"score": "energy", **PRIOR}),
    Method("Bayesian, pool_variance", "bayesian", {"score": "pool_variance", **PRIOR}),
    Method("Bayesian, pool_std", "bayesian", {"score": "pool_std", **PRIOR}),
)


@dataclass(frozen=True)
class Choice:
    """What a method selected."""

    descriptor: str
    method: str
    seed: int
    n: int
    picks: tuple[int, ...]

    @property
    def key(self) -> str:
        """Name of the choice in caches and tables."""
        return f"{self.descriptor}|{self.method}|{self.seed}|{self.n}"


def choices(
    descriptor: str, X: ms.Features, core: ms.Features, numbers: list[int], n_seeds: int, with_random: bool
) -> list[Choice]:
    """Select by every method.

    Parameters
    ----------
    descriptor : str
        Name of the descriptor.
    X, core : Features
        Its features of pool and core, with atomic rows.
    numbers : list of int
        How many structures to select.
    n_seeds : int
        Seeds of the methods that draw.
    with_random : bool
        Whether to draw at random, which is the same for every descriptor.
    """
    out = []
    for method in METHODS:
        if not method.features and not with_random:
            continue
        for seed in range(n_seeds if method.draws else 1):
            for n in numbers:
                if method.selector == "dot products":
                    selector = DotProductSampling(n)
                else:
                    selector = make_selector(method.selector, n, random_state=seed, **method.parameters)
                picks = tuple(int(i) for i in np.sort(selector.fit(X, core=core).selected_idx_))
                out.append(Choice(descriptor if method.features else "-", method.name, seed, n, picks))
    return out
