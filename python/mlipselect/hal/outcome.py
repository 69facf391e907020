"""What a run took, as the result of a selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlipselect.features import Features
from mlipselect.hal.guards import hint_for
from mlipselect.io.frame import Frame
from mlipselect.selection.result import Selection
from mlipselect.utils.told import counted
from mlipselect.utils.told_apart import short_places

if TYPE_CHECKING:
    from mlipselect.hal.hal import Hal


def selection_of(run: Hal) -> Selection:
    """Return what a run took so far.

    Parameters
    ----------
    run : Hal
        The run.

    Returns
    -------
    Selection
        The structures, whose `info` has what is known of each under keys that begin with ``hal_``. Scores are those of
        the trigger. `run` has the counts, and why the run ended.
    """
    picks = run.picks
    surrogate = run.surrogate
    gains = np.array([pick.gain for pick in picks])
    core = surrogate.core
    places = short_places([pick.nearest or "" for pick in picks], () if core is None else core.paths)
    pool: dict[str, Any] = {**run.starts.summary(), "candidates": run.counts["triggered"]}
    return Selection(
        frames=[Frame(pick.frame(), None, index) for index, pick in enumerate(picks)],
        indices=np.arange(len(picks), dtype=np.int64),
        scores=np.array([pick.score for pick in picks]),
        information=0.5 * np.cumsum(gains),
        effective_dimension=run.posterior.effective_dimension(),
        posterior=run.posterior,
        descriptor=surrogate.descriptor,
        features=Features(run.rows(), np.array([len(pick.atoms) for pick in picks], dtype=np.int64)),
        core_features=surrogate.core_features,
        reasons=[pick.reason(run.trigger.name, place) for pick, place in zip(picks, places, strict=True)],
        rejected=run.rejected,
        parameters={"n": run.n, "method": "hal", "random_state": run.seed_, **run.recorded()},
        notes=_notes(run),
        inputs={"pool": pool, "core": None if core is None else core.summary()},
        seconds={"dynamics and selection": run.seconds},
        run={
            "ended": run.ended,
            **dict(sorted(run.counts.items())),
            "failed": dict(run.failed),
            "picks": [pick.told() for pick in picks],
        },
    )


def _notes(run: Hal) -> list[str]:
    """Say how many structures were taken and why the run ended, and what became of the other frames."""
    counts = run.counts
    why = "the run goes on" if run.ended is None else run.ended
    notes = [f"{len(run.picks)} of {run.n} structures taken in {counted(counts['steps'], 'step')}: {why}"]
    notes.append(
        f"{counted(counts['checks'], 'frame')} looked at, {counts['triggered']:,} triggered ({run.trigger.name} above "
        f"{run.trigger.threshold:.3g})"
    )
    notes += _endings(run)
    for name, noun, text in (
        ("near", "candidate", "passed over as near-duplicates"),
        ("late", "candidate", "passed over, no longer triggering after picks of the same round"),
        ("capped", "step", "with a limited bias force"),
    ):
        if counts[name]:
            notes.append(f"{counted(counts[name], noun)} {text}")
    for name, text in (("swaps", "swaps of atoms"), ("cell_moves", "changes of the volume")):
        if counts[name]:
            notes.append(f"{counts[f'{name}_accepted']} of {counts[name]} {text} accepted")
    return notes


def _endings(run: Hal) -> list[str]:
    """Say how many trajectories ended by which check and, where most did, what to change."""
    n, failed = run.n_trajectories, run.counts["rejected"]
    kinds = run.failed.most_common()
    of_which = ", ".join(f"{kind} ({number:,})" for kind, number in kinds)
    ended = f"{failed:,} of {counted(n, 'trajectory', 'trajectories')} ended by a failed check"
    if not failed:
        return [ended]
    notes = [f"{ended}: {of_which}"]
    if 2 * failed > n:
        notes.append(f"most trajectories ended so: {hint_for(kinds[0][0])}")
    return notes
