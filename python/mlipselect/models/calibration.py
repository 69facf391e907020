"""How often labels lie within the predicted standard deviations, and factors that make them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular  # type: ignore[import-untyped]
from scipy.special import ndtri  # type: ignore[import-untyped]

from mlipselect.features.design import iter_designs
from mlipselect.labels.labels import Labels
from mlipselect.models.rows import KINDS
from mlipselect.utils.told import counted, is_or_are

if TYPE_CHECKING:
    from mlipselect.models.linear import LinearPotential

LEVELS = (0.5, 0.9, 0.99)
"""Probabilities of the intervals that are looked at."""

LEVEL = 0.9
"""Probability of the interval that the factor makes wide enough."""

MOST_STRUCTURES = 500
"""Number of structures that are left out one after the other; of more, as many at even steps."""

_ROUNDING = 1e-10

Residuals = dict[str, list[NDArray[np.float64]]]
"""Residuals over their predicted standard deviations, by kind of label: one array for each structure."""


@dataclass(frozen=True)
class Coverage:
    """How often labels of one kind lie within intervals of the predicted normal distribution.

    Attributes
    ----------
    n_structures, n_values : int
        Numbers of structures and of labels: energies, force components or virial components.
    rms : float
        Root mean square of residuals over predicted standard deviations, 1 if these hold.
    fractions : tuple of float
        Fractions of the labels within the intervals of the probabilities 50, 90 and 99 %.
    """

    n_structures: int
    n_values: int
    rms: float
    fractions: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """The calibration of one kind of label, from structures that are left out one after the other.

    Attributes
    ----------
    factor : float
        What predicted standard deviations are multiplied by, so that intervals of 90 % hold at least 90 % of the
        labels; never below 1.
    factors : tuple of float
        What the intervals of 50, 90 and 99 % would each have to be multiplied by to hold just as many labels; infinite
        where there are too few labels to tell.
    before, after : Coverage
        Coverage without a factor and with one. That of every structure is from the other half of the structures.
    """

    factor: float
    factors: tuple[float, ...]
    before: Coverage
    after: Coverage

    def record(self) -> dict[str, Any]:
        """Return all numbers, ready for JSON; None stands for infinity."""
        known = asdict(self)
        known["factors"] = [factor if np.isfinite(factor) else None for factor in self.factors]
        return known

    @classmethod
    def from_record(cls, known: Mapping[str, Any]) -> Calibration:
        """Make it from what `record` returned."""
        factors = tuple(np.inf if factor is None else float(factor) for factor in known["factors"])
        before, after = (
            Coverage(**known[name] | {"fractions": tuple(known[name]["fractions"])}) for name in ("before", "after")
        )
        return cls(float(known["factor"]), factors, before, after)


def conformal_factor(values: NDArray[np.float64], level: float) -> float:
    r"""Find the factor with which intervals of a normal distribution hold a fraction of the labels.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Residuals over predicted standard deviations, of structures that were not fitted to.
    level : float
        Probability of the interval.

    Returns
    -------
    float
        The :math:`\lceil (n + 1) p \rceil`-th smallest magnitude over that of the normal distribution; infinite if
        there are fewer.

    Notes
    -----
    This is split conformal inference with residuals that are divided by a local spread: section 5.2 of J. Lei, M.
    G'Sell, A. Rinaldo, R. J. Tibshirani, L. Wasserman, J. Am. Stat. Assoc. 113, 1094 (2018).
    """
    rank = int(np.ceil((len(values) + 1) * level))
    if rank > len(values):
        return float("inf")
    return float(np.partition(np.abs(values), rank - 1)[rank - 1] / ndtri(0.5 + level / 2.0))


def coverage(residuals: Sequence[NDArray[np.float64]], factor: float = 1.0) -> Coverage:
    """Count how many residuals lie within intervals of standard deviations times a factor.

    Parameters
    ----------
    residuals : sequence of ndarray
        Residuals over predicted standard deviations, one array for each structure.
    factor : float, default=1
        Factor of the standard deviations.
    """
    values = np.abs(np.concatenate(residuals)) / factor
    fractions = tuple(float(np.mean(values <= ndtri(0.5 + level / 2.0))) for level in LEVELS)
    return Coverage(len(residuals), len(values), float(np.sqrt(np.mean(values**2))), fractions)


def calibrated(residuals: Sequence[NDArray[np.float64]]) -> Calibration:
    """Calibrate one kind of label.

    Parameters
    ----------
    residuals : sequence of ndarray
        Residuals over predicted standard deviations of structures that were left out, one array for each.
    """
    values = np.concatenate(residuals)
    factors = tuple(conformal_factor(values, level) for level in LEVELS)
    halves = residuals[::2], residuals[1::2]
    after = [
        [own / _applied(np.concatenate(others)) for own in half] if others else list(half)
        for half, others in zip(halves, halves[::-1], strict=True)
    ]
    return Calibration(_applied(values), factors, coverage(residuals), coverage([*after[0], *after[1]]))


def _applied(values: NDArray[np.float64]) -> float:
    """Return the factor that is applied: nothing where there are too few labels to tell one."""
    factor = conformal_factor(values, LEVEL)
    return max(1.0, factor) if np.isfinite(factor) else 1.0


def residuals_of_others(potential: LinearPotential, structures: Sequence[Atoms], labels: Sequence[Labels]) -> Residuals:
    """Compare a potential with labels of structures that it was not fitted to, in predicted standard deviations.

    Parameters
    ----------
    potential : LinearPotential
        The fitted potential.
    structures : sequence of ase.Atoms
        The structures.
    labels : sequence of Labels
        Their labels.

    Returns
    -------
    dict of list of ndarray
        By kind of label: residuals of each structure, divided by the standard deviation of weights and noise together,
        without the factors of the calibration.
    """
    out: Residuals = {}
    for kinds, W, wrong in _rows_in_units_of_noise(potential, structures, labels):
        values = wrong / np.sqrt(1.0 + np.sum(W**2, axis=1))
        _sort(out, kinds, values)
    return out


def residuals_left_out(potential: LinearPotential, structures: Sequence[Atoms], labels: Sequence[Labels]) -> Residuals:
    r"""Compare the labels of each structure of the training set with a fit to all others, in closed form.

    Parameters
    ----------
    potential : LinearPotential
        The potential that was fitted to these structures.
    structures : sequence of ase.Atoms
        The training set.
    labels : sequence of Labels
        Their labels.

    Returns
    -------
    dict of list of ndarray
        As `residuals_of_others` returns them, of the structures that were left out. A structure without which the fit
        is undetermined, to rounding, is missing, and a warning tells how many are.

    Notes
    -----
    Let :math:`R` be the rows of a structure in units of their noise, :math:`S` the covariance of the weights given all
    structures, and :math:`e` the residuals. Without the structure, residuals are :math:`C e` and their covariance is
    :math:`C = (1 - R S R^T)^{-1}`. Variances of prior and noise, and reference energies, stay those of all structures.
    """
    step = -(-len(structures) // MOST_STRUCTURES)
    out: Residuals = {}
    n_undetermined = n_looked_at = 0
    for kinds, W, wrong in _rows_in_units_of_noise(potential, structures[::step], labels[::step]):
        n_looked_at += 1
        try:
            rest, variances = _without_itself(W, wrong)
        except np.linalg.LinAlgError:
            n_undetermined += 1
            continue
        _sort(out, kinds, rest / np.sqrt(variances))
    if n_undetermined:
        logging.getLogger("mlipselect").warning(
            "calibration: %d of %s %s not in it, as the fit is undetermined without %s",
            n_undetermined, counted(n_looked_at, "labelled structure"), is_or_are(n_undetermined),
            "it" if n_undetermined == 1 else "them",
        )  # fmt: skip
    return out


def _without_itself(
    W: NDArray[np.float64], wrong: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return residuals and their variances where the rows themselves are not fitted to.

    Raises
    ------
    numpy.linalg.LinAlgError
        What the rows tell is all that is known, to rounding.
    """
    if len(W) <= W.shape[1]:
        inverse = cho_solve(cho_factor((1.0 + _ROUNDING) * np.eye(len(W)) - W @ W.T), np.eye(len(W)))
        return inverse @ wrong, np.diag(inverse)
    factor = cho_factor((1.0 + _ROUNDING) * np.eye(W.shape[1]) - W.T @ W)
    solved = cho_solve(factor, W.T)
    return wrong + W @ (solved @ wrong), 1.0 + np.einsum("ij,ji->i", W, solved)


