"""How uncertain forces are, relative to what they are."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.surrogate import Surrogate
from mlipselect.hal.triggers.base import Seen, Trigger

FLOOR = 0.2
"""What is added to the length of each force, in eV/Å, so that small forces do not count as unknown."""


class RelativeForce(Trigger):
    """The largest ratio, over all atoms, of the standard deviation of a force to its length and 0.2 eV/Å [1]_.

    It needs a fitted potential, since without labels deviations have no unit.

    References
    ----------
    .. [1] C. van der Oord, M. Sachs, D. P. Kovács, C. Ortner, G. Csányi, npj Comput. Mater. 9, 168 (2023).
    """

    name: ClassVar[str] = "relative-force"
    default_threshold: ClassVar[float] = 0.4

    def check(self, surrogate: Surrogate) -> None:
        """Refuse a surrogate without a fitted potential."""
        if surrogate.unit != "eV":
            raise InvalidInputError(
                "trigger: 'relative-force' needs deviations in eV, which a fitted LinearPotential has: take one as the "
                "base, or the trigger 'extrapolation'"
            )

    def score(self, surrogate: Surrogate, seen: Seen, reference: float) -> float:  # noqa: ARG002
        """Return the ratio."""
        deviations = np.sqrt(surrogate.forces_variance(seen.atoms).sum(axis=1))
        lengths = np.linalg.norm(seen.base_forces, axis=1)
        return float((deviations / (lengths + FLOOR)).max())
