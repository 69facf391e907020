"""What a result says of the objects that it was made with."""

from __future__ import annotations

from typing import Any


def describe_descriptor(descriptor: Any) -> dict[str, Any]:
    """Give the resolved parameters of a descriptor, or at least its name."""
    parameters = getattr(descriptor, "parameters", None)
    if isinstance(parameters, dict):
        return parameters
    return {"name": getattr(descriptor, "__qualname__", type(descriptor).__qualname__)}
