"""The registry of selectors: their names in `select` and on the command line."""

from __future__ import annotations

import inspect
from typing import Any

from mlipselect.exceptions import InvalidInputError
from mlipselect.selectors.base import Selector, meant
from mlipselect.selectors.bayesian import BayesianSelector
from mlipselect.selectors.cur import CUR
from mlipselect.selectors.facility_location import FacilityLocation
from mlipselect.selectors.fps import FPS
from mlipselect.selectors.kmedoids import KMedoids
from mlipselect.selectors.random import RandomSelector

METHODS: dict[str, type[Selector]] = {
    "bayesian": BayesianSelector,
    "fps": FPS,
    "facility_location": FacilityLocation,
    "k_medoids": KMedoids,
    "cur": CUR,
    "random": RandomSelector,
}
"""The selector of each method; one line adds a selector to `select` and the command line."""

#: Parameters that change no pick.
_HOW = {"progress", "n_threads"}


def make_selector(method: str, n: int, **parameters: Any) -> Selector:
    """Make the selector of a method.

    Parameters
    ----------
    method : str
        A key of `METHODS`.
    n : int
        Structures to select.
    **parameters
        Parameters of the selector. `progress`, `n_threads` and `random_state` are ignored if the selector does not have
        them; any other parameter must be one of the selector.

    Raises
    ------
    InvalidInputError
        A method that does not exist, or a parameter that its selector does not have.
    """
    if method not in METHODS:
        raise InvalidInputError(f"method: expected {meant(method, METHODS)}, got {method!r}")
    known = parameter_names(METHODS[method])
    for name in {*_HOW, "random_state"} - set(known):
        parameters.pop(name, None)
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        name = unknown[0]
        owners = [other for other, kind in METHODS.items() if name in parameter_names(kind)]
        if owners:
            raise InvalidInputError(f"{name}: expected only with the method {' or '.join(owners)}, got {method}")
        raise InvalidInputError(
            f"method {method} has no parameter {name!r}, but {', '.join(sorted(set(known) - {'n_to_select'}))}"
        )
    make: Any = METHODS[method]
    selector: Selector = make(n, **parameters)
    return selector


def parameter_names(kind: type[Selector]) -> list[str]:
    """Return the names of the parameters of a class of selectors."""
    return list(inspect.signature(kind).parameters)


def selector_parameters(selector: Selector) -> dict[str, Any]:
    """Return the parameters of a selector on which its picks depend."""
    return {name: value for name, value in selector.get_params().items() if name not in {*_HOW, "n_to_select"}}
