"""What a result says of the objects that it was made with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe_descriptor(descriptor: Any) -> dict[str, Any]:
    """Give the resolved parameters of a descriptor, or at least its name."""
    parameters = getattr(descriptor, "parameters", None)
    if isinstance(parameters, dict):
        return parameters
    return {"name": getattr(descriptor, "__qualname__", type(descriptor).__qualname__)}


def descriptor_identity(record: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of the record of a descriptor what its features depend on: of a model the digest, wherever its file lies."""
    return {
        name: descriptor_identity(value) if isinstance(value, dict) else value
        for name, value in record.items()
        if not (name == "model" and "sha256" in record)
    }
