"""Descriptors as stores and the records of selections keep them: by name and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from ase import Atoms

from mlipselect.descriptors.ace import ACE
from mlipselect.descriptors.per_element import PerElement
from mlipselect.exceptions import InvalidInputError
from mlipselect.provenance import describe_descriptor, descriptor_identity


class Recorded:
    """
    A descriptor of which only the record is known: enough to tell its features from others, not to compute any.

    Parameters
    ----------
    parameters : dict
        Name and parameters.
    source : str
        What has the record, for messages.
    """

    def __init__(self, parameters: Mapping[str, Any], source: str):
        self.parameters = dict(parameters)
        self.source = source

    def __repr__(self) -> str:
        return f"Recorded({self.parameters!r}, {self.source!r})"

    def features(self, atoms: Atoms) -> NoReturn:  # noqa: ARG002
        """
        Say that the descriptor itself is needed for that.

        Raises
        ------
        InvalidInputError
            Always.
        """
        raise self.missing()

    def missing(self) -> InvalidInputError:
        """Make the error that asks for the descriptor."""
        # A model is not looked for where the record says: it can run any code, so a person has to give it.
        return InvalidInputError(
            f"{self.source}: expected its descriptor with it, to describe structures (`descriptor`, or --descriptor "
            f"and --model as for featurize): {self.parameters}"
        )


def from_record(record: Mapping[str, Any]) -> ACE | PerElement | None:
    """Make a descriptor that its record says all of; None for others, such as those with a model."""
    parameters = dict(record)
    name = parameters.pop("name", None)
    if name == "ACE":
        return ACE(**parameters)
    if name == "PerElement":
        inner = from_record(parameters["descriptor"])
        return None if inner is None else PerElement(inner, parameters["elements"])
    return None


def recorded_descriptor(record: Mapping[str, Any], source: str, given: Any, *, describes: bool) -> Any:
    """Return the descriptor of a record.

    Parameters
    ----------
    record : dict
        Name and parameters.
    source : str
        What has the record, for messages.
    given : object or callable or None
        The descriptor, to be checked; without it, one is made from the record if that is possible, else a `Recorded`.
    describes : bool
        Whether structures will be described, for which a `Recorded` does not serve.

    Raises
    ------
    InvalidInputError
        It is another one than that of the record, or has to be given.
    """
    if given is None:
        made = from_record(record)
        if made is not None:
            return made
        known = Recorded(record, source)
        if describes:
            raise known.missing()
        return known
    given = _settled(given, record)
    ours = describe_descriptor(given)
    if descriptor_identity(ours) != descriptor_identity(record):
        raise InvalidInputError(f"{source}: made with another descriptor, {dict(record)}, than the one given, {ours}")
    return given


def _settled(given: Any, record: Mapping[str, Any]) -> Any:
    """Settle elements that were left open as they were when the record was made."""
    if isinstance(given, PerElement) and given.elements is None and record.get("name") == "PerElement":
        return PerElement(given.descriptor, record["elements"])
    return given
