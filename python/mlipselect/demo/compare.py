"""Compare chosen sets with random sets by the posterior of the same linear model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlipselect.features import Features
from mlipselect.selectors import RandomSelector
from mlipselect.selectors.starting_posterior import RIDGE, starting_posterior


@dataclass(frozen=True)
class Worth:
    """Information and remaining standard deviations of a linear model after it has observed a set of structures.

    Standard deviations are those of the predicted energy per atom over the whole pool, in units of the noise.

    Attributes
    ----------
    picks : ndarray of int64
        Indices of the structures.
    information : float
        Information gained, in nat.
    largest_sd, mean_sd : float
        Largest and mean standard deviation after the observation.
    """

    picks: NDArray[np.int64]
    information: float
    largest_sd: float
    mean_sd: float


@dataclass(frozen=True)
class Comparison:
    """Information and deviations after chosen sets, and after random sets of the same size.

    Attributes
    ----------
    before : float
        Largest standard deviation before any pick is observed.
    chosen : dict of Worth
        The chosen sets, by name.
    random : list of Worth
        The random sets.
    """

    before: float
    chosen: dict[str, Worth]
    random: list[Worth]


def compare_with_random(
    X: Features,
    core: Features | None,
    chosen: Mapping[str, NDArray[np.int64]],
    *,
    ridge: float = RIDGE,
    n_draws: int = 100,
    random_state: int = 0,
) -> Comparison:
    """Compare selections with random ones.

    Parameters
    ----------
    X : Features
        The pool.
    core : Features or None
        Structures that are observed before all picks.
    chosen : mapping of str to ndarray of int64
        Picks of each selection, equally many in all.
    ridge : float, default=1e-4
        Prior of the linear model, as in `BayesianSelector`.
    n_draws : int, default=100
        Number of random sets, drawn by `RandomSelector`.
    random_state : int, default=0
        Seed of the first draw; each later draw has the next seed.

    Returns
    -------
    Comparison
        Information and deviations after each set.
    """
    start = starting_posterior(X, core, ridge=ridge)

    def worth(picks: NDArray[np.int64]) -> Worth:
        posterior = start.copy()
        posterior.update(X.per_structure[picks])
        deviations = np.sqrt(posterior.variance(X.per_structure))
        gained = posterior.information() - start.information()
        return Worth(picks, gained, float(deviations.max()), float(deviations.mean()))

    n = len(next(iter(chosen.values())))
    draws = (RandomSelector(n, random_state=random_state + draw).fit(X).selected_idx_ for draw in range(n_draws))
    return Comparison(
        before=float(np.sqrt(start.variance(X.per_structure)).max()),
        chosen={name: worth(picks) for name, picks in chosen.items()},
        random=[worth(draw) for draw in draws],
    )
