"""How results show themselves in a notebook: a heading, numbers, and what leads further."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from mlipselect.descriptors.record import describe_descriptor
from mlipselect.report.members import labels_of_picks
from mlipselect.report.page import table
from mlipselect.utils.told import told_number, told_size
from mlipselect.utils.told_apart import told_apart

if TYPE_CHECKING:
    from mlipselect.features import Features
    from mlipselect.hal import Hal
    from mlipselect.models import LinearPotential
    from mlipselect.selection.result import Selection

#: Picks that are shown.
MOST_PICKS = 10


def _shown(title: str, content: str, note: str = "") -> str:
    """Put a heading, a content (HTML) and a note together."""
    tail = f"<div><small>{escape(note)}</small></div>" if note else ""
    return f"<div><b>{escape(title)}</b>{content}{tail}</div>"


def _facts(rows: list[tuple[str, Any]]) -> str:
    return table(["", ""], [[name, str(value)] for name, value in rows], [0, 1])


def selection_html(selection: Selection) -> str:
    """Show the first picks of a selection."""
    n, pool = len(selection), selection.inputs.get("pool", {})
    title = f"{n} of {pool.get('candidates', '?')} candidates, by {selection.parameters.get('method', '?')}"
    names = told_apart(frame.source or "" for frame in selection.frames)
    key, kinds = labels_of_picks(selection)
    has_sources = any(names)
    header = ["rank", "index", *(["file", "frame"] if has_sources else []), *([key] if kinds else [])]
    rows = []
    for k, frame in enumerate(selection.frames[:MOST_PICKS]):
        place = [names[frame.source or ""], str(frame.index)] if has_sources else []
        numbers = [told_number(selection.scores[k], 4), f"{selection.information[k]:.2f}"]
        rows.append([str(k + 1), str(selection.indices[k]), *place, *kinds[k : k + 1], *numbers])
    more = f"and {n - MOST_PICKS} more; " if n > MOST_PICKS else ""
    texts = [column for column, name in enumerate(header) if name in ("file", key)]
    content = table([*header, "score", "information, nat"], rows, texts) if n else ""
    notes = "; ".join(selection.notes)
    return _shown(title, content, f"{more}report(path) writes a page of all{'; ' if notes else ''}{notes}")


def features_html(features: Features) -> str:
    """Show what features are of."""
    rows: list[tuple[str, Any]] = [
        ("structures", f"{len(features):,}"),
        ("features", features.shape[1]),
        ("atoms", f"{int(features.n_atoms.sum()):,}"),
        ("type", features.dtype),
        ("memory", told_size(features.per_structure.nbytes)),
    ]
    if features.descriptor is not None:
        rows.append(("descriptor", features.descriptor.get("name", "?")))
    if features.counts is not None:
        rows.append(("elements", ", ".join(features.counts.elements)))
    if features.per_atom is not None:
        rows.append(("rows of atoms", f"{len(features.per_atom):,}"))
    if features.composition:
        rows.append(("columns of element fractions", ", ".join(features.composition)))
    sources = dict.fromkeys(source for source, _ in features.sources if source)
    if sources:
        names = list(told_apart(sources).values())
        rows.append(("files", ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")))
    return _shown("Features", _facts(rows))


def potential_html(potential: LinearPotential) -> str:
    """Show what a potential was fitted to, and how well it knows its errors."""
    descriptor = describe_descriptor(potential.descriptor).get("name", "a descriptor")
    if not hasattr(potential, "weights_"):
        return _shown(f"LinearPotential of {descriptor}, not fitted", f"<code>{escape(repr(potential))}</code>")
    rows: list[tuple[str, Any]] = [
        ("features", len(potential.weights_)),
        ("rows of labels", f"{potential.n_rows_:,}"),
        ("log evidence", f"{potential.log_evidence_:.1f}"),
        *((f"noise of {kind}", f"{noise:.3g}") for kind, noise in potential.noise_.items()),
        *((f"energy of a free atom of {s}", f"{e:.6f} eV") for s, e in potential.reference_energies_.items()),
        *((f"factor of deviations of {kind}", f"{own.factor:.3g}") for kind, own in potential.calibration_.items()),
    ]
    return _shown(f"LinearPotential of {descriptor}", _facts(rows))


def hal_html(run: Hal) -> str:
    """Show how far a run is."""
    rows: list[tuple[str, Any]] = [
        ("starts", len(run.start_atoms())),
        ("trigger", f"{run.trigger.name} above {run.trigger.threshold:.3g}"),
        *((name, f"{count:,}") for name, count in sorted(run.counts.items())),
        ("ended", run.ended or "not yet"),
    ]
    picks = [
        [str(k), f"{len(pick.atoms)}", f"{pick.temperature:.0f}", f"{pick.step:,}", f"{pick.score:.3g}"]
        for k, pick in enumerate(run.picks[:MOST_PICKS], start=1)
    ]
    shown = table(["rank", "atoms", "temperature, K", "step", "score"], picks) if np.size(picks) else ""
    more = f"and {len(run.picks) - MOST_PICKS} more" if len(run.picks) > MOST_PICKS else ""
    return _shown(f"Hal: {len(run.picks)} of {run.n} structures taken", _facts(rows) + shown, more)
