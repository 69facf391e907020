"""Parameters of an object by scikit-learn's convention, without depending on scikit-learn."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import numpy as np

from mlipselect.exceptions import InvalidInputError

_Own = TypeVar("_Own", bound="Parametrised")


class Parametrised:
    """Base of objects whose parameters can be read, set, cloned and shown.

    ``__init__`` stores every parameter as it came, under its own name; `fit` validates. So ``sklearn.base.clone`` makes
    an object with the same parameters that is not fitted.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - no parameter has parameters itself
        """Return the parameters of ``__init__``, by name.

        Parameters
        ----------
        deep : bool, default=True
            Of no effect, and here because scikit-learn passes it.
        """
        return {name: getattr(self, name) for name in _signature(type(self))}

    def set_params(self: _Own, **parameters: Any) -> _Own:
        """Set some parameters, and return the object.

        Raises
        ------
        InvalidInputError
            A name that is no parameter; then none is set.
        """
        known = _signature(type(self))
        for name in parameters:
            if name not in known:
                raise InvalidInputError(
                    f"{type(self).__name__} has no parameter {name!r}, expected one of {', '.join(known)}"
                )
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """Show the parameters that differ from their defaults."""
        shown = [
            f"{name}={shown_short(getattr(self, name, None))}"
            for name, parameter in _signature(type(self)).items()
            if shown_short(getattr(self, name, None)) != shown_short(parameter.default)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def _signature(kind: type) -> dict[str, inspect.Parameter]:
    """Give the named parameters of a constructor."""
    parameters = inspect.signature(kind).parameters.values()
    return {parameter.name: parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}


def shown_short(value: Any) -> str:
    """Show a value on one line: an array by its shape and type."""
    if isinstance(value, np.ndarray):
        return f"<array of shape {value.shape}, {value.dtype}>"
    return repr(value)
