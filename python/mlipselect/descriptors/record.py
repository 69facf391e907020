"""The record of a descriptor in stores and selections: its name and parameters."""

from __future__ import annotations

from collections.abc import Mapping
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
