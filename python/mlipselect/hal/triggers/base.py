"""What a trigger is: a score of a structure, and the threshold from which on it is worth taking."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.known import Known
from mlipselect.hal.surrogate import Surrogate


@dataclass(frozen=True)
class Seen:
    """A structure as a trigger sees it.

    Attributes
    ----------
    atoms : ase.Atoms
        The structure.
    uncertainty_per_atom : float
        Standard deviation of its energy, divided by the number of atoms.
    base_forces : ndarray of shape (n_atoms, 3)
        Forces of the base in eV/Å.
    """

    atoms: Atoms
    uncertainty_per_atom: float
    base_forces: NDArray[np.float64]


class Trigger(ABC):
    """Base of triggers.

    Parameters
    ----------
    threshold : float, optional
        Smallest score that is worth taking, by default that of the trigger.

    Raises
    ------
    InvalidInputError
        A threshold that is not positive.
    """

    name: ClassVar[str]
    default_threshold: ClassVar[float]
    #: Whether variances of the atoms of the core are compared with.
    needs_sites: ClassVar[bool] = False

    def __init__(self, threshold: float | None = None):
        self.threshold = self.default_threshold if threshold is None else float(threshold)
        if not 0.0 < self.threshold < np.inf:
            raise InvalidInputError(f"threshold: expected a number above 0, got {threshold}")

    def check(self, surrogate: Surrogate) -> None:  # noqa: B027 - most need nothing
        """Refuse a surrogate that the score cannot be computed with."""

    def reference(self, surrogate: Surrogate, known: Known) -> float:  # noqa: ARG002 - for those who inherit
        """Return what scores are compared with: the same for all structures until the posterior changes."""
        return 1.0

    @abstractmethod
    def score(self, surrogate: Surrogate, seen: Seen, reference: float) -> float:
        """Score a structure.

        Parameters
        ----------
        surrogate : Surrogate
            The surrogate as it is now.
        seen : Seen
            The structure.
        reference : float
            What `reference` returned for this surrogate.
        """


def ratio(value: float, reference: float) -> float:
    """Divide a variance by that of what is known; where that is zero, any variance is infinitely more."""
    if reference > 0.0:
        return value / reference
    return float("inf") if value > 0.0 else 0.0