def _rows_in_units_of_noise(
    potential: LinearPotential, structures: Sequence[Atoms], labels: Sequence[Labels]
) -> Iterator[tuple[list[str], NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the kinds of all rows of a structure, the rows in the basis of the posterior, and what is left of labels.

    In that basis the posterior covariance is the identity; rows and residuals are in units of their noise.
    """
    basis = posterior_basis(potential)
    designs = iter_designs(structures, potential.descriptor, potential.n_threads)
    for atoms, known, design in zip(structures, labels, designs, strict=True):
        kinds, rows, wrong = [], [], []
        noises = potential.noises_of(atoms)
        for kind, block, targets in potential.label_rows(atoms, known, design):
            if kind in noises:
                kinds += [kind] * len(targets)
                rows.append(block @ basis / noises[kind])
                wrong.append((targets - block @ potential.weights_) / noises[kind])
        if kinds:
            yield kinds, np.concatenate(rows), np.concatenate(wrong)


def posterior_basis(potential: LinearPotential) -> NDArray[np.float64]:
    """Return the square root :math:`B` of the covariance of the weights, :math:`B B^T`, of shape (d, d)."""
    prior, rows = potential.posterior_rows()
    factor = np.linalg.qr(np.concatenate([np.diag(prior), rows]), mode="r")
    return np.asarray(solve_triangular(factor, np.eye(len(prior))))


def _sort(out: Residuals, kinds: Sequence[str], values: NDArray[np.float64]) -> None:
    """Put the residuals of a structure in their places."""
    of = np.array(kinds)
    for kind in KINDS:
        if (of == kind).any():
            out.setdefault(kind, []).append(values[of == kind])
