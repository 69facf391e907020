"""One noise for each kind of label, and the prior, from the data: evidence maximisation with several noises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular  # type: ignore[import-untyped]
from scipy.linalg.blas import dtrmm  # type: ignore[import-untyped]
from scipy.linalg.lapack import dpotri, dtpqrt  # type: ignore[import-untyped]
from scipy.optimize import minimize  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from mlipselect.exceptions import InvalidInputError
from mlipselect.models.evidence import Spectrum, maximise_evidence
from mlipselect.models.rows import kind_of

LOWEST, HIGHEST = 1e-12, 1e12
"""Bounds of a variance, relative to the mean square of its targets (noise) or to where the search begins (prior)."""

GROUPS_APART = 3.0
"""Ratio of the standard deviation of the noise of a group to that of all groups, at most, and its inverse at least."""

REACH = 1e4
"""Factor by which variances may change before the basis is made anew."""


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
    [1]_. Normal equations would square the condition number of the rows. So the triangular factor of :math:`H` comes
    from orthogonal transformations of the stacked rows, and the search goes on in the basis in which that :math:`H` is
    the identity. There normal equations lose nothing as long as the variances do not change by many orders of
    magnitude; the basis is made anew until they do not change at all.

    References
    ----------
    .. [1] D. J. C. MacKay, Neural Computation 4, 415 (1992).
    """
    for name, block in blocks.items():
        if not block.says_something:
            raise InvalidInputError(
                f"the fit is singular: the rows of {name}, or what they are fitted to, are all zero"
            )
    # Matrices are small: on a busy machine threads of the linear algebra library wait longer than they work.
    with threadpool_limits(limits=1, user_api="blas"):
        return _highest(blocks)


def maximise_evidence_of_groups(blocks: Mapping[str, Block], together: Noises) -> Noises:
    """Find a noise for each kind of label and group of structures, near those of all groups together.

    Parameters
    ----------
    blocks : mapping of str to Block
        Rows and targets of each kind and group, ``"KIND/GROUP"``.
    together : Noises
        What has the largest evidence with one noise for each kind.

    Returns
    -------
    Noises
        Variances, weights and evidence.

    Notes
    -----
    Standard deviations stay within a factor of `GROUPS_APART` of those of the kind. Otherwise groups whose labels are
    nearly zero by symmetry, such as the forces of strained crystals, are met exactly, and outweigh all others.
    """
    start = np.array([together.prior, *(together.noise[kind_of(key)] for key in blocks)])
    lowest, highest = start / GROUPS_APART**2, start * GROUPS_APART**2
    lowest[0], highest[0] = start[0] * LOWEST, start[0] * HIGHEST
    with threadpool_limits(limits=1, user_api="blas"):
        variances, _ = _climb(blocks, start, (lowest, highest))
        fit = _fit(blocks, variances)
    noise = dict(zip(blocks, variances[1:].tolist(), strict=True))
    return Noises(float(variances[0]), noise, fit.weights, fit.log_evidence)


@dataclass(frozen=True)
class PartialFit:
    """Weights from some kinds of labels, and how well these determine them.

    Attributes
    ----------
    weights : ndarray of shape (d,)
        Mean of the posterior.
    factor : ndarray of shape (d, d)
        Triangular factor of its precision.
    """

    weights: NDArray[np.float64]
    factor: NDArray[np.float64]

    def doubt(self, rows: NDArray[np.float64]) -> float:
        """Sum of the variances of what rows, shape (n, d), predict, relative to the sum of squares of that."""
        squares = float(np.sum((rows @ self.weights) ** 2))
        spread = solve_triangular(self.factor, rows.T, trans="T")
        return float(np.sum(spread**2)) / squares if squares > 0.0 else np.inf


