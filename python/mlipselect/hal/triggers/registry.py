"""The triggers by their names."""

from __future__ import annotations

from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.triggers.base import Trigger
from mlipselect.hal.triggers.extrapolation import Extrapolation
from mlipselect.hal.triggers.gain import Gain
from mlipselect.hal.triggers.max_atom import MaxAtom
from mlipselect.hal.triggers.relative_force import RelativeForce

TRIGGERS: dict[str, type[Trigger]] = {kind.name: kind for kind in (Extrapolation, Gain, RelativeForce, MaxAtom)}
"""The triggers by their names."""


def make_trigger(trigger: str | Trigger, threshold: float | None = None) -> Trigger:
    """Return a trigger by its name, with a threshold; a trigger that is given is returned.

    Raises
    ------
    InvalidInputError
        No such trigger, or a threshold beside a trigger that has one.
    """
    if isinstance(trigger, Trigger):
        if threshold is not None:
            raise InvalidInputError("threshold: expected none, as a Trigger has one: set it there")
        return trigger
    if trigger not in TRIGGERS:
        raise InvalidInputError(f"trigger: expected one of {', '.join(TRIGGERS)}, got {trigger!r}")
    return TRIGGERS[trigger](threshold)
