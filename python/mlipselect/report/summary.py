"""The sections of a page that say what was asked, what came out, and what was learned."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlipselect.descriptors.record import describe_descriptor
from mlipselect.report.chart import Series, curves
from mlipselect.report.facts import Facts
from mlipselect.report.page import items, paragraph
from mlipselect.selection.result import Selection
from mlipselect.utils.told import counted, told_number

NAT = (
    "Information is counted in nat: each nat lowers the volume in which the weights are likely to lie by the factor e, "
    "2.72; 1 nat is 1.44 bits."
)
"""What the unit of information means."""


def told_method(selection: Selection) -> str:
    """Name the method of a selection, with its score."""
    known = selection.parameters
    return str(known["method"]) + (f" with the score {known['score']}" if known.get("score") else "")


def told_descriptor(selection: Selection) -> str:
    """Name the descriptor and the number of its features."""
    record = describe_descriptor(selection.descriptor)
    record = record.get("parameters", record)
    named = ", ".join(f"{key} {_value(record[key])}" for key in ("order", "totaldegree", "rcut") if record.get(key))
    width = selection.features.shape[1]
    return f"{record.get('name', 'a descriptor')} ({named + ', ' if named else ''}{width} features)"


def _value(value: Any) -> str:
    """Return a parameter as text: one number for a list of equal ones."""
    if isinstance(value, (list, tuple)) and value:
        return _value(value[0]) if all(item == value[0] for item in value) else " ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def summary(selection: Selection, facts: Facts | None) -> str:
    """Say in one paragraph what was asked and what came out."""
    pool, core = selection.inputs["pool"], selection.inputs["core"]
    known = f"given {counted(core['candidates'], 'structure')} in the core" if core else "without a core"
    were = "was" if len(selection) == 1 else "were"
    if selection.run:
        text = f"{counted(len(selection), 'structure')} {were} taken from biased dynamics, {known}"
    else:
        text = f"{len(selection)} of {counted(pool['candidates'], 'candidate')} {were} picked, {known}, by the method "
        text += told_method(selection)
        asked = selection.parameters.get("n")
        text += f"; {asked} were asked for" if asked is not None and asked != len(selection) else ""
    text += "." if facts is None else f". Structures were described by {told_descriptor(selection)}."
    if len(selection) and np.isfinite(selection.information[-1]):
        text += (
            f" The picks bring {selection.information[-1]:.1f} nat of information about the weights of a linear model."
        )
    if facts is not None and facts.learning is not None:
        found = facts.learning
        text += (
            " The standard deviation of the energy per atom, in units of the noise, falls from "
            f"{told_number(found.largest[0])} to {told_number(found.largest[-1])} at most and from "
            f"{told_number(found.mean[0])} to {told_number(found.mean[-1])} in the mean."
        )
        text += f" {_suggestion(facts)}".rstrip()
    out = [paragraph(text, "lead")]
    notes = [*selection.notes]
    if selection.isolated:
        notes.append(f"{counted(len(selection.isolated), 'isolated atom')} of the pool kept, and not scored")
    if selection.expected_error is not None:
        notes += selection.expected_error.told()
    return "".join(out) + items(notes)


def _suggestion(facts: Facts) -> str:
    found = facts.learning
    if found is None or not len(found.falls):
        return ""
    if found.suggested is None:
        last = 100.0 * float(found.falls[-1])
        return f"The last picks still lower the mean by {last:.2g} % each: more picks would pay."
    if found.suggested == 0:
        return "Every pick lowers the mean by less than 1 %: core and pool are much the same."
    return f"From {found.suggested} picks on, one more lowers the mean by less than 1 %: as many would do."


def learning(facts: Facts) -> str:
    """Show what was learned from pick to pick."""
    selection, found = facts.selection, facts.learning
    picks = np.arange(len(selection) + 1.0)
    out = ['<div class="pair">']
    if found is not None:
        mark = (float(found.suggested), f"{found.suggested} would do") if found.suggested else None
        series = [Series("largest", picks, found.largest, 1), Series("mean", picks, found.mean, 0)]
        out.append(
            curves(
                series, "structures picked", "standard deviation of the energy per atom that is left, in units of the "
                "noise", is_log=bool((found.mean > 0).all()), counts=True, mark=mark,
            )
        )  # fmt: skip
    if np.isfinite(selection.information).all():
        values = np.concatenate([[0.0], selection.information])
        series = [Series("of all picks so far", picks, values, 2)]
        out.append(curves(series, "structures picked", "information about the weights, nat", counts=True))
    error = selection.expected_error
    told = [NAT] if np.isfinite(selection.information).all() else []
    if error is not None and len(error.curve) > 1:
        unit, factor = ("meV/atom", 1e3) if error.in_ev else ("% of that before the first pick", 100.0)
        own = Series("expected", np.arange(float(len(error.curve))), error.curve * factor, 3)
        out.append(curves([own], "structures picked", f"expected error of energies, {unit}", counts=True))
    out.append("</div>")
    if found is None:
        told.append(f"What is left uncertain is not shown: {facts.why_no_learning}.")
    else:
        looked = f"{len(found.sample):,} of {len(facts.pool):,} candidates at equal steps" if len(found.sample) < len(
            facts.pool
        ) else "all candidates"  # fmt: skip
        told.append(
            f"Deviations are over {looked}, and those of a linear model of the features; labels give them a unit. "
            f"{_suggestion(facts)}".rstrip()
        )
    return "".join([*out, *(paragraph(text, "note") for text in told)])
