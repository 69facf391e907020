"""Biased molecular dynamics towards what a surrogate is uncertain about, and structures taken from it."""

from mlipselect.hal.calculator import BiasedCalculator
from mlipselect.hal.surrogate import Deviation, Surrogate
from mlipselect.hal.tau import Ramp, RelativeTau

__all__ = ["BiasedCalculator", "Deviation", "Ramp", "RelativeTau", "Surrogate"]
