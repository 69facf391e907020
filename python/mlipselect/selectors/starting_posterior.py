"""What is known before the first pick: a prior, and the core."""

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
    """Make the posterior that a core leaves.

    Parameters
    ----------
    X : ndarray of shape (n, d), Features or FeatureStore
        The pool. It settles the size of the prior, and is not observed.
    core : ndarray of shape (m, d), or Features, optional
        Structures that are in the training set already.
    update : {"structure", "atoms"}, default="structure"
        Whether the structure rows of the core are observed, or those of its atoms.
    ridge : float, default=1e-5
        Prior precision over noise precision, in units of the mean square of the features (of core and pool).
    prior_precision : float or ndarray of shape (d,) or (d, d), optional
        Inverse prior covariance of the weights, instead of `ridge`.
    noise_precision : float, default=1.0
        Inverse noise variance of the observation that a row stands for.
    posterior : Posterior, optional
        What is known before the core, instead of a prior; it stays as it is.
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
    """Return the atomic rows, which a parameter asked for, of features that have them."""
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
        What is known before; it stays as it is.
    X : ndarray of shape (n, d), or Features
        The pool.
    picks : ndarray of int64
        Indices of the picks, in order.
    update : {"structure", "atoms"}, default="structure"
        Whether the structure row of a pick is observed, or those of its atoms.

    Returns
    -------
    Posterior
        What is known after the last pick.
    ndarray of float64
        Information of the picks up to each one: half the fall of the log determinant of the covariance, in nat.
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
    """Give the precision of the prior that a ridge stands for.

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
    # With no feature anywhere every ridge is the same: nothing can be learned.
    return ridge * noise_precision * (_mean_square(pool, core, n_threads) or 1.0)


def _mean_square(pool: FloatMatrix | StoredRows, core: FloatMatrix | None, n_threads: int | None) -> float:
    if not isinstance(pool, StoredRows):
        return mean_square(pool, core, n_threads)
    total, count = pool.squares
    if core is not None and len(core):
        total, count = total + mean_square(core, None, n_threads) * core.size, count + core.size
    return total / count
