"""How much information a structure would add."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mlipselect.hal.surrogate import Surrogate
from mlipselect.hal.triggers.base import Seen, Trigger


class Gain(Trigger):
    """The fall of the log determinant of the covariance if the energy per atom were known: ``log(1 + beta s^2)``.

    It is twice the information in nat, the score ``logdet`` of `BayesianSelector`. It needs neither labels nor a core.
    At the default threshold, log 2, the standard deviation of the energy per atom is that of the noise.
    """

    name: ClassVar[str] = "gain"
    default_threshold: ClassVar[float] = float(np.log(2.0))

    def score(self, surrogate: Surrogate, seen: Seen, reference: float) -> float:  # noqa: ARG002
        """Return the gain."""
        return float(np.log1p(surrogate.posterior.noise_precision * seen.uncertainty_per_atom**2))
