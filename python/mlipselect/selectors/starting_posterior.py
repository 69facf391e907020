"""The posterior before the first pick, from a prior and the core."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.exceptions import InvalidInputError
from mlipselect.parameters import shown_short
from mlipselect.selectors.base import (
    FloatMatrix,
    HasStructureRows,
    StoredRows,
    by_rows,
    core_rows,
    number,
    structure_rows,
)
from mlipselect.selectors.prior import DEFAULT_SCALE, PriorScale, prior_from_ridge

RIDGE = 1e-4
"""Ridge where neither a ridge nor a precision of the prior is given."""


def starting_posterior(
    X: Any,
    core: Any = None,
    *,
    update: Literal["structure", "atoms"] = "structure",
    ridge: float = RIDGE,
    scale: PriorScale = DEFAULT_SCALE,
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
    ridge : float, default=1e-4
        Prior precision over noise precision, in units of the mean square of the divided columns (of core and pool).
    scale : {"root", "standard", "none"}, default="root"
        What columns are divided by under that prior; see `BayesianSelector`.
    prior_precision : float or ndarray of shape (d,) or (d, d), optional
        Inverse prior covariance of the weights, instead of `ridge`.
    noise_precision : float, default=1.0
        Inverse noise variance of the observation that a row stands for.
    posterior : Posterior, optional
        The posterior before the core, instead of a prior; it is not changed.
    n_threads : int, optional
        Threads to use, by default `MLIPSELECT_NUM_THREADS` or one for each processor.

    Raises
    ------
    InvalidInputError
        If a row is not finite, or a parameter is out of its range.
    """
    pool = X if isinstance(X, StoredRows) else structure_rows(X)
    known = core_rows(core, pool)
    noise_precision = number("noise_precision", noise_precision)
    if posterior is None and not noise_precision > 0:
        raise InvalidInputError(f"noise_precision must be a number above 0, given {noise_precision}")
    if posterior is None:
        if prior_precision is None:
            prior_precision = prior_from_ridge(ridge, noise_precision, pool, known, scale, n_threads)
        posterior = Posterior(pool.shape[1], prior_precision, noise_precision)
    elif prior_precision is not None:
        raise InvalidInputError("give prior_precision or posterior, not both")
    elif isinstance(posterior, Posterior):
        posterior = posterior.copy()
    else:
        raise InvalidInputError(f"posterior must be a Posterior, given {shown_short(posterior)}")
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
    return cast("FloatMatrix", by_rows(atoms))


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
