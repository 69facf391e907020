"""How much more uncertain a structure is than those that are known."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.known import Known
from mlipselect.hal.surrogate import Surrogate
from mlipselect.hal.triggers.base import Seen, Trigger, ratio

QUANTILE = 0.99
"""Quantile of the variances of what is known that counts as their upper end."""


class Extrapolation(Trigger):
    """The variance of the energy per atom, over the 0.99-quantile of that of the core and what was taken.

    It needs no labels and has no unit. Within the range of what is known it is about 1 or less.
    """

    name: ClassVar[str] = "extrapolation"
    default_threshold: ClassVar[float] = 3.0

    def reference(self, surrogate: Surrogate, known: Known) -> float:
        """Return the quantile.

        Raises
        ------
        InvalidInputError
            Nothing is known.
        """
        rows = known.rows
        if not len(rows):
            raise InvalidInputError(
                "trigger: 'extrapolation' compares frames with the training set: give that as core (--core), or take "
                "the trigger 'gain'"
            )
        return float(np.quantile(surrogate.posterior.variance(rows, n_threads=surrogate.n_threads), QUANTILE))

    def score(self, surrogate: Surrogate, seen: Seen, reference: float) -> float:  # noqa: ARG002
        """Return the ratio."""
        return ratio(seen.uncertainty_per_atom**2, reference)
