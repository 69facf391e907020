"""The descriptors of the package by name, and how the command line or a record makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlipselect.descriptors.ace import ACE
from mlipselect.descriptors.base import NamedDescriptor, Resettable
from mlipselect.descriptors.cached import Cached
from mlipselect.descriptors.learned.chgnet import CHGNet
from mlipselect.descriptors.learned.matgl import MatGL
from mlipselect.descriptors.learned.mattersim import MatterSim
from mlipselect.descriptors.learned.nep import NEP
from mlipselect.descriptors.learned.nequip import NequIP
from mlipselect.descriptors.learned.orb import ORB
from mlipselect.descriptors.learned.sevennet import SevenNet
from mlipselect.descriptors.learned.uma import UMA
from mlipselect.descriptors.mace.descriptor import MACE
from mlipselect.descriptors.metatomic import Metatomic
from mlipselect.descriptors.per_element import PerElement
from mlipselect.descriptors.record import Recorded, describe_descriptor, descriptor_identity, told_differences
from mlipselect.descriptors.remote import Remote
from mlipselect.exceptions import InvalidInputError

DESCRIPTORS: dict[str, type[NamedDescriptor]] = {
    "ace": ACE,
    "chgnet": CHGNet,
    "mace": MACE,
    "matgl": MatGL,
    "mattersim": MatterSim,
    "metatomic": Metatomic,
    "nep": NEP,
    "nequip": NequIP,
    "orb": ORB,
    "sevennet": SevenNet,
    "uma": UMA,
    "remote": Remote,
}
"""Descriptors by their names on the command line; a new descriptor adds a line."""

WRAPPERS: dict[str, type[Cached] | type[PerElement]] = {
    "cache": Cached,
    "per_element": PerElement,
}
"""Wrappers of descriptors by their option on the command line, the innermost first."""


def owners(option: str) -> list[str]:
    """Return the names of the descriptors that have an option of the command line."""
    return [name for name, kind in DESCRIPTORS.items() if option in kind.command_options]


def make_descriptor(given: Mapping[str, Any], dtype: str = "float64") -> Any:
    """Make a descriptor from options of the command line.

    Parameters
    ----------
    given : mapping
        The options that were given: ``"descriptor"``, by default ``"ace"``, its own options, and those of wrappers.
    dtype : str, default="float64"
        Type of the features, for descriptors that compute in it.

    Raises
    ------
    InvalidInputError
        An option of another descriptor was given, or a needed option is missing.
    """
    name = given.get("descriptor", "ace")
    own = {option: value for option, value in given.items() if option != "descriptor" and option not in WRAPPERS}
    for option in own:
        if name not in owners(option):
            flag, others = f"--{option.replace('_', '-')}", " or ".join(owners(option))
            raise InvalidInputError(f"{flag}: expected only with --descriptor {others}, got {name}")
    kind = DESCRIPTORS[name]
    for option, declared in kind.command_options.items():
        if declared.needs and option not in own:
            raise InvalidInputError(f"--descriptor {name}: expected {declared.needs} with it, got none")
    descriptor = kind.from_options(own, dtype)
    for option, wrapper in WRAPPERS.items():
        if option in given:
            around: Any = wrapper.around
            descriptor = around(descriptor, given[option])
    return descriptor


def from_record(record: Mapping[str, Any]) -> Any:
    """Make a descriptor from its record; None if the record is not enough, as for a descriptor with a model.

    Raises
    ------
    InvalidInputError
        Parameters that the descriptor does not take.
    """
    parameters = dict(record)
    name = str(parameters.pop("name", None))
    kinds: dict[str, Any] = {kind.__name__: kind for kind in (*DESCRIPTORS.values(), *WRAPPERS.values())}
    if name not in kinds or not kinds[name].record_is_complete:
        return None
    try:
        if "descriptor" in parameters:
            parameters["descriptor"] = from_record(parameters["descriptor"])
            if parameters["descriptor"] is None:
                return None
        return kinds[name](**parameters)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise InvalidInputError(f"no {name} can be made from its record: {error}") from error


def from_record_in(source: str, record: Mapping[str, Any]) -> Any:
    """Make a descriptor from its record, as `from_record` does, with an error that names where the record is."""
    try:
        return from_record(record)
    except InvalidInputError as error:
        raise InvalidInputError(f"{source}: {error}") from error


def recorded_descriptor(record: Mapping[str, Any], source: str, given: Any, *, describes: bool) -> Any:
    """Return the descriptor of a record.

    Parameters
    ----------
    record : dict
        Name and parameters.
    source : str
        Store or selection with the record, for messages.
    given : object or callable or None
        The descriptor, to be compared with the record. None makes it from the record or, if the record is not enough,
        returns a `Recorded`.
    describes : bool
        Whether structures will be described; a `Recorded` is refused then.

    Raises
    ------
    InvalidInputError
        The given descriptor differs from the record, or None was given and the record is not enough or damaged.
    """
    if given is None:
        made = from_record_in(source, record)
        if made is not None:
            return made
        known = Recorded(record, source)
        if describes:
            raise known.missing()
        return known
    if isinstance(given, Resettable):
        given = given.settled_as(record)
    ours = describe_descriptor(given)
    if descriptor_identity(ours) != descriptor_identity(record):
        raise InvalidInputError(
            f"{source}: made with another descriptor than the one given: {told_differences(record, ours)}"
        )
    return given