def fit_some(blocks: Mapping[str, Block], prior: float, noise: Mapping[str, float]) -> PartialFit:
    """Fit to some kinds of labels with given variances.

    Parameters
    ----------
    blocks : mapping of str to Block
        Rows and targets of each kind of label, equally wide.
    prior : float
        Variance of a weight.
    noise : mapping of str to float
        Variance of the noise of a row, by kind.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        variances = np.array([prior, *(noise[kind] for kind in blocks)])
        factor, targets = _stacked_factor(blocks, variances)
        return PartialFit(solve_triangular(factor, targets), factor)


def _highest(blocks: Mapping[str, Block]) -> Noises:
    """Climb to the highest maximum of the evidence."""
    sizes = np.array([(np.sum(block.targets**2) + block.rest) / block.n_rows for block in blocks.values()])
    # A few steps from each start tell which maximum is the highest.
    begun = [_climb(blocks, start, _bounds(start, sizes), max_iter=8, n_bases=1) for start in _starts(blocks, sizes)]
    best = max(begun, key=lambda reached: reached[1])[0]
    variances, _ = _climb(blocks, best, _bounds(best, sizes))
    if (variances > LOWEST * np.array([0.0, *sizes])).all():
        variances = _Basis(blocks, variances).polished()
    fit = _fit(blocks, variances)
    return Noises(
        float(variances[0]), dict(zip(blocks, variances[1:].tolist(), strict=True)), fit.weights, fit.log_evidence
    )


def _starts(blocks: Mapping[str, Block], sizes: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return where searches begin, as the evidence may have several maxima.

    In some of them one kind is all noise, and the others are met. So searches begin where all noises are the same
    fraction of the sizes of the targets, where one kind is met far better than the others, and where all are.
    """
    starts = [_one_noise(blocks, sizes)]
    if len(sizes) > 1:
        starts += [
            _one_noise(blocks, sizes * np.where(np.arange(len(sizes)) == k, 1e-4, 1.0)) for k in range(len(sizes))
        ]
    return [*starts, np.array([starts[0][0], *(1e-3 * sizes)])]


