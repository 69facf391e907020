"""What a selection follows the expected error with: the scale it has, and the structures it is averaged over."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.models import LinearPotential
from mlipselect.selection import error_model
from mlipselect.selection.candidate_pool import CandidatePool
from mlipselect.selection.core import Core
from mlipselect.selection.expected_error import MOST_TARGETS, ErrorCurve, ErrorModel, ExpectedError, Until
from mlipselect.selection.options import Options
from mlipselect.selection.target import Target
from mlipselect.selectors import Selector
from mlipselect.selectors.base import StoredRows, core_rows, structure_rows
from mlipselect.selectors.prior import DEFAULT_SCALE, PriorScale, prior_from_ridge
from mlipselect.stores.joined import JoinedStores


def error_curve(
    selector: Selector,
    pool: CandidatePool,
    core: tuple[Core | None, Features | None],
    target: tuple[Target | None, Features | JoinedStores | None],
    options: Options,
) -> ErrorCurve | None:
    """Prepare to follow the expected error, if it is asked for or a potential gives its scale.

    Parameters
    ----------
    selector : Selector
        What makes the picks.
    pool : CandidatePool
        The candidates, described.
    core, target : tuple
        Structures and their rows.
    options : Options
        Options of the selection.

    Raises
    ------
    InvalidInputError
        An amount is asked for where nothing gives the scale, or the energies of the core cannot be used.
    """
    until = None if options.limits.until is None else Until.parse(options.limits.until)
    model = _model(selector, pool, core, until, options)
    if model is None:
        return None
    structures, rows = target
    if structures is not None and rows is not None:
        drawn, weights = _drawn(len(rows)), structures.weights
        weights = None if weights is None else weights[drawn]
        return ErrorCurve(model, structure_rows(rows)[drawn], rows.n_atoms[drawn], weights=weights, until=until)
    drawn = _drawn(len(pool.sizes))
    sizes = np.asarray(pool.sizes)[drawn]
    return ErrorCurve(model, structure_rows(pool.features)[drawn], sizes, members=drawn, until=until)


def _drawn(count: int) -> NDArray[np.int64]:
    """Return all of so many indices, or as many as the error is averaged over, drawn the same way each time."""
    if count <= MOST_TARGETS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MOST_TARGETS, replace=False))


def _model(
    selector: Selector,
    pool: CandidatePool,
    core: tuple[Core | None, Features | None],
    until: Until | None,
    options: Options,
) -> ErrorModel | None:
    """Find the scale; None where the error is not asked for."""
    potential, key = options.prior.potential, options.limits.energy_key
    if potential is not None:
        if key is not None:
            raise InvalidInputError("energy_key: expected a core with energies, and not a potential, which has a scale")
        fitted = (
            potential if isinstance(potential, LinearPotential) else LinearPotential.load(potential, pool.descriptor)
        )
        return error_model.of_potential(fitted) if until is not None or "energy" in fitted.noise_ else None
    if until is None and key is None:
        return None
    structures, rows = core
    in_ev = key is not None or (until is not None and not until.is_fraction)
    if in_ev and (structures is None or rows is None):
        asked = "energy_key" if key is not None else f"until {options.limits.until}"
        raise InvalidInputError(
            f"{asked}: expected a core with energies or a potential, which give the scale, got none; "
            "a fraction such as 50% needs no energies"
        )
    prior = _prior(selector, pool, rows, options)
    if in_ev and structures is not None and rows is not None:
        return error_model.of_core_energies(structures, rows, prior, key)
    if rows is not None:
        prior.update(rows.per_structure, n_threads=options.execution.n_threads)
    return error_model.of_prior(prior)


def _prior(selector: Any, pool: CandidatePool, core: Features | None, options: Options) -> Posterior:
    """Make the prior of the selection."""
    known = options.prior.parameters()
    precision, noise = known["prior_precision"], known["noise_precision"]
    X = pool.features if isinstance(pool.features, StoredRows) else structure_rows(pool.features)
    if precision is None:
        scale: PriorScale = selector.scale if selector.keeps_posterior else DEFAULT_SCALE
        others = core_rows(core, X)
        precision = prior_from_ridge(known["ridge"], noise, X, others, scale, options.execution.n_threads)
    return Posterior(X.shape[1], precision, noise)


def followed(curve: ErrorCurve, selector: Any, pool: CandidatePool, options: Options) -> ExpectedError:
    """Return what a curve says after the last pick."""
    if curve.until is None:
        curve.begin(pool.features, None, len(selector.selected_idx_))
        for index in selector.selected_idx_.tolist():
            curve.picked(index)
    largest = None
    if options.prior.potential is not None and getattr(selector, "score", None) == "force":
        largest = curve.model.force_factor * float(selector.next_score()) ** 0.5
    return curve.result(largest)
