"""The posterior before the first pick, from a prior and the core."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior, mean_square
from mlipselect.exceptions import InvalidInputError
from mlipselect.selectors.base import FloatMatrix, HasStructureRows, StoredRows, core_rows, structure_rows


def starting_posterior(
    X: Any,
    core: Any = None,
    *,
    update: Literal["structure", "atoms"] = "structure",
    ridge: float = 1e-5,
    prior_precision: float | NDArray[np.float64] | None = None,
    noise_precision: float = 1.0,
    posterior: Posterior | None = None,
    n_threads: int | None = None,
) -> Posterior:
    """Make the posterior after the observation of a core.

    Parameters
    ----------
    X : ndarray of shape (n, d), Features or FeatureStore
        The pool. It determines the scale of the prior, and is not observed.
    core : ndarray of shape (m, d), or Features, optional
        Structures that are in the training set already.
    update : {"structure", "atoms"}, default="structure"
        Rows of the core to observe: its structure rows or its atomic rows.
    ridge : float, default=1e-5
        Prior precision over noise precision, in units of the mean square of the features (of core and pool).
    prior_precision : float or ndarray of shape (d,) or (d, d), optional
        Inverse prior covariance of the weights, instead of `ridge`.
    noise_precision : float, default=1.0
        Inverse noise variance of the observation that a row stands for.
    posterior : Posterior, optional
        The posterior before the core, instead of a prior; it is not changed.
    n_threads : int, optional
        Threads to use, by default one for each processor.

    Raises
    ------
    InvalidInputError
        If a row is not finite, or a parameter is out of its range.
    """
    pool = X if isinstance(X, StoredRows) else structure_rows(X)
    known = core_rows(core, pool)
    if posterior is None:
        if prior_precision is None:
            prior_precision = prior_from_ridge(ridge, noise_precision, pool, known, n_threads)
        posterior = Posterior(pool.shape[1], prior_precision, noise_precision)
    elif prior_precision is not None:
        raise InvalidInputError("give prior_precision or posterior, not both")
    else:
        posterior = posterior.copy()
    if known is not None:
        posterior.update(atomic_rows(core, "the core") if update == "atoms" else known, n_threads=n_threads)
    return posterior


def atomic_rows(features: Any, what: str, asked: str = "update='atoms'") -> FloatMatrix:
    """Return the atomic rows of features, or refuse features without them; `asked` is the parameter that needs them."""
    atoms = features.per_atom if isinstance(features, HasStructureRows) else None
    if atoms is None:
        raise InvalidInputError(
            f"{asked} needs the atomic rows of {what}: make its features with featurize(..., rows='atoms')"
        )
    return atoms


def learned(
    start: Posterior, X: Any, picks: NDArray[np.int64], update: Literal["structure", "atoms"] = "structure"
) -> tuple[Posterior, NDArray[np.float64]]:
    """Observe picks one after the other.

    Parameters
    ----------
    start : Posterior
        The posterior before the picks; it is not changed.
    X : ndarray of shape (n, d), or Features
        The pool.
    picks : ndarray of int64
        Indices of the picks, in order.
    update : {"structure", "atoms"}, default="structure"
        Rows of a pick to observe: its structure row or its atomic rows.

    Returns
    -------
    Posterior
        The posterior after the last pick.
    ndarray of float64
        Cumulative information after each pick: half the decrease of the log determinant of the covariance, in nat.
    """
    posterior, before = start.copy(), start.information()
    information = np.empty(len(picks))
    for k, pick in enumerate(picks):
        if update == "atoms":
            rows = atomic_rows(X, "the pool")[X.offsets[pick] : X.offsets[pick + 1]]
        else:
            rows = structure_rows(X)[pick : pick + 1]
        posterior.update(rows)
        information[k] = posterior.information() - before
    return posterior, information


def prior_from_ridge(
    ridge: float,
    noise_precision: float,
    pool: FloatMatrix | StoredRows,
    core: FloatMatrix | None,
    n_threads: int | None = None,
) -> float:
    """Return the prior precision for a ridge.

    Raises
    ------
    InvalidInputError
        The ridge is not above 0.
    """
    if not ridge > 0:
        raise InvalidInputError(f"ridge must be a number above 0, given {ridge}")
    if ridge > 0.1:
        warnings.warn(
            f"ridge {ridge} is so large that the prior outweighs the data: picks tend to be the structures "
            "with the longest features; values from 1e-3 to 1e-9 serve",
            stacklevel=7,
        )
    # If all features are zero, nothing can be learned, and any ridge will do.
    return ridge * noise_precision * (_mean_square(pool, core, n_threads) or 1.0)


def _mean_square(pool: FloatMatrix | StoredRows, core: FloatMatrix | None, n_threads: int | None) -> float:
    if not isinstance(pool, StoredRows):
        return mean_square(pool, core, n_threads)
    total, count = pool.squares
    if core is not None and len(core):
        total, count = total + mean_square(core, None, n_threads) * core.size, count + core.size
    return total / count
