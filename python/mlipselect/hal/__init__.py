"""Biased molecular dynamics towards what a surrogate is uncertain about, and structures taken from it."""

from mlipselect.hal.calculator import BiasedCalculator
from mlipselect.hal.hal import Hal
from mlipselect.hal.mace_potential import MacePotential
from mlipselect.hal.pick import Pick
from mlipselect.hal.surrogate import Deviation, Surrogate
from mlipselect.hal.tau import Ramp, RelativeTau
from mlipselect.hal.triggers import Seen, Trigger, make_trigger

__all__ = [
    "BiasedCalculator",
    "Deviation",
    "Hal",
    "MacePotential",
    "Pick",
    "Ramp",
    "RelativeTau",
    "Seen",
    "Surrogate",
    "Trigger",
    "make_trigger",
]
