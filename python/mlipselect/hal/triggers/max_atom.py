"""How much more uncertain the most uncertain atom is than those that are known."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mlipselect.hal.known import Known
from mlipselect.hal.surrogate import Surrogate
from mlipselect.hal.triggers.base import Seen, Trigger, ratio
from mlipselect.hal.triggers.extrapolation import QUANTILE


class MaxAtom(Trigger):
    """The largest variance of the energy of an atom, over the 0.99-quantile of that of the atoms of the core.

    In a large cell a mean over atoms hides a single new surrounding; this does not. Of a large core, 4096 atoms at even
    steps are compared with.
    """

    name: ClassVar[str] = "max-atom"
    default_threshold: ClassVar[float] = 3.0
    needs_sites: ClassVar[bool] = True

    def reference(self, surrogate: Surrogate, known: Known) -> float:
        """Return the quantile."""
        rows = np.empty((0, surrogate.posterior.dim)) if known.sites is None else known.sites
        return float(np.quantile(surrogate.posterior.variance(rows, n_threads=surrogate.n_threads), QUANTILE))

    def score(self, surrogate: Surrogate, seen: Seen, reference: float) -> float:
        """Return the ratio."""
        return ratio(float(surrogate.sites_variance(seen.atoms).max()), reference)
