"""The whole way in one call: a pool in, a chosen set out."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import logging
import os
import time
from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import DTypeLike, NDArray

from mlipselect.checkpoint import Checkpoint, identity_of, refuse_unusable
from mlipselect.descriptors import ACE
from mlipselect.descriptors.base import DesignDescriptor
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.features import Designs, Features, FeatureStore, balance_composition, featurize
from mlipselect.features.describe import DescriptorLike
from mlipselect.features.joined import JoinedStores
from mlipselect.io.collection import Isolated, Structures, StructuresLike, sha256
from mlipselect.io.output import Output, write_exact
from mlipselect.limits import CostLike, Limits
from mlipselect.models import LinearPotential
from mlipselect.random_state import RandomState, draw_seed
from mlipselect.selection import Selection, output_for, selection_notes, traced, warn_beyond
from mlipselect.selectors import BayesianSelector
from mlipselect.selectors.bayesian import Score
from mlipselect.selectors.methods import fit, make_selector, needs_derivatives, selector_parameters
from mlipselect.selectors.starting_posterior import learned, starting_posterior
from mlipselect.stored import as_store, picks_depend_on, select_stored, share

_LOGGER = logging.getLogger("mlipselect")


def select(
    pool: StructuresLike | FeatureStore | Sequence[FeatureStore] | JoinedStores,
    n: int = 20,
    core: StructuresLike | None = None,
    descriptor: DescriptorLike | None = None,
    *,
    method: str = "bayesian",
    score: Score | None = None,
    update: Literal["structure", "atoms", "forces", "stress"] = "structure",
    ridge: float = 1e-5,
    prior_precision: float | NDArray[np.float64] | None = None,
    noise_precision: float = 1.0,
    potential: LinearPotential | str | os.PathLike[str] | None = None,
    groups: str | None = None,
    min_per_group: int = 0,
    max_per_group: int | None = None,
    max_atoms: int | None = None,
    cost: CostLike | None = None,
    max_cost: float | None = None,
    min_distance: float | None = None,
    stratify_by: str | None = None,
    stop_gain: float | None = None,
    composition: bool | None = None,
    isolated: str | None = None,
    dtype: DTypeLike = np.float64,
    random_state: RandomState = 0,
    n_threads: int | None = None,
    progress: bool | None = None,
    output: str | os.PathLike[str] | None = None,
    save_posterior: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    shard: str | None = None,
    **parameters: Any,
) -> Selection:
    """Select the structures of a pool that are worth a calculation, given those that are calculated already.

    Parameters
    ----------
    pool : path, iterable of paths, ase.Atoms, iterable of ase.Atoms, or one or several FeatureStore
        Candidates. No labels are used. Of a store, or its folder, only the chosen structures are read; it brings its
        descriptor, and knows no groups, atomic rows or forces.
    n : int, default 20
        Number of structures to select.
    core : like `pool`, optional
        Structures that are in the training set already.
    descriptor : object or callable, optional
        See `featurize`; by default ``ACE()``, which adapts itself to the elements of pool and core. A store has its
        own; where that is not an `ACE`, it has to be given to describe a core.
    method : {"bayesian", "fps", "facility_location", "k_medoids", "cur", "random"}, default "bayesian"
        How to select: by `BayesianSelector`, `FPS`, `FacilityLocation`, `KMedoids`, `CUR` or `RandomSelector`.
    score : {"energy", "logdet", "pool_variance", "pool_std", "force", "stress"} or mapping, optional
        What a candidate is worth to the method ``"bayesian"``; see `BayesianSelector`.
    update : {"structure", "atoms", "forces", "stress"}, default "structure"
        What a pick tells the posterior: the mean of its atomic features, the features of all its atoms, or its mean
        and the derivatives that its forces or its stress are. The last two are for the method ``"bayesian"`` only.
    ridge : float, default 1e-5
        Precision of the prior relative to the noise, in units of the mean square feature. This and the next two are
        those of the posterior, which says for every method what its picks tell.
    prior_precision : float or ndarray of shape (d,) or (d, d), optional
        Precision of the prior, instead of `ridge`.
    noise_precision : float, default 1.0
        Inverse variance of the noise of what a row stands for.
    potential : LinearPotential or path, optional
        A fitted potential, or the file that keeps it: its posterior, which knows what it was fitted to, is where the
        method ``"bayesian"`` starts, and its descriptor describes the pool. No core, descriptor or prior is given then.
    groups : str, optional
        Key of `Atoms.info`, such as ``"config_type"``, or ``"composition"``: structures that agree in it are a group.
    min_per_group, max_per_group : int, optional
        Structures to select of each group, at least and at most; see `Quota`.
    max_atoms : int, optional
        Atoms that the selected structures may have together.
    cost : str or sequence of float, optional
        What the calculation of a structure costs: its number of atoms, ``"natoms"``, as without it, a power of that
        such as ``"natoms^3"``, or a number for each candidate. Only together with `max_cost`.
    max_cost : float, optional
        What the selected structures may cost together; see `Budget`.
    min_distance : float, optional
        Keep this distance from the core and from picks; see `MinDistance`.
    stratify_by : str, optional
        Key like that of `groups`, for the method ``"random"``: draw of each group in proportion to its size.
    stop_gain : float, optional
        Stop before a pick whose score is less than this fraction of the first one's. Only greedy methods have it.
    composition : bool, optional
        Append columns of element fractions, scaled by `balance_composition`; by default where the pool has
        more than one composition.
    isolated : str, optional
        ``"KEY=VALUE"`` that marks isolated atoms, such as ``"config_type=isolated_atom"``. They are not
        candidates and not part of the core's rows. Those of the pool are kept in the result, before the
        selected structures.
    dtype : dtype, default float64
        Type of the features, float64 or float32.
    random_state : int, numpy.random.Generator or None, default 0
        Seed of whatever is random, a generator that gives one, or None for fresh entropy. The seed is recorded.
    n_threads : int, optional
        Number of threads, by default all cores. Results do not depend on it.
    progress : bool, optional
        Show progress bars on the standard error; by default where that is a terminal.
    output : path, optional
        Write the selected structures there and the record of the selection beside it, as `Selection.write`
        does. That the file can be written is made sure before the work.
    save_posterior : path, optional
        Write the posterior after the last pick there; only together with `output`.
    checkpoint : path, optional
        Keep the picks there while they are made, for methods that make them one after the other. The same call goes on
        from that file where an earlier one was stopped, and ends with the same result.
    shard : str, optional
        ``"I/M"``: select from the I-th of M shares of a pool that is one or several stores, for `merge` to select from
        the results of all shares. For the method ``"bayesian"`` with the scores ``"energy"`` and ``"logdet"``.
    **parameters
        Further parameters of the method's selector, such as ``metric="cosine"`` for ``"fps"``.

    Returns
    -------
    Selection
        The selected structures in pick order with their scores, the curve, and the posterior.

    Raises
    ------
    StructureError
        A structure that cannot be read or described, or that lacks the key of `groups`; the message names its file and
        frame.
    InvalidInputError
        An empty pool, `n` out of range, limits that cannot be met, or another argument that cannot be worked with. No
        output is left behind.

    Examples
    --------
    >>> import ase.build, mlipselect as ms
    >>> pool = [ase.build.bulk("Si", a=a) for a in (5.2, 5.3, 5.4, 5.5, 5.6)]
    >>> core = [ase.build.bulk("Si", a=5.4)]
    >>> selection = ms.select(pool, n=2, core=core, descriptor=ms.ACE(["Si"], totaldegree=8))
    >>> selection.indices
    array([0, 4])
    >>> selection.structures[0].info["mlipselect_rank"]
    1
    >>> ms.select(pool, n=2, method="fps", descriptor=ms.ACE(["Si"], totaldegree=8)).indices
    array([0, 4])
    """
    marker = None if isolated is None else Isolated.parse(isolated)
    limits = Limits(groups, min_per_group, max_per_group, max_atoms, cost, max_cost, min_distance)
    posterior_options: dict[str, Any] = {
        "update": update,
        "ridge": ridge,
        "prior_precision": prior_precision,
        "noise_precision": noise_precision,
    }
    fitted = None if potential is None else _fitted(potential)
    if fitted is not None:
        given = {"core": core, "descriptor": descriptor, "prior_precision": prior_precision}
        extra = [name for name, value in given.items() if value is not None]
        if extra or method != "bayesian" or composition:
            name = extra[0] if extra else "composition" if composition else f"method {method}"
            raise InvalidInputError(f"potential: it brings descriptor and posterior, and cannot go with {name}")
        descriptor, composition = fitted.descriptor, False
        parameters["posterior"] = fitted.posterior_
    if method == "bayesian":
        parameters |= posterior_options
    elif update in ("forces", "stress"):
        raise InvalidInputError(f"update: expected 'structure' or 'atoms' with the method {method}, got {update!r}")
    optional = {"score": score, "stop_gain": stop_gain}
    selector = make_selector(
        method,
        n,
        random_state=draw_seed(random_state),
        progress=progress,
        n_threads=n_threads,
        **{name: value for name, value in optional.items() if value is not None},
        **parameters,
    )
    if stratify_by is not None and method != "random":
        raise InvalidInputError(f"stratify_by: expected only with the method random, got {method}")
    if checkpoint is not None and "checkpoint" not in inspect.signature(selector.fit).parameters:
        raise InvalidInputError(f"checkpoint: the method {method} makes its picks together, and keeps none on the way")
    store = as_store(pool)
    if store is not None:
        if fitted is not None:
            raise InvalidInputError("potential: not for a pool that is a store of features")
        if composition:
            raise InvalidInputError("composition: not for a pool that is a store of features, which has its columns")
        if shard is not None:
            store = share(store, shard)
        return select_stored(
            store, n, core, descriptor, method, selector, limits, isolated=marker, parameters=posterior_options,
            n_threads=n_threads, progress=progress, output=output, save_posterior=save_posterior, checkpoint=checkpoint,
        )  # fmt: skip
    if shard is not None:
        raise InvalidInputError("shard: expected a store of features as pool, which `featurize` with `store` makes")
    keys = {key for key in (groups, stratify_by) if key is not None}
    candidates = Structures(cast("StructuresLike", pool), marker, group_by=sorted(keys))
    known = None if core is None else Structures(core, marker)
    inputs = candidates.paths + (known.paths if known is not None else [])
    if potential is not None and not isinstance(potential, LinearPotential):
        inputs.append(os.fspath(potential))
    if save_posterior is not None and output is None:
        raise InvalidInputError("save_posterior: expected `output` with it, got none")
    with contextlib.ExitStack() as stack:
        files: Output | None = None
        if output is not None:
            files = stack.enter_context(output_for(output, inputs, save_posterior))
        if checkpoint is not None:
            refuse_unusable(checkpoint, inputs, [] if files is None else files.targets)
        times = [time.perf_counter()]
        _survey(candidates, known, n, progress)
        if files is not None:
            _check_format(candidates, n, files)
        times.append(time.perf_counter())
        descriptor = _bound(ACE() if descriptor is None else descriptor, candidates, known)
        if composition is None:
            composition = candidates.several_compositions
        elements = _elements(candidates, known) if composition else ()
        rows = "atoms" if "atoms" in (update, getattr(selector, "rows", None)) else "structure"
        options = {"rows": rows, "dtype": dtype, "n_threads": n_threads, "progress": progress}
        X, X_core = _features(candidates, known, descriptor, elements, **options)
        times.append(time.perf_counter())
        constraints = limits.constraints(candidates)
        designs = {}
        if needs_derivatives(selector):
            designs = _designs(candidates, known, descriptor, n_threads)
        kept = None
        if checkpoint is not None:
            kept = Checkpoint(
                checkpoint,
                {
                    **picks_depend_on(selector, n, descriptor, limits, posterior_options),
                    "composition": elements,
                    "isolated": isolated,
                    "pool": _content(candidates, X),
                    "core": None if known is None or X_core is None else _content(known, X_core),
                },
            )
        strata = None if stratify_by is None else candidates.groups[stratify_by]
        fit(selector, X, X_core, constraints, designs=designs, strata=strata, checkpoint=kept)
        if isinstance(selector, BayesianSelector):
            posterior, information = selector.posterior_, selector.information_
        else:
            start = starting_posterior(X, X_core, n_threads=n_threads, **posterior_options)
            posterior, information = learned(
                start, X, selector.selected_idx_, "atoms" if update == "atoms" else "structure"
            )
        positions = [candidates.candidates[index] for index in selector.selected_idx_]
        times.append(time.perf_counter())
        result = Selection(
            frames=candidates.take(positions),
            indices=np.array(positions, dtype=np.int64),
            scores=selector.scores_,
            information=information,
            effective_dimension=posterior.effective_dimension(),
            posterior=posterior,
            descriptor=descriptor,
            features=X,
            core_features=X_core,
            isolated=candidates.take(candidates.isolated_positions),
            parameters={
                "n": n,
                "method": method,
                **selector_parameters(selector),
                **posterior_options,
                "ridge": ridge if prior_precision is None and fitted is None else None,
                "composition": list(elements),
                "composition_scale": X.composition_scale if elements else None,
                "stratify_by": stratify_by,
                "isolated": isolated,
                "dtype": np.dtype(dtype).name,
                **dataclasses.asdict(limits),
            },
            notes=selection_notes(selector, constraints, n),
            inputs={
                "pool": candidates.summary(),
                "core": None if known is None else known.summary(),
                "potential": None if potential is None else _potential_input(potential),
            },
            seconds=dict(zip(("reading", "features", "selection"), np.diff(times).tolist(), strict=True)),
        )
        warn_beyond(result)
        if files is not None:
            result.write_to(files)
            files.publish()
    return result


def _fitted(potential: LinearPotential | str | os.PathLike[str]) -> LinearPotential:
    return potential if isinstance(potential, LinearPotential) else LinearPotential.load(potential)


def _content(structures: Structures, features: Features) -> dict[str, Any]:
    """Tell structures and their features from others."""
    parts = {"structure": features.per_structure, "atoms": features.per_atom}
    digests = {name: identity_of(part) for name, part in parts.items() if part is not None}
    return {"files": list(structures.digests.values()), "features": digests}


def _designs(
    pool: Structures, core: Structures | None, descriptor: DescriptorLike, n_threads: int | None
) -> dict[str, Designs]:
    """Prepare the rows of forces and stresses, which are made when they are asked for."""
    out = {}
    for name, structures in (("designs", pool), ("core_designs", core)):
        if structures is not None:
            atoms = [frame.atoms for frame in structures.iter_candidates()]
            out[name] = Designs(atoms, cast("DesignDescriptor", descriptor), n_threads=n_threads)
    return out


def _survey(pool: Structures, core: Structures | None, n: int, progress: bool | None) -> None:
    pool.survey(progress)
    if core is not None:
        core.survey(progress)
    marked = len(pool.isolated_positions) + (0 if core is None else len(core.isolated_positions))
    if pool.isolated is not None and marked == 0:
        _LOGGER.warning("no structure has %s=%s: there are no isolated atoms", pool.isolated.key, pool.isolated.value)
    available = len(pool.candidates)
    if available == 0:
        raise InvalidInputError("expected at least one candidate in the pool, got none")
    if not 1 <= n <= available:
        raise InvalidInputError(f"n: expected between 1 and {available}, the number of candidates in the pool, got {n}")
    _LOGGER.info(
        "%d candidates of %d atoms, %d structures in the core, %d isolated atoms",
        available, pool.n_atoms, 0 if core is None else len(core.candidates), marked,
    )  # fmt: skip


def _check_format(pool: Structures, n: int, files: Output) -> None:
    """Find out before the work whether the format of the output keeps what the structures carry."""
    first = [traced(frame, rank=1, score=0.0) for frame in pool.take(range(min(n, 2, len(pool))))]
    write_exact(files.temporary[0], first, name=str(files.targets[0]))


def _bound(descriptor: DescriptorLike, pool: Structures, core: Structures | None) -> DescriptorLike:
    """Let a descriptor that adapts itself see structures with all the elements."""
    bind = getattr(descriptor, "bind", None)
    if bind is not None:
        descriptor = bind(pool.examples + ([] if core is None else core.examples)) or descriptor
    _LOGGER.info("descriptor: %r", descriptor)
    return descriptor


def _elements(pool: Structures, core: Structures | None) -> tuple[str, ...]:
    found = set(pool.elements) | set(() if core is None else core.elements)
    return tuple(sorted(found, key=lambda symbol: atomic_numbers[symbol]))


def _features(
    pool: Structures, core: Structures | None, descriptor: DescriptorLike, elements: Sequence[str], **options: Any
) -> tuple[Features, Features | None]:
    X = featurize(pool, descriptor, composition=elements, **options)
    X_core = None
    if core is not None and core.candidates:
        X_core = featurize(core, descriptor, composition=elements, **options)
        if X_core.shape[1] != X.shape[1]:
            problem = f"expected {X.shape[1]} features as for the pool, got {X_core.shape[1]}"
            source, index = X_core.sources[0]
            raise StructureError(problem, index, source)
    if elements:
        scale = balance_composition(*(features for features in (X, X_core) if features is not None))
        _LOGGER.info("element fractions of %s, scaled by %.3g", ", ".join(elements), scale)
    return X, X_core


def _potential_input(potential: LinearPotential | str | os.PathLike[str]) -> dict[str, Any]:
    if isinstance(potential, LinearPotential):
        return {"n_rows": potential.n_rows_, "log_evidence": potential.log_evidence_}
    return {"path": os.fspath(potential), "sha256": sha256(os.fspath(potential))}