def _bounds(
    variances: NDArray[np.float64], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and the highest variances of a search."""
    units = np.array([variances[0], *sizes])
    return LOWEST * units, HIGHEST * units


def _climb(
    blocks: Mapping[str, Block],
    variances: NDArray[np.float64],
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
    max_iter: int = 200,
    n_bases: int = 20,
) -> tuple[NDArray[np.float64], float]:
    """Go from some variances towards the maximum of the evidence nearby, by at most so many steps in so many bases.

    Returns the variances, and the log evidence there.
    """
    log_evidence = -np.inf
    for _ in range(n_bases):
        before = variances
        variances, log_evidence = _Basis(blocks, before).search(*bounds, max_iter)
        if np.allclose(np.log(variances), np.log(before), rtol=0.0, atol=1e-3):
            break
    return variances, log_evidence


def _one_noise(blocks: Mapping[str, Block], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the variances with the largest evidence where all noises are one fraction of some sizes."""
    width = next(iter(blocks.values())).rows.shape[1] + 1
    reduced = _reduced(blocks, sizes, np.zeros((width, width)))
    U, s, _ = np.linalg.svd(reduced[:-1, :-1])
    n_rows = sum(block.n_rows for block in blocks.values())
    rest = float(reduced[-1, -1] ** 2) + sum(
        block.rest / size for block, size in zip(blocks.values(), sizes, strict=True)
    )
    prior, noise = maximise_evidence(Spectrum(s, U.T @ reduced[:-1, -1], rest, n_rows))
    return np.array([prior, *(noise * sizes)])


class _Basis:
    """Rows and targets of all kinds in the basis in which the posterior precision for given variances is the identity.

    Parameters
    ----------
    blocks : mapping of str to Block
        Rows and targets.
    variances : ndarray of shape (1 + n_kinds,)
        Variances of the prior and of each kind.
    """

    def __init__(self, blocks: Mapping[str, Block], variances: NDArray[np.float64]):
        self._variances = variances
        self._counts = np.array([block.n_rows for block in blocks.values()])
        deviations = np.sqrt(variances)
        factor, targets = _stacked_factor(blocks, variances)
        self._log_evidence = _fit_from(blocks, variances, factor, targets).log_evidence
        inverse = solve_triangular(factor, np.eye(len(factor)), check_finite=False)
        self._prior = inverse / deviations[0]
        self._rows = [
            dtrmm(1.0 / sd, block.rows, inverse) for block, sd in zip(blocks.values(), deviations[1:], strict=True)
        ]
        self._targets = [block.targets / sd for block, sd in zip(blocks.values(), deviations[1:], strict=True)]
        self._rests = np.array([block.rest for block in blocks.values()]) / variances[1:]
        self._products = np.array([rows.T @ own for rows, own in zip(self._rows, self._targets, strict=True)])
        self._grams = np.array([rows.T @ rows for rows in (self._prior, *self._rows)])

    def search(
        self, lowest: NDArray[np.float64], highest: NDArray[np.float64], max_iter: int
    ) -> tuple[NDArray[np.float64], float]:
        """Find the variances with the largest evidence, within bounds and within reach of those of the basis.

        Returns the variances, and the log evidence there.
        """
        bounds = np.log([np.maximum(lowest / self._variances, 1 / REACH), np.minimum(highest / self._variances, REACH)])
        found = minimize(
            self._negative,
            np.zeros(len(self._variances)),
            jac=True,
            method="L-BFGS-B",
            bounds=list(bounds.T),
            options={"maxiter": max_iter, "ftol": 1e-13, "gtol": 1e-9},
        )
        risen = float(self._counts.sum()) * (self._negative(np.zeros(len(self._variances)))[0] - float(found.fun))
        return np.asarray(np.exp(found.x) * self._variances), self._log_evidence + risen

    def polished(self) -> NDArray[np.float64]:
        """Take Newton steps from the variances of the basis, so that only rounding is between equal data."""
        logs = np.zeros(len(self._variances))
        step = 1e-4 * np.eye(len(logs))
        curvature = np.array([self._negative(h)[1] - self._negative(-h)[1] for h in step]) / 2e-4
        curvature = (curvature + curvature.T) / 2.0
        if np.linalg.eigvalsh(curvature)[0] <= 0.0:
            return self._variances
        for _ in range(4):
            logs = logs - np.linalg.solve(curvature, self._negative(logs)[1])
        # Where the evidence is flat, a step may lead anywhere.
        return self._variances * np.exp(logs) if np.abs(logs).max() < 0.1 else self._variances

    def _negative(self, logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Minus the log evidence per row, but for a constant, and its slopes by the logarithms of the variances."""
        shrunk = np.exp(-logs)
        dim = len(self._prior)
        precision = (shrunk @ self._grams.reshape(len(shrunk), -1)).reshape(dim, dim)
        factor = cholesky(precision, check_finite=False)
        weights = cho_solve((factor, False), shrunk[1:] @ self._products, check_finite=False)
        # The upper triangle of the inverse, twice but for the diagonal: products with symmetric matrices are traces.
        inverse = 2.0 * dpotri(factor)[0]
        np.fill_diagonal(inverse, 0.5 * np.diag(inverse))
        squares = [np.sum((rows @ weights - own) ** 2) for rows, own in zip(self._rows, self._targets, strict=True)]
        errors = shrunk[1:] * (np.array(squares) + self._rests)
        length = shrunk[0] * float(np.sum((self._prior @ weights) ** 2))
        determined = shrunk * (self._grams.reshape(len(shrunk), -1) @ inverse.ravel())
        counts = np.array([len(weights), *self._counts])
        value = counts @ logs + errors.sum() + length + 2.0 * np.log(np.diag(factor)).sum()
        slopes = counts - determined - np.array([length, *errors])
        return 0.5 * float(value) / self._counts.sum(), 0.5 * slopes / self._counts.sum()


@dataclass(frozen=True)
class _Fit:
    weights: NDArray[np.float64]
    log_evidence: float


def _fit(blocks: Mapping[str, Block], variances: NDArray[np.float64]) -> _Fit:
    """Fit with given variances: of the prior, then of each kind."""
    return _fit_from(blocks, variances, *_stacked_factor(blocks, variances))


def _fit_from(
    blocks: Mapping[str, Block],
    variances: NDArray[np.float64],
    factor: NDArray[np.float64],
    targets: NDArray[np.float64],
) -> _Fit:
    """Fit with given variances, from the triangular factor of all rows."""
    prior, noises, kinds = variances[0], variances[1:], list(blocks.values())
    weights = solve_triangular(factor, targets, check_finite=False)
    errors = np.array([block.squared_error(weights) for block in kinds])
    counts = np.array([block.n_rows for block in kinds])
    value = np.sum(counts * np.log(2.0 * np.pi * noises) + errors / noises)
    value += float(weights @ weights) / prior + len(weights) * np.log(prior)
    value += 2.0 * np.log(np.abs(np.diag(factor))).sum()
    return _Fit(weights, float(-0.5 * value))


def _stacked_factor(
    blocks: Mapping[str, Block], variances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the triangular factor of all rows in units of their noise, those of the prior below, and the targets."""
    dim = next(iter(blocks.values())).rows.shape[1]
    # The last row and column are those of the targets.
    prior = np.diag([*np.full(dim, variances[0] ** -0.5), 0.0])
    reduced = _reduced(blocks, variances[1:], prior)
    return reduced[:dim, :dim], reduced[:dim, dim]


def _reduced(
    blocks: Mapping[str, Block], variances: NDArray[np.float64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Merge a triangle with the rows and targets of all kinds, in units of their noise, into one triangular factor."""
    triangle = np.asfortranarray(start)
    for block, variance in zip(blocks.values(), variances, strict=True):
        rows = np.asfortranarray(np.column_stack([block.rows, block.targets]) / variance**0.5)
        # Both are triangles: a third of the work that a factorisation of all rows together would be.
        triangle = dtpqrt(len(rows), min(32, len(rows)), triangle, rows, overwrite_a=1, overwrite_b=1)[0]
    return np.triu(triangle)
