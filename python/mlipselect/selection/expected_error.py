"""The error that a fit to core and picks is expected to have, in eV where labels give the scale, and when to stop."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.selectors.base import structure_rows
from mlipselect.selectors.constraints import Constraint
from mlipselect.utils.told import counted

MOST_TARGETS = 2048
"""Number of structures that the error is averaged over; of more, as many are drawn."""

_UNTIL = re.compile(r"(?P<number>[0-9]*\.?[0-9]+(?:e[-+]?[0-9]+)?) *(?P<unit>meV|eV|%)(?:/atom)?")
_FACTORS = {"meV": 1e-3, "eV": 1.0, "%": 1e-2}


@dataclass(frozen=True)
class Until:
    """An error of energies that is small enough.

    Attributes
    ----------
    amount : float
        In eV per atom, or the fraction of the error before the first pick.
    is_fraction : bool
        Which of both.
    """

    amount: float
    is_fraction: bool

    @classmethod
    def parse(cls, given: str | float) -> Until:
        """Understand an error such as ``"2meV"`` or ``0.002``, in eV per atom, or a fraction such as ``"50%"``.

        Raises
        ------
        InvalidInputError
            Something else, or nothing above 0.
        """
        match = _UNTIL.fullmatch(f"{given}eV" if isinstance(given, (int, float)) else given.strip())
        is_fraction = match is not None and match["unit"] == "%"
        if match is None or not 0.0 < float(match["number"]) < (100.0 if is_fraction else np.inf):
            raise InvalidInputError(
                f"until: expected an error an atom such as 2meV, or a fraction such as 50%, got {given!r}"
            )
        return cls(float(match["number"]) * _FACTORS[match["unit"]], is_fraction)


@dataclass(frozen=True)
class ErrorModel:
    """What is known of the weights before the first pick, in units of energies.

    Attributes
    ----------
    covariance : ndarray of shape (d, d)
        Covariance of the weights of the structure rows.
    noise : float
        Variance of the noise of the row of a pick.
    floor, floor_of_an_atom : float
        Variance that remains in the energy per atom of a structure however much is known: the first of them, and the
        second over the number of atoms.
    in_ev : bool
        Whether energies are in eV; otherwise only ratios mean something.
    source : str
        What the scale was found from.
    force_factor : float, default=1
        Factor of the standard deviations of force components.
    """

    covariance: NDArray[np.float64]
    noise: float
    floor: float
    floor_of_an_atom: float
    in_ev: bool
    source: str
    force_factor: float = 1.0


@dataclass(frozen=True)
class ExpectedError:
    """The root mean square error of energies per atom that a fit to core and picks is expected to have.

    Attributes
    ----------
    curve : ndarray of shape (n + 1,) or shorter
        The error before the first pick and after each, over the target or, without one, over the candidates that are
        not picked: in eV per atom, or relative to the error before the first pick. It ends before the pick that leaves
        no candidate.
    mean_std, largest_std : float
        Standard deviations of energies per atom after the last pick, by the uncertainty of the weights alone: the root
        mean square, and the largest. Units are those of `curve`; NaN where no structure is left.
    noise : float
        Root mean square of what remains however much is picked, in the same units; NaN where no structure is left.
    n_targets : int
        Number of structures that were looked at.
    in_ev : bool
        Whether values are in eV per atom.
    source : str
        What the scale was found from.
    largest_force_std : float or None
        Largest standard deviation of a force component after the last pick, in eV/Å; None unless the score is
        ``"force"`` and a potential gives the scale.
    """

    curve: NDArray[np.float64]
    mean_std: float
    largest_std: float
    noise: float
    n_targets: int
    in_ev: bool
    source: str
    largest_force_std: float | None = None

    def record(self) -> dict[str, Any]:
        """Return all numbers, ready for JSON; None stands for what has no structure left."""
        known: dict[str, Any] = {
            "unit": "eV/atom" if self.in_ev else "of the error before the first pick",
            "source": self.source,
            "curve": self.curve.tolist(),
            "mean_std": self.mean_std if self.n_targets else None,
            "largest_std": self.largest_std if self.n_targets else None,
            "noise": self.noise if self.n_targets else None,
            "structures": self.n_targets,
        }
        return known if self.largest_force_std is None else known | {"largest_force_std": self.largest_force_std}

    def told(self) -> list[str]:
        """Say the error in sentences."""
        n = len(self.curve) - 1
        shown = sorted({0, *(k for k in (5, 10, 20, 50, 100, 200, 500) if k < n), n})
        curve = ", ".join(
            f"{self._value(self.curve[k])} {f'after {k}' if k else 'before the first pick'}" for k in shown
        )
        head = f"expected error of energies{' in meV an atom' if self.in_ev else ''} ({self.source}): {curve}"
        if not self.n_targets:
            return [f"{head}; no candidate is left to look at"]
        deviations = f"{self._value(self.mean_std)} in the mean, {self._value(self.largest_std)} at most"
        lines = [
            head,
            f"standard deviations left, without noise, over {counted(self.n_targets, 'structure')}: {deviations}",
        ]
        if self.largest_force_std is not None:
            lines[1] += f"; of a force component: {self.largest_force_std:.3g} eV/Å at most"
        return lines

    def _value(self, value: float) -> str:
        return f"{1e3 * value:.3g}" if self.in_ev else f"{100 * value:.3g} %"


class ErrorCurve(Constraint):
    r"""Follows the expected error while picks are made, and ends the selection once it is small enough.

    Parameters
    ----------
    model : ErrorModel
        What is known before the first pick.
    targets : ndarray of shape (t, d)
        Rows of the structures that the error is averaged over.
    n_atoms : ndarray of shape (t,)
        Their numbers of atoms.
    weights : ndarray of shape (t,), optional
        Their weights in the mean.
    members : ndarray of shape (t,), optional
        Their indices in the pool; once picked they do not count.
    until : Until, optional
        Error that is small enough.

    Notes
    -----
    With the covariance :math:`\Sigma` of the weights, the error :math:`\varepsilon_n` after :math:`n` picks is
    :math:`\varepsilon_n^2 = \langle t^T \Sigma_n t + \varphi_t \rangle_t`, where :math:`\varphi_t` is the variance that
    no pick removes. A pick :math:`x` lowers the variance of each :math:`t` by
    :math:`(t^T \Sigma x)^2 / (\sigma^2 + x^T \Sigma x)`. No label enters.
    """

    def __init__(
        self,
        model: ErrorModel,
        targets: NDArray[np.floating[Any]],
        n_atoms: NDArray[np.int64],
        *,
        weights: NDArray[np.float64] | None = None,
        members: NDArray[np.int64] | None = None,
        until: Until | None = None,
    ):
        self.model, self.until = model, until
        self._targets = np.asarray(targets, dtype=np.float64)
        self._floors = model.floor + model.floor_of_an_atom / np.asarray(n_atoms, dtype=np.float64)
        self._weights = np.ones(len(targets)) if weights is None else np.asarray(weights, dtype=np.float64)
        self._members = members

    def begin(self, pool: Any, core: Any, n_to_select: int) -> Iterable[int]:  # noqa: ARG002
        """Begin with the core and no picks."""
        self._rows = structure_rows(pool)
        self._covariance = self.model.covariance.copy()
        self._variances = np.einsum("td,td->t", self._targets @ self._covariance, self._targets)
        self._counted = self._weights.copy()
        self.errors = [self._error()]
        return ()

    def picked(self, index: int) -> Iterable[int]:
        """Observe a pick."""
        row = np.asarray(self._rows[index], dtype=np.float64)
        direction = self._covariance @ row
        spread = self.model.noise + float(row @ direction)
        self._covariance -= np.outer(direction, direction / spread)
        self._variances = np.maximum(self._variances - (self._targets @ direction) ** 2 / spread, 0.0)
        if self._members is not None:
            self._counted[self._members == index] = 0.0
        self.errors.append(self._error())
        return ()

    @property
    def is_met(self) -> bool:
        """Whether the error is small enough."""
        return self.until is not None and self.errors[-1] <= self._limit

    @property
    def _limit(self) -> float:
        """The error that is small enough, in the units of the model."""
        if self.until is None:
            return 0.0
        return self.until.amount * (self.errors[0] if self.until.is_fraction else 1.0)

    def notes(self) -> list[str]:
        """Say where the error is still too large."""
        if self.until is None or self.is_met:
            return []
        return [self._why_not_met()]

    def _why_not_met(self) -> str:
        """Say what the error would need to be small enough."""
        noise = float(np.sqrt(self._weights @ self._floors / self._weights.sum()))
        if noise >= self._limit:
            told = f"{1e3 * noise:.3g} meV an atom" if self.model.in_ev else f"{100 * noise / self.errors[0]:.3g} %"
            return f"the expected error is still above `until`: the noise alone is {told}, which no pick removes"
        if np.isnan(self.errors[-1]):
            return "the expected error was above `until` before the last candidate was picked: another pool is needed"
        return "the expected error is still above `until`: more picks, or another pool, are needed"

    def result(self, largest_force_std: float | None = None) -> ExpectedError:
        """Return what was found."""
        counted = self._counted > 0.0
        left = self._variances[counted]
        unit = 1.0 if self.model.in_ev else self.errors[0] or 1.0
        return ExpectedError(
            np.array([error for error in self.errors if not np.isnan(error)]) / unit,
            self._mean(self._variances) ** 0.5 / unit,
            float(left.max()) ** 0.5 / unit if len(left) else np.nan,
            self._mean(self._floors) ** 0.5 / unit,
            int(counted.sum()),
            self.model.in_ev,
            self.model.source,
            largest_force_std,
        )

    def _error(self) -> float:
        return float(np.sqrt(self._mean(self._variances + self._floors)))

    def _mean(self, values: NDArray[np.float64]) -> float:
        """Average over the structures that count; NaN where none is left."""
        total = float(self._counted.sum())
        return float(self._counted @ values) / total if total > 0.0 else np.nan
