"""The strength of the bias: fixed, a function of the step, or relative to the forces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError

Schedule: TypeAlias = float | Callable[[int], float]
"""A number, or a function of the step."""

FRACTION = 0.1
"""Bias force as a fraction of the force of the base."""
RISE = 200
"""Steps in which the fraction of a run doubles while no frame is worth taking."""
MOST = 1.0
"""Largest fraction to which it rises: bias forces as long as those of the base."""


@dataclass(frozen=True)
class Ramp:
    """A number that changes evenly over some steps, and then stays.

    Parameters
    ----------
    first, last : float
        Values at step 0, and from step `n_steps` on.
    n_steps : int
        Number of steps from the one to the other.

    Examples
    --------
    >>> ramp = Ramp(0.0, 0.2, 1000)
    >>> ramp(0), ramp(500), ramp(5000)
    (0.0, 0.1, 0.2)
    """

    first: float
    last: float
    n_steps: int

    def __post_init__(self) -> None:
        if self.n_steps < 1:
            raise InvalidInputError(f"n_steps: expected at least 1, got {self.n_steps}")

    def __call__(self, step: int) -> float:
        """Return the value at a step."""
        return self.first + (self.last - self.first) * min(step / self.n_steps, 1.0)


@runtime_checkable
class Tau(Protocol):
    """What decides on the strength of the bias at each step."""

    def at(self, step: int, base_forces: NDArray[np.float64], gradient: NDArray[np.float64]) -> float:
        """Return the strength at a step, given the forces of the base and the gradient of the deviation."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what was learned from earlier steps, ready for JSON."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        ...

    def triggered(self) -> None:
        """Take note that a frame was worth taking."""
        ...

    def restarted(self) -> None:
        """Take note that the trajectory ended, and another one begins."""
        ...


class FixedTau:
    """A strength that does not depend on the forces.

    Parameters
    ----------
    tau : float or callable
        The strength, or a function of the step that returns it, such as a `Ramp`.
    """

    def __init__(self, tau: Schedule):
        self.tau = tau

    def at(self, step: int, base_forces: NDArray[np.float64], gradient: NDArray[np.float64]) -> float:  # noqa: ARG002
        """Return the strength at a step."""
        return value_at(self.tau, step)

    def state(self) -> dict[str, Any]:
        """Return nothing: earlier steps have no influence."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""

    def triggered(self) -> None:
        """Do nothing."""

    def restarted(self) -> None:
        """Do nothing."""

    def __repr__(self) -> str:
        return f"FixedTau({self.tau!r})"


class RelativeTau:
    r"""A strength that makes the bias force a fraction of the force of the base.

    Parameters
    ----------
    fraction : float or callable, default=0.1
        The fraction, or a function of the step that returns it, such as a `Ramp`.
    rise : int, optional
        Steps in which the fraction doubles while no frame is worth taking. Each frame that is halves it again, down to
        `fraction`; a trajectory that begins anew begins with `fraction`. None keeps it.
    most : float, default=1.0
        Largest fraction to which it rises.
    history : int, default=100
        Steps over which both forces are averaged.
    burn_in : int, default=100
        Steps without a bias at the beginning.

    Raises
    ------
    InvalidInputError
        Numbers out of their range.

    Notes
    -----
    :math:`\tau = f \langle|F|\rangle / \langle|\nabla\sigma|\rangle`, with the means over all atoms of the lengths of
    the forces of the base and of the gradient of the deviation. Each mean is smoothed: it is the mean over the steps so
    far, and after `history` steps it is exponential, a new step having the weight 1/`history`. Where the gradient was
    zero at all steps, the strength is zero.

    Examples
    --------
    >>> import numpy as np
    >>> tau = RelativeTau(0.1, burn_in=0)
    >>> tau.at(0, np.full((2, 3), 3.0), np.full((2, 3), 1.5))
    0.2
    """

    def __init__(
        self,
        fraction: Schedule = FRACTION,
        *,
        rise: int | None = None,
        most: float = MOST,
        history: int = 100,
        burn_in: int = 100,
    ):
        if history < 1 or burn_in < 0:
            raise InvalidInputError(
                f"history and burn_in: expected at least 1 and at least 0 steps, got {history} and {burn_in}"
            )
        if (rise is not None and rise < 1) or not 0.0 < most < np.inf:
            raise InvalidInputError(f"rise and most: expected at least 1 step and a number above 0, got {rise}, {most}")
        self.fraction = fraction
        self.rise = rise
        self.most = most
        self.history = history
        self.burn_in = burn_in
        self._base = self._gradient = 0.0
        self._count = 0
        self._next_step = 0
        #: How many times the fraction has doubled.
        self._doublings = 0.0

    def at(self, step: int, base_forces: NDArray[np.float64], gradient: NDArray[np.float64]) -> float:
        """Return the strength at a step. A step that was seen before, as after a restart, counts once."""
        fraction = value_at(self.fraction, step)
        if step >= self._next_step:
            self._count += 1
            weight = 1.0 / min(self._count, self.history)
            self._base += weight * (mean_length(base_forces) - self._base)
            self._gradient += weight * (mean_length(gradient) - self._gradient)
            self._next_step = step + 1
            if self.rise is not None and step >= self.burn_in and fraction * 2.0**self._doublings < self.most:
                self._doublings += 1.0 / self.rise
        if step < self.burn_in or self._gradient == 0.0:
            return 0.0
        # A fraction that is larger than `most` from the beginning is what was asked for.
        risen = max(fraction, min(fraction * float(2.0**self._doublings), self.most))
        return risen * self._base / self._gradient

    def triggered(self) -> None:
        """Halve the fraction, down to that of the beginning."""
        self._doublings = max(0.0, self._doublings - 1.0)

    def restarted(self) -> None:
        """Go back to the fraction of the beginning."""
        self._doublings = 0.0

    def state(self) -> dict[str, Any]:
        """Return both means, the number of steps in them, the next step and how often the fraction has doubled."""
        return {
            "base": self._base,
            "gradient": self._gradient,
            "count": self._count,
            "next_step": self._next_step,
            "doublings": self._doublings,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._base, self._gradient = float(state["base"]), float(state["gradient"])
        self._count, self._next_step = int(state["count"]), int(state["next_step"])
        self._doublings = float(state["doublings"])

    def __repr__(self) -> str:
        rise = "" if self.rise is None else f", rise={self.rise}, most={self.most}"
        return f"RelativeTau({self.fraction!r}{rise}, history={self.history}, burn_in={self.burn_in})"


def as_tau(tau: Tau | Schedule | None) -> Tau:
    """Return what decides on the strength; None stands for ``RelativeTau()``."""
    if tau is None:
        return RelativeTau()
    if isinstance(tau, Tau):
        return tau
    if callable(tau) or isinstance(tau, (int, float)):
        return FixedTau(tau)
    raise InvalidInputError(f"tau: expected a number, a function of the step or a RelativeTau, got {tau!r}")


def value_at(schedule: Schedule, step: int) -> float:
    """Return the value of a number or a function of the step.

    Raises
    ------
    InvalidInputError
        A value that is not finite.
    """
    value = float(schedule(step)) if callable(schedule) else float(schedule)
    if not np.isfinite(value):
        raise InvalidInputError(f"tau: expected finite numbers, got {value} at step {step}")
    return value


def mean_length(vectors: NDArray[np.float64]) -> float:
    """Return the mean length of vectors, shape (n, 3)."""
    return float(np.sqrt((vectors**2).sum(axis=1)).mean())
