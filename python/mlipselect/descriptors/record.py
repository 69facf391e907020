"""The record of a descriptor in stores and selections: its name and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from ase import Atoms

from mlipselect.descriptors.base import parameters_of
from mlipselect.exceptions import InvalidInputError


def describe_descriptor(descriptor: Any) -> dict[str, Any]:
    """Return the resolved parameters of a descriptor, or at least its name."""
    parameters = parameters_of(descriptor)
    if parameters is not None:
        return parameters
    return {"name": getattr(descriptor, "__qualname__", type(descriptor).__qualname__)}


def descriptor_identity(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a record on which features depend: the digest of a model file, not its path."""
    return {
        name: descriptor_identity(value) if isinstance(value, dict) else value
        for name, value in record.items()
        if not (name == "model" and "sha256" in record)
    }


def told_differences(record: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Name the parameters in which a record of a descriptor differs from another, as in ``rcut is 6, not 5``.

    Parameters
    ----------
    record, other : mapping
        Names and parameters. Of descriptors of different names only the names are told.
    """
    if record.get("name") != other.get("name"):
        return f"it is {record.get('name')}, not {other.get('name')}"
    found = _differences(descriptor_identity(record), descriptor_identity(other), "")
    return ", ".join(f"{name} is {_shown(first)}, not {_shown(second)}" for name, first, second in found)


def _differences(record: Mapping[str, Any], other: Mapping[str, Any], owner: str) -> Iterator[tuple[str, Any, Any]]:
    for name in [*record, *(name for name in other if name not in record)]:
        first, second = record.get(name), other.get(name)
        if isinstance(first, dict) and isinstance(second, dict):
            yield from _differences(first, second, f"{owner}{name}.")
        elif first != second:
            yield f"{owner}{name}", first, second


def _shown(value: Any) -> str:
    """Return a parameter as it may be given: one number for a list of equal ones, lists without brackets."""
    if isinstance(value, (list, tuple)) and value:
        return _shown(value[0]) if all(item == value[0] for item in value) else " ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


class Recorded:
    """A descriptor known by its record only: it identifies features but cannot compute them.

    Parameters
    ----------
    parameters : dict
        Name and parameters.
    source : str
        Store or selection with the record, for messages.
    """

    def __init__(self, parameters: Mapping[str, Any], source: str):
        self.parameters = dict(parameters)
        self.source = source

    def __repr__(self) -> str:
        return f"Recorded({self.parameters!r}, {self.source!r})"

    def features(self, atoms: Atoms) -> NoReturn:  # noqa: ARG002
        """Refuse: only the descriptor itself can describe structures.

        Raises
        ------
        InvalidInputError
            Always.
        """
        raise self.missing()

    def missing(self) -> InvalidInputError:
        """Make the error that asks for the descriptor."""
        # The model is not loaded from the path in the record: it can run any code, so the user has to name it.
        return InvalidInputError(
            f"{self.source}: expected its descriptor with it, to describe structures (`descriptor`, or --descriptor "
            f"and --model as for featurize): {self.parameters}"
        )
