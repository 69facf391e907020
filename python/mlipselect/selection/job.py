"""The one pipeline from a pool to picks: open, survey, featurise, fit, record, publish."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import Posterior
from mlipselect.checkpoint import Checkpoint, identity_of
from mlipselect.descriptors.base import DescriptorLike
from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.io.inspection import Rejected
from mlipselect.io.output import Output
from mlipselect.io.rejected import RejectedFile
from mlipselect.io.writer import Writer
from mlipselect.models import LinearPotential
from mlipselect.random_state import draw_seed
from mlipselect.selection.candidate_pool import CandidatePool, Outcome
from mlipselect.selection.core import Core, CoreLike
from mlipselect.selection.expected_error import ErrorCurve
from mlipselect.selection.follow_error import error_curve, followed
from mlipselect.selection.options import Options
from mlipselect.selection.outputs import fill_page, open_outputs, open_page, publish, structure_writer
from mlipselect.selection.pools import open_pool
from mlipselect.selection.potential import fitted_potential, potential_input
from mlipselect.selection.reasons import reasons
from mlipselect.selection.record import (
    passed_over,
    picks_depend_on,
    picks_of_groups,
    recorded_parameters,
    selection_notes,
)
from mlipselect.selection.result import Given, Selection
from mlipselect.selection.target import Target
from mlipselect.selectors import Constraint, Selector
from mlipselect.selectors.registry import make_selector
from mlipselect.selectors.starting_posterior import learned, starting_posterior
from mlipselect.stores.joined import JoinedStores
from mlipselect.utils.told import counted, is_or_are


def run_job(
    pool: Any,
    n: int,
    core: CoreLike | None,
    descriptor: DescriptorLike | None,
    options: Options,
    before: Callable[[Selection], None] | None = None,
) -> Selection:
    """Select, and write what the options ask for; see `mlipselect.select`.

    Parameters
    ----------
    pool : like that of `select`, or CandidatePool
        The candidates.
    n : int
        Number of structures to select.
    core : like `CoreLike`, optional
        Structures that are in the training set already.
    descriptor : object or callable, optional
        What describes structures.
    options : Options
        All options.
    before : callable, optional
        Is called with the selection before its files appear. If it raises, they do not.

    Raises
    ------
    StructureError
        A structure that cannot be read or described.
    InvalidInputError
        Options that do not go together, or that the pool or the method has no use for.
    """
    parameters = options.selector_parameters()
    if options.prior.potential is not None:
        potential = fitted_potential(options.prior.potential, options, core, descriptor)
        descriptor, parameters["posterior"] = potential.descriptor, potential.posterior_
        options = dataclasses.replace(options, candidates=dataclasses.replace(options.candidates, composition=False))
    selector = _selector(n, options, parameters)
    candidates = open_pool(pool, options)
    options = candidates.settled(options)
    target = _target(selector, options)
    candidates.refuse(selector, options)
    known = None
    if core is not None:
        known = Core(core, options.candidates.marks, options.reading, options.checks.of_a_core())
        if known.described and selector.needs_designs:
            raise InvalidInputError("scores and updates of forces and stress need structures as core: give their files")
    inputs = _inputs(candidates, known, target, options)
    with contextlib.ExitStack() as stack:
        files = open_outputs(options.outputs, inputs, stack)
        page = open_page(options.outputs.report, inputs, files, stack)
        rejects = None
        if options.outputs.output is not None:
            rejected_file = RejectedFile(options.outputs.output, inputs, expected=options.checks.skip_bad)
            rejects = stack.enter_context(rejected_file)
        times = [time.perf_counter()]
        writer = None if files is None else structure_writer(options.outputs, files)
        candidates.survey(known, n, options.execution.progress, writer)
        n = options.limits.most(n, len(candidates.sizes))
        if target is not None:
            target.survey(options.execution.progress)
        options.reading.tell_unused()
        if writer is not None:
            writer.refuse_several(n)
            writer.tell()
        times.append(time.perf_counter())
        if len(candidates.sizes):
            result = _selected(selector, candidates, known, target, n, descriptor, options, times)
        else:
            result = _nothing(candidates, known, target, n, options)
        result.seconds = dict(zip(("reading", "features", "selection"), np.diff(times).tolist(), strict=False))
        if rejects is not None:
            rejects.fill(result.rejected)
        if files is not None and writer is not None:
            _write(result, files, writer)
        fill_page(result, page)
        if before is not None:
            before(result)
        publish(files, rejects, page)
    return result


def _selected(
    selector: Selector,
    pool: CandidatePool,
    core: Core | None,
    target: Target | None,
    n: int,
    descriptor: DescriptorLike | None,
    options: Options,
    times: list[float],
) -> Selection:
    """Describe pool and core, and make the picks; `times` takes the moments at which each was done."""
    in_atoms = selector.needs_atomic_rows or options.prior.update == "atoms"
    if descriptor is None and target is not None and not (core is not None and core.described):
        descriptor = target.recorded_descriptor()
    core_features = pool.featurize(core, descriptor, "atoms" if in_atoms else "structure", options)
    target_features = None if target is None else pool.featurize_target(target, descriptor, options)
    times.append(time.perf_counter())
    selector.n_to_select = min(n, len(pool.sizes)) if pool.rejected else n
    constraints = options.limits.constraints(pool)
    curve = error_curve(selector, pool, (core, core_features), (target, target_features), options)
    if curve is not None and curve.until is not None:
        constraints.append(curve)
    given = _aims(selector, pool, core, target, target_features, options)
    _fit(selector, pool, core, core_features, given, constraints, n, options)
    posterior, information = _learned(selector, pool, core_features, options)
    times.append(time.perf_counter())
    outcome = Outcome(selector, core_features, information)
    result = _result(pool, core, target, n, options, outcome, posterior, constraints)
    result.expected_error = None if curve is None else followed(curve, selector, pool, options)
    result.given = Given(pool, core, target, target_features)
    return result


def _target(selector: Selector, options: Options) -> Target | None:
    """Open the target, if there is one, and refuse it where the selector has no use for it.

    Raises
    ------
    InvalidInputError
        A method or a score without a target, or a share of a pool.
    """
    if options.target.target is None:
        return None
    if options.candidates.shard is not None:
        raise InvalidInputError(
            "target: not with `shard`: the scores that have a target may rise, and `merge` needs scores that never do"
        )
    if not selector.takes_target:
        given = options.method.method + (f" with {options.method.score}" if selector.keeps_posterior else "")
        raise InvalidInputError(
            "target: expected the method bayesian with the score pool_variance or pool_std, which lower the "
            f"uncertainty of a target, got {given}"
        )
    return Target(options.target, options.candidates.marks, options.reading, options.checks)


def _aims(
    selector: Selector,
    pool: CandidatePool,
    core: Core | None,
    target: Target | None,
    target_features: Features | JoinedStores | None,
    options: Options,
) -> dict[str, Any]:
    """Return the target and the designs that the selector has use for, by the parameters of `fit`."""
    given: dict[str, Any] = {}
    n_threads = options.execution.n_threads
    if selector.needs_designs or (selector.needs_target_designs and target is None):
        given |= pool.designs(core, n_threads)
    if target is not None:
        given |= {"target": target_features, "target_weights": target.weights}
        if selector.needs_target_designs:
            given["target_designs"] = target.designs(pool.descriptor, n_threads)
    return given


def _nothing(pool: CandidatePool, core: Core | None, target: Target | None, n: int, options: Options) -> Selection:
    """Return the selection from a pool of which every structure was passed over."""
    return Selection(
        frames=[],
        indices=np.empty(0, dtype=np.int64),
        scores=np.empty(0),
        information=np.empty(0),
        effective_dimension=0.0,
        posterior=None,
        descriptor=None,
        features=Features(np.empty((0, 0)), np.empty(0, dtype=np.int64)),
        isolated=pool.isolated,
        rejected=_all_rejected(pool, core, target),
        parameters={"n": n, "method": options.method.method, **options.checks.recorded()},
        notes=passed_over(0, n, pool, None),
        inputs=_summaries(pool, core, target),
    )


def _all_rejected(pool: CandidatePool, *others: Core | None) -> list[Rejected]:
    """Return what was passed over, in the pool and then in the core and in the target."""
    there = [part.rejected for part in others if part is not None]
    return [*pool.rejected, *(rejected[position] for rejected in there for position in sorted(rejected))]


def _summaries(pool: CandidatePool, core: Core | None, target: Target | None) -> dict[str, Any]:
    """Return the files of all parts with their digests, and their numbers of structures."""
    parts = {"core": core, "target": target}
    return {"pool": pool.summary(), **{name: None if part is None else part.summary() for name, part in parts.items()}}


def _selector(n: int, options: Options, parameters: dict[str, Any]) -> Selector:
    """Make the selector, and refuse options that it has no use for."""
    method = options.method.method
    selector = make_selector(
        method,
        n,
        random_state=draw_seed(options.method.random_state),
        progress=options.execution.progress,
        n_threads=options.execution.n_threads,
        **parameters,
    )
    if options.method.stratify_by is not None and not selector.supports_strata:
        raise InvalidInputError(f"stratify_by: expected only with the method random, got {method}")
    if options.outputs.checkpoint is not None and not selector.is_checkpointable:
        raise InvalidInputError(f"checkpoint: the method {method} makes its picks together, and keeps none on the way")
    if options.limits.are_set and not selector.supports_constraints:
        raise InvalidInputError(
            f"{type(selector).__name__} chooses its structures together: limits, and an error to stop at (until), "
            "need a method that picks one after the other"
        )
    return selector


def _inputs(pool: CandidatePool, core: Core | None, target: Target | None, options: Options) -> list[str]:
    """Return the files that are read, which nothing may replace."""
    others = [file for part in (core, target) if part is not None for file in part.files_to_keep]
    potential = options.prior.potential
    named = [] if potential is None or isinstance(potential, LinearPotential) else [os.fspath(potential)]
    return [*pool.paths, *others, *named]


def _fit(
    selector: Selector,
    pool: CandidatePool,
    core: Core | None,
    core_features: Features | None,
    given: dict[str, Any],
    constraints: Sequence[Constraint],
    n: int,
    options: Options,
) -> None:
    """Make the picks, with what the selector has use for beside what is given."""
    given = dict(given)
    if constraints:
        given["constraints"] = constraints
    if options.method.stratify_by is not None:
        given["groups"] = pool.groups(options.method.stratify_by)
    if options.outputs.checkpoint is not None:
        identity = picks_depend_on(selector, n, pool.descriptor, options) | pool.digests(core, core_features, options)
        if options.target.target is not None:
            rows = given["target"]
            content = rows.per_structure if isinstance(rows, Features) else rows.digests
            identity["target"] = identity_of({"rows": content, "weights": given["target_weights"]})
        given["checkpoint"] = Checkpoint(options.outputs.checkpoint, identity)
    selector.fit(pool.features, core=core_features, **given)


def _learned(
    selector: Any, pool: CandidatePool, core: Features | None, options: Options
) -> tuple[Posterior, NDArray[np.float64]]:
    """Return the posterior after the last pick, and what the picks up to each one taught together."""
    if selector.keeps_posterior:
        return selector.posterior_, selector.information_
    prior = options.prior.parameters()
    start = starting_posterior(pool.features, core, n_threads=options.execution.n_threads, **prior)
    return learned(start, pool.features, selector.selected_idx_, prior["update"])


def _write(result: Selection, files: Output, writer: Writer) -> None:
    """Write a result; where its format turns out not to hold it, keep it in another file, and say so."""
    try:
        result.write_to(files, writer)
    except InvalidInputError as error:
        rescued = files.targets[0].with_name(f"{files.targets[0].name}.rescued.xyz")
        result.write(rescued)
        raise InvalidInputError(f"{error}; what was selected is in {rescued}") from error


def _result(
    pool: CandidatePool,
    core: Core | None,
    target: Target | None,
    n: int,
    options: Options,
    outcome: Outcome,
    posterior: Posterior,
    constraints: Sequence[Constraint],
) -> Selection:
    """Put together what the caller gets."""
    selector, picks = outcome.selector, outcome.selector.selected_idx_.tolist()
    found, notes = pool.conclusions(outcome)
    by = options.limits.groups
    result = Selection(
        frames=pool.take(picks),
        indices=pool.positions(picks),
        scores=selector.scores_,
        information=outcome.information,
        effective_dimension=posterior.effective_dimension(),
        posterior=posterior,
        descriptor=pool.descriptor,
        features=pool.features,
        core_features=outcome.core,
        reasons=reasons(
            selector,
            pool.features,
            outcome.core,
            pool.descriptor,
            str if core is None else core.place,
            () if core is None else core.paths,
            is_limited=any(not isinstance(constraint, ErrorCurve) for constraint in constraints),
            is_whole=pool.is_whole,
        ),
        isolated=pool.isolated,
        rejected=_all_rejected(pool, core, target),
        parameters=recorded_parameters(n, selector, pool, options) | found,
        notes=passed_over(len(picks), n, pool, selector.stop_reason_)
        + selection_notes(selector, constraints, n)
        + ([] if by is None else picks_of_groups(by, pool.groups(by), picks))
        + notes,
        inputs={**_summaries(pool, core, target), "potential": potential_input(options.prior.potential)},
        rows=selector.selected_idx_,
    )
    if len(result) > 2 * result.effective_dimension:
        logging.getLogger("mlipselect").warning(
            "%s %s far more than the effective dimension of the data, %.1f: the last ones add little",
            counted(len(result), "structure"), is_or_are(len(result)), result.effective_dimension,
        )  # fmt: skip
    return result
