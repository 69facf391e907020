"""Selectors by the names that `select` and the command line know them by."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from mlipselect.checkpoint import Checkpoint
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.design import Designs
from mlipselect.selectors.base import Selector, meant
from mlipselect.selectors.bayesian import BayesianSelector
from mlipselect.selectors.constraints import Constraint
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
"""The selector of each method."""

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
        Parameters of the selector. `progress`, `n_threads` and `random_state` go to the selectors that have them;
        any other must be one of the selector's.

    Raises
    ------
    InvalidInputError
        A method that does not exist, or a parameter that its selector does not have.
    """
    if method not in METHODS:
        raise InvalidInputError(f"method: expected {meant(method, METHODS)}, got {method!r}")
    known = inspect.signature(METHODS[method]).parameters
    for name in {*_HOW, "random_state"} - set(known):
        parameters.pop(name, None)
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise InvalidInputError(
            f"method {method} has no parameter {unknown[0]!r}, but {', '.join(sorted(set(known) - {'n_to_select'}))}"
        )
    make: Any = METHODS[method]
    selector: Selector = make(n, **parameters)
    return selector


def selector_parameters(selector: Selector) -> dict[str, Any]:
    """Give the parameters of a selector that its picks depend on."""
    names = inspect.signature(type(selector)).parameters
    return {name: getattr(selector, name) for name in names if name not in {*_HOW, "n_to_select"}}


def needs_derivatives(selector: Selector) -> bool:
    """Tell whether scores or updates are of forces or stress."""
    if not isinstance(selector, BayesianSelector):
        return False
    plain = ("energy", "logdet", "pool_variance", "pool_std")
    return selector.update in ("forces", "stress") or selector.score not in plain


def fit(
    selector: Selector,
    X: Any,
    core: Any,
    constraints: Sequence[Constraint],
    *,
    designs: Mapping[str, Designs] | None = None,
    strata: Sequence[Any] | None = None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Select, with what the selector has use for.

    Raises
    ------
    InvalidInputError
        Constraints, for a selector that chooses its structures together; or as for the `fit` of the selector.
    """
    taken = inspect.signature(selector.fit).parameters
    options: dict[str, Any] = dict(designs or {})
    if constraints:
        if "constraints" not in taken:
            raise InvalidInputError(
                f"{type(selector).__name__} chooses its structures together: quotas, budgets and distances to keep "
                "need a method that picks one after the other"
            )
        options["constraints"] = constraints
    if strata is not None:
        options["groups"] = strata
    if checkpoint is not None:
        options["checkpoint"] = checkpoint
    selector.fit(X, core=core, **options)
