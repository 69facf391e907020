"""Prior and noise variance from the data: evidence maximisation for Bayesian ridge regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]

from mlipselect.exceptions import InvalidInputError

FLOOR = 1e-8
"""Variances stay above this, as in the fits of the paper."""


@dataclass(frozen=True)
class Spectrum:
    """The quantities that determine the evidence: rows and targets in the basis of the singular vectors of the rows.

    Attributes
    ----------
    singular_values : ndarray of shape (d,)
        Singular values of the weighted rows.
    projections : ndarray of shape (d,)
        Components of the weighted targets along the left singular vectors.
    rest : float
        Squared length of the rest of the targets.
    n_rows : int
        Number of rows.
    """

    singular_values: NDArray[np.float64]
    projections: NDArray[np.float64]
    rest: float
    n_rows: int


def log_evidence(spectrum: Spectrum, prior_variance: float, noise_variance: float) -> float:
    r"""Logarithm of the probability of the targets, with the weights integrated out.

    Parameters
    ----------
    spectrum : Spectrum
        Rows and targets.
    prior_variance, noise_variance : float
        Variances of each weight and of the noise of each row.

    Notes
    -----
    With :math:`t_i = \sigma_0^2 s_i^2 + \sigma_e^2`, it is
    :math:`-\frac12 \sum_i (z_i^2 / t_i + \ln t_i) - \frac12 \mathrm{rest} / \sigma_e^2
    - \frac12 (M - d) \ln \sigma_e^2 - \frac12 M \ln 2\pi` (MacKay, Neural Computation 4, 415 (1992)).
    """
    total = prior_variance * spectrum.singular_values**2 + noise_variance
    beyond = spectrum.n_rows - len(total)
    value = (spectrum.projections**2 / total + np.log(total)).sum()
    value += spectrum.rest / noise_variance + beyond * np.log(noise_variance)
    return float(-0.5 * (value + spectrum.n_rows * np.log(2 * np.pi)))


def maximise_evidence(spectrum: Spectrum) -> tuple[float, float]:
    """Find the variances of prior and noise that make the targets most probable.

    Parameters
    ----------
    spectrum : Spectrum
        Rows and targets.

    Returns
    -------
    prior_variance, noise_variance : float
        Both above 1e-8.

    Raises
    ------
    InvalidInputError
        There is no maximum: the rows or the targets are all zero.
    """
    if not spectrum.singular_values.any() or not (spectrum.projections.any() or spectrum.rest > 0.0):
        raise InvalidInputError("the fit is singular: the rows, or what they are fitted to, are all zero")

    def negative(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        grown = np.exp(logs)
        prior, noise = grown + FLOOR
        squares = spectrum.singular_values**2
        total = prior * squares + noise
        slopes = 1.0 / total - (spectrum.projections / total) ** 2
        by_prior = (squares * slopes).sum()
        by_noise = slopes.sum() - spectrum.rest / noise**2 + (spectrum.n_rows - len(total)) / noise
        gradient = 0.5 * np.array([by_prior, by_noise]) * grown
        return -log_evidence(spectrum, prior, noise) / spectrum.n_rows, gradient / spectrum.n_rows

    # Variances are positive and may be of any size, so the search runs over their logarithms.
    lowest, highest = np.log(1e-12), np.log(1e12)
    start = np.clip(np.log(np.maximum(_start(spectrum) - FLOOR, 1e-12)), lowest, highest)
    options = {"maxiter": 1000, "ftol": 1e-15, "gtol": 1e-10}
    bounds = [(lowest, highest)] * 2
    # There may be several maxima: the better of two searches counts, from a scan of ratios and from variances of 1.
    searches = [
        minimize(negative, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        for begin in (start, np.zeros(2))
    ]
    found = min(searches, key=lambda search: search.fun)
    prior, noise = np.exp(found.x) + FLOOR
    return float(prior), float(noise)


def _start(spectrum: Spectrum) -> NDArray[np.float64]:
    """Find variances near the best ones by a scan of their ratio, for each of which the best noise has a closed form.

    Far from the best ratio the evidence is flat, and a search that begins there ends there.
    """
    squares = spectrum.singular_values**2
    best, start = -np.inf, np.ones(2)
    for ratio in 10.0 ** np.arange(-12.0, 20.5, 0.5) / squares.max():
        noise = ((spectrum.projections**2 / (ratio * squares + 1.0)).sum() + spectrum.rest) / spectrum.n_rows
        variances = np.maximum([ratio * noise, noise], FLOOR)
        evidence = log_evidence(spectrum, variances[0], variances[1])
        if evidence > best:
            best, start = evidence, variances
    return start
