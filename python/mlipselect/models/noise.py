"""One noise for each kind of label, and the prior, from the data: evidence maximisation with several noises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular  # type: ignore[import-untyped]
from scipy.optimize import minimize  # type: ignore[import-untyped]

from mlipselect.exceptions import InvalidInputError

LOWEST, HIGHEST = 1e-12, 1e12
"""Bounds of a variance, relative to the mean square of its targets (noise) or of all targets over rows (prior)."""


@dataclass(frozen=True)
class Block:
    """The rows of one kind of label and what they have to be, as an orthogonal transformation left them.

    Attributes
    ----------
    rows : ndarray of shape (d, d)
        Triangular factor of the rows.
    targets : ndarray of shape (d,)
        The targets, transformed alike.
    rest : float
        Squared length of the rest of the targets, which no weights reach.
    n_rows : int
        Number of rows.
    """

    rows: NDArray[np.float64]
    targets: NDArray[np.float64]
    rest: float
    n_rows: int

    @classmethod
    def from_triangle(cls, triangle: NDArray[np.float64], n_rows: int) -> Block:
        """Take apart the triangular factor of rows and targets together, shape (d + 1, d + 1)."""
        return cls(triangle[:-1, :-1], triangle[:-1, -1], float(triangle[-1, -1] ** 2), n_rows)

    @property
    def says_something(self) -> bool:
        """Whether neither the rows nor the targets are all zero."""
        return bool(self.rows.any()) and (bool(self.targets.any()) or self.rest > 0.0)

    def squared_error(self, weights: NDArray[np.float64]) -> float:
        """Sum of the squares of what is left of the targets."""
        return float(np.sum((self.rows @ weights - self.targets) ** 2)) + self.rest


@dataclass(frozen=True)
class Noises:
    """Variances with the largest evidence, and the weights that follow from them.

    Attributes
    ----------
    prior : float
        Variance of a weight.
    noise : dict of float
        Variance of the noise of a row, by kind.
    weights : ndarray of shape (d,)
        Mean of the posterior.
    log_evidence : float
        Logarithm of the probability of all targets, with the weights integrated out.
    """

    prior: float
    noise: dict[str, float]
    weights: NDArray[np.float64]
    log_evidence: float


def maximise_evidence_of_kinds(blocks: Mapping[str, Block]) -> Noises:
    r"""Find the prior variance and the noise variance of each kind that make the targets most probable.

    Parameters
    ----------
    blocks : mapping of str to Block
        Rows and targets of each kind of label, equally wide; each has at least one row.

    Returns
    -------
    Noises
        Variances, weights and evidence.

    Raises
    ------
    InvalidInputError
        The rows or the targets of a kind are all zero: its noise is not determined.

    Notes
    -----
    With rows :math:`A_k` and targets :math:`y_k` of kind :math:`k`, noise variances :math:`\sigma_k^2` and the prior
    :math:`N(0, \sigma_0^2)`, the posterior precision is :math:`H = \sigma_0^{-2} + \sum_k A_k^T A_k / \sigma_k^2`, and

    .. math:: -2 \ln p = \sum_k \left(N_k \ln 2\pi\sigma_k^2 + |y_k - A_k m|^2/\sigma_k^2\right)
       + |m|^2 / \sigma_0^2 + d \ln \sigma_0^2 + \ln\det H .

    Its derivative by :math:`\ln \sigma_k^2` is :math:`N_k - \gamma_k - |y_k - A_k m|^2 / \sigma_k^2`, where
    :math:`\gamma_k = \mathrm{tr}(A_k H^{-1} A_k^T) / \sigma_k^2` counts the parameters that kind :math:`k` determines
    [1]_. :math:`H` is never formed: its triangular factor comes from orthogonal transformations of the stacked rows.

    References
    ----------
    .. [1] D. J. C. MacKay, Neural Computation 4, 415 (1992).
    """
    for name, block in blocks.items():
        if not block.says_something:
            raise InvalidInputError(
                f"the fit is singular: the rows of {name}, or what they are fitted to, are all zero"
            )
    names = list(blocks)
    sizes = np.array([(np.sum(block.targets**2) + block.rest) / block.n_rows for block in blocks.values()])
    lengths = [np.mean(np.sum(block.rows**2, axis=0)) / block.n_rows for block in blocks.values()]
    dim = blocks[names[0]].rows.shape[1]
    # The prior that gives targets of the size that they have.
    unit = float(np.mean([size / (length * dim) for size, length in zip(sizes, lengths, strict=True)]))
    units = np.array([unit, *sizes])

    def negative(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        fit = _fit(blocks, np.exp(logs) * units)
        rows = sum(block.n_rows for block in blocks.values())
        return -fit.log_evidence / rows, 0.5 * fit.slopes / rows

    # The noise of a good fit is far below the size of the targets, and the search is surer from above.
    start = np.log(np.array([1.0, *[1e-3] * len(names)]))
    found = minimize(
        negative,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(np.log(LOWEST), np.log(HIGHEST))] * len(start),
        options={"maxiter": 200, "ftol": 1e-12, "gtol": 1e-8},
    )
    variances = np.exp(found.x) * units
    fit = _fit(blocks, variances)
    noise = dict(zip(names, variances[1:].tolist(), strict=True))
    return Noises(float(variances[0]), noise, fit.weights, fit.log_evidence)


@dataclass(frozen=True)
class _Fit:
    weights: NDArray[np.float64]
    log_evidence: float
    #: Derivatives of -2 ln p by the logarithms of the variances: of the prior, then of each kind.
    slopes: NDArray[np.float64]


def _fit(blocks: Mapping[str, Block], variances: NDArray[np.float64]) -> _Fit:
    """Fit with given variances: of the prior, then of each kind."""
    prior, noises = variances[0], variances[1:]
    kinds = list(blocks.values())
    dim = kinds[0].rows.shape[1]
    # All rows in units of their noise, and those of the prior below them; triangular blocks are stacked.
    stacked = np.concatenate(
        [*(block.rows / noise**0.5 for block, noise in zip(kinds, noises, strict=True)), np.eye(dim) / prior**0.5]
    )
    targets = np.concatenate(
        [*(block.targets / noise**0.5 for block, noise in zip(kinds, noises, strict=True)), np.zeros(dim)]
    )
    both = qr(np.column_stack([stacked, targets]), mode="r", check_finite=False)[0][: dim + 1]
    factor = both[:dim, :dim]
    weights = solve_triangular(factor, both[:dim, dim])
    inverse = solve_triangular(factor, np.eye(dim))
    errors = np.array([block.squared_error(weights) for block in kinds])
    counts = np.array([block.n_rows for block in kinds])
    determined = np.array(
        [np.sum((block.rows @ inverse) ** 2) / noise for block, noise in zip(kinds, noises, strict=True)]
    )
    length = float(weights @ weights)
    value = np.sum(counts * np.log(2.0 * np.pi * noises) + errors / noises) + length / prior + dim * np.log(prior)
    value += 2.0 * np.log(np.abs(np.diag(factor))).sum()
    by_prior = dim - np.sum(inverse**2) / prior - length / prior
    return _Fit(weights, float(-0.5 * value), np.array([by_prior, *(counts - determined - errors / noises)]))
