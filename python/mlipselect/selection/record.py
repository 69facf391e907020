"""How a selection was made: its parameters as they were used, and what became of options."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlipselect._core import Posterior
from mlipselect.checkpoint import identity_of
from mlipselect.descriptors.base import DescriptorLike
from mlipselect.descriptors.record import describe_descriptor, descriptor_identity
from mlipselect.selection.candidate_pool import CandidatePool
from mlipselect.selection.options import Options
from mlipselect.selectors import Constraint, Selector
from mlipselect.selectors.prior import DEFAULT_SCALE
from mlipselect.selectors.registry import selector_parameters
from mlipselect.utils.told import counted, told_label

#: Groups whose picks are counted one by one.
MOST_GROUPS = 12


def selection_notes(selector: Selector, constraints: Sequence[Constraint], n: int) -> list[str]:
    """Say what became of limits, and of what the method settled by itself."""
    notes = []
    if selector.stop_reason_ is not None:
        why = {
            "stop_gain": "the next gain is below stop_gain",
            "until": "the expected error is small enough",
            "constraints": "no other candidate meets the limits",
        }[selector.stop_reason_]
        notes.append(f"{len(selector.selected_idx_)} of {n} structures selected: {why}")
    notes += [note for constraint in constraints for note in constraint.notes()]
    return notes + selector.notes()


def picks_of_groups(key: str, groups: Sequence[Any], picks: Sequence[int]) -> list[str]:
    """Say how many of the candidates of each group are picks, the largest group first."""
    whole, picked = (Counter(map(told_label, found)) for found in (groups, [groups[pick] for pick in picks]))
    shown = whole.most_common(MOST_GROUPS)
    told = [f"{name} {picked[name]:,} of {count:,}" for name, count in shown]
    if len(whole) > len(shown):
        others = len(picks) - sum(picked[name] for name, _ in shown), len(groups) - sum(count for _, count in shown)
        told.append(f"{counted(len(whole) - len(shown), 'other group')} {others[0]:,} of {others[1]:,}")
    return [f"picks by {key}: {', '.join(told)}"]


def passed_over(n_picks: int, n: int, pool: CandidatePool, stop_reason: str | None) -> list[str]:
    """Say how many structures of the pool were passed over, and where that leaves fewer than were asked for."""
    if not pool.rejected:
        is_empty = not len(pool.sizes)
        return [f"0 of {n} structures selected: the pool holds nothing but isolated atoms"] if is_empty else []
    notes = [f"{counted(len(pool.rejected), 'structure')} of the pool passed over by skip_bad"]
    if n_picks < n and stop_reason is None:
        notes.insert(0, f"{n_picks} of {n} structures selected: no other candidate is left")
    return notes


def recorded_parameters(n: int, selector: Selector, pool: CandidatePool, options: Options) -> dict[str, Any]:
    """Return the parameters of a selection as they were used.

    A parameter of the prior whose name the selector gives another meaning, such as the `ridge` of `CUR`, is recorded
    as ``posterior_NAME``.
    """
    own, prior = selector_parameters(selector), options.prior.recorded()
    scale = own.get("scale") if selector.keeps_posterior else DEFAULT_SCALE
    prior["scale"] = None if prior["ridge"] is None else scale
    if not selector.keeps_posterior:
        prior = {f"posterior_{name}" if name in own else name: value for name, value in prior.items()}
    aims = options.target.recorded()
    return {
        "n": n, "method": options.method.method, **own, **prior, **aims, **pool.recorded(options), **_how_read(options)
    }  # fmt: skip


def _how_read(options: Options) -> dict[str, Any]:
    """Return the options of reading, if some were given."""
    given = options.reading.recorded()
    return {"reading": given} if given else {}


def picks_depend_on(selector: Selector, n: int, descriptor: DescriptorLike, options: Options) -> dict[str, Any]:
    """Tell, for a checkpoint, what picks depend on beside the rows of pool and core."""
    how = {"max_memory", "engine"}
    own = {name: value for name, value in selector_parameters(selector).items() if name not in how}
    return {
        "method": type(selector).__name__,
        "n": n,
        "descriptor": descriptor_identity(describe_descriptor(descriptor)),
        **identity_of({**own, **options.prior.parameters(), **dataclasses.asdict(options.limits)}),
    }


def jsonable(value: Any) -> Any:
    """Keep numbers and text; of an array, its shape and digest; of a posterior, what tells it from others."""
    if isinstance(value, Posterior):
        return {"features": value.dim, "logdet": value.logdet(), "noise_precision": value.noise_precision}
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "sha256": hashlib.sha256(value.tobytes()).hexdigest()}
    return value.item() if isinstance(value, np.generic) else value
