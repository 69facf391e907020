"""When a structure is worth taking."""

from mlipselect.hal.triggers.base import Seen, Trigger
from mlipselect.hal.triggers.extrapolation import Extrapolation
from mlipselect.hal.triggers.gain import Gain
from mlipselect.hal.triggers.max_atom import MaxAtom
from mlipselect.hal.triggers.registry import TRIGGERS, make_trigger
from mlipselect.hal.triggers.relative_force import RelativeForce

__all__ = ["TRIGGERS", "Extrapolation", "Gain", "MaxAtom", "RelativeForce", "Seen", "Trigger", "make_trigger"]
