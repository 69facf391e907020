"""What a chosen set is worth beside sets drawn at random, measured by the same posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.selection import Selection


@dataclass(frozen=True)
class Comparison:
    """Measures of one chosen set and of many random sets of the same size.

    Standard deviations are of the predicted energy per atom, over the whole pool, in units of the noise.

    Attributes
    ----------
    before : float
        Largest standard deviation when only the core is known.
    information : float
        Information that the chosen set brought, in nat.
    largest_sd, mean_sd : float
        Largest and mean standard deviation once the chosen set is known.
    random_draws : ndarray of int64, shape (n_draws, n)
        Indices of the random sets.
    random_information, random_largest_sd, random_mean_sd : ndarray of shape (n_draws,)
        The same measures of the random sets.
    """

    before: float
    information: float
    largest_sd: float
    mean_sd: float
    random_draws: NDArray[np.int64]
    random_information: NDArray[np.float64]
    random_largest_sd: NDArray[np.float64]
    random_mean_sd: NDArray[np.float64]


def compare_with_random(selection: Selection, n_draws: int = 100, seed: int = 0) -> Comparison:
    """Compare a selection with random ones.

    Parameters
    ----------
    selection : Selection
        A selection with ``update="structure"``, its noise precision 1 and its prior given by `ridge`.
    n_draws : int, default 100
        Number of random sets, each as large as the selection and drawn without replacement.
    seed : int, default 0
        Seed of the draws.

    Returns
    -------
    Comparison
        The measures of both.
    """
    X = selection.features.structure
    known = [X] if selection.core_features is None else [X, selection.core_features.structure]
    mean_square = sum(float(np.square(rows).sum()) for rows in known) / sum(rows.size for rows in known)
    start = Posterior(X.shape[1], selection.parameters["ridge"] * mean_square)
    if selection.core_features is not None:
        start.update(selection.core_features.structure)

    def measure(indices: NDArray[np.int64]) -> tuple[float, float, float]:
        posterior = start.copy()
        posterior.update(X[indices])
        deviations = np.sqrt(posterior.variance(X))
        return posterior.information() - start.information(), float(deviations.max()), float(deviations.mean())

    rng = np.random.default_rng(seed)
    draws = np.array([rng.choice(len(X), len(selection), replace=False) for _ in range(n_draws)])
    information, largest, mean = measure(selection.indices)
    random = np.array([measure(draw) for draw in draws])
    return Comparison(
        before=float(np.sqrt(start.variance(X)).max()),
        information=information,
        largest_sd=largest,
        mean_sd=mean,
        random_draws=draws,
        random_information=random[:, 0],
        random_largest_sd=random[:, 1],
        random_mean_sd=random[:, 2],
    )
