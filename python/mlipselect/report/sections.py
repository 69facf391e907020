"""The sections of the page of a selection."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect._core import __version__
from mlipselect.descriptors.record import describe_descriptor
from mlipselect.exceptions import place_of
from mlipselect.io.frame import Frame
from mlipselect.report.chart import Series, bars, curves
from mlipselect.report.coverage import NEAR, Coverage
from mlipselect.report.facts import Facts
from mlipselect.report.page import items, paragraph, table
from mlipselect.report.picture import colors_of, picture
from mlipselect.selection.record import jsonable
from mlipselect.selection.result import Selection
from mlipselect.utils.told_apart import told_apart

#: Bytes that the pictures of a page take together, at most.
PICTURES = 2_000_000
#: Structures that were passed over which are listed.
MOST_REJECTED = 50


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


def told(value: float) -> str:
    """Return a number with three digits, without an exponent where it is readable without."""
    return f"{value:,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def summary(selection: Selection, facts: Facts | None) -> str:
    """Say in one paragraph what was asked and what came out."""
    pool, core = selection.inputs["pool"], selection.inputs["core"]
    known = f"given {core['candidates']} structures in the core" if core else "without a core"
    if selection.run:
        text = f"{len(selection)} structures were taken from biased dynamics, {known}"
    else:
        text = f"{len(selection)} of {pool['candidates']:,} candidates were picked, {known}, by the method "
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
            f"{told(found.largest[0])} to {told(found.largest[-1])} at most and from {told(found.mean[0])} to "
            f"{told(found.mean[-1])} in the mean."
        )
        text += f" {_suggestion(facts)}".rstrip()
    out = [paragraph(text, "lead")]
    notes = [*selection.notes]
    if selection.isolated:
        notes.append(f"{len(selection.isolated)} isolated atoms of the pool are kept, and were not scored")
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
                "noise", is_log=bool((found.mean > 0).all()), mark=mark,
            )
        )  # fmt: skip
    if np.isfinite(selection.information).all():
        values = np.concatenate([[0.0], selection.information])
        series = [Series("of all picks so far", picks, values, 2)]
        out.append(curves(series, "structures picked", "information about the weights, nat"))
    error = selection.expected_error
    if error is not None and len(error.curve) > 1:
        unit, factor = ("meV/atom", 1e3) if error.in_ev else ("% of that before the first pick", 100.0)
        own = Series("expected", np.arange(float(len(error.curve))), error.curve * factor, 3)
        out.append(curves([own], "structures picked", f"expected error of energies, {unit}"))
    out.append("</div>")
    if found is None:
        out.append(paragraph(f"What is left uncertain is not shown: {facts.why_no_learning}.", "note"))
    else:
        looked = f"{len(found.sample):,} of {len(facts.pool):,} candidates at equal steps" if len(found.sample) < len(
            facts.pool
        ) else "all candidates"  # fmt: skip
        out.append(
            paragraph(
                f"Over {looked}. {_suggestion(facts)} Deviations are those of a linear model of the features; labels "
                "give them a unit.",
                "note",
            )
        )
    return "".join(out)


def structure_map(facts: Facts) -> str:
    """Show the map, which the script of the page draws."""
    first, second = facts.space.shares
    what = "taken structures" if facts.is_run else "candidates"
    told = (
        f"The axes are the two directions in which pool and core vary most, whitened: {100 * first:.0f} % and "
        f"{100 * second:.0f} % of the variance of the features, each divided by its standard deviation. Circles are "
        f"the picks{', crosses the core' if len(facts.core_rows) else ''}. Point at one to see what it is; a click on "
        "a pick leads to it."
    )
    given = facts.selection.given
    if given is not None and not given.pool.is_whole:
        told += " The candidates shown are what was picked from each share of the pool."
    return (
        '<div id="map-controls"><label>Colour: <select id="map-color" aria-label="what colours stand for"></select>'
        '</label></div><div id="map-box"><canvas id="map-canvas" role="img" '
        f'aria-label="map of {len(facts.pool)} {what}, the core and {len(facts.rows)} picks"></canvas>'
        '<div id="map-tip" role="status"></div></div><div id="map-legend"></div>'
        "<noscript><p>The map is drawn by the script of this page, which the browser does not run.</p></noscript>"
        + paragraph(told, "note")
    )


def composition(facts: Facts) -> str:
    """Show composition by group and by element, before and after."""
    out = []
    for shares in facts.shares:
        if len(shares.names) == 1:
            one = f"All atoms are {shares.names[0]}." if shares.of == "element" else f"All are {shares.names[0]}."
            out.append(paragraph(one))
            continue
        what = "Atoms by element" if shares.of == "element" else f"Structures by {shares.of}"
        out.append(f"<h3>{escape(what)}</h3>{bars(shares)}")
    return "".join(out) or paragraph("Structures have neither a group nor a known composition.", "note")


def findings(selection: Selection, facts: Facts | None) -> str:
    """Tell near-duplicates and structures that were passed over."""
    out = []
    if facts is not None and facts.nearness is not None:
        near = facts.nearness
        whole = near.looked_at == len(facts.pool)
        who = "candidates" if whole else f"{near.looked_at:,} candidates that were looked at, at equal steps"
        counts = ", ".join(f"{count:,} within {d:g}" for count, d in zip(near.counts, NEAR, strict=True))
        texts = [
            f"Of {near.looked_at:,} candidates, these have another one close by, at least: {counts}."
            if whole
            else f"Of {who}, these have another one close by, at least: {counts}."
        ]
        if facts.n_copies:
            texts.append(f"{facts.n_copies:,} candidates are equal to another to the last bit.")
        out += [paragraph(text) for text in texts]
        close = [(a, b, d) for a, b, d in near.pairs if d <= NEAR[-1]]
        if close:
            names = _places(facts)
            rows = [[names(a), names(b), f"{d:.2g}"] for a, b, d in close]
            out += ["<h3>The closest pairs</h3>", table(["candidate", "and candidate", "distance"], rows, [0, 1])]
        out.append(
            '<p class="note">A distance is the root mean square difference of the features, each in units of its '
            "standard deviation. <code>--min&#8209;distance</code> keeps picks apart by it.</p>"
        )
    rejected = selection.rejected
    out.append("<h3>Structures that were passed over</h3>")
    if rejected:
        rows = [[place_of(item.source, item.index), item.reason] for item in rejected[:MOST_REJECTED]]
        out.append(table(["structure", "why"], rows, [0, 1]))
        if len(rejected) > MOST_REJECTED:
            out.append(paragraph(f"and {len(rejected) - MOST_REJECTED:,} more, which the record lists", "note"))
    else:
        out.append(paragraph("None."))
    return "".join(out)


def _places(facts: Facts) -> Any:
    """Return what names a candidate by its file, shortened, and its frame."""
    names, pool = told_apart(facts.pool.files), facts.pool

    def name(row: int) -> str:
        number = int(pool.file[row])
        return place_of(names[pool.files[number]] if number >= 0 else None, int(pool.frames[row]))

    return name


def coverage(facts: Facts) -> str:
    """Show how far pool and target are from what is known, before and after."""
    out = ['<div class="pair">']
    rows = []
    for name, found in (("candidates", facts.coverage), ("target", facts.target_coverage)):
        if found is None:
            continue
        out.append(_distances(name, found))
        for when, values in (("core", found.before), ("core and picks", found.after)):
            if values is not None:
                own = "picks" if found.before is None else when
                rows.append([f"{name} to {own}", *(f"{v:.3g}" for v in np.percentile(values, [50, 90, 100]))])
    if not rows:
        return paragraph("What was taken is all there is, so nothing else is covered.", "note")
    note = (
        "The distance of a structure to the nearest one that is known: the root mean square difference of the "
        "features, each in units of its standard deviation over pool and core."
    )
    numbers = table(["distance of", "median", "90 %", "largest"], rows)
    return f"{''.join(out)}<div>{numbers}{paragraph(note, 'note')}</div></div>"


def _distances(name: str, found: Coverage) -> str:
    """Draw which share of structures is within which distance."""

    def series(label: str, values: NDArray[np.float64], color: int) -> Series:
        ordered = np.sort(values)
        return Series(label, ordered, 100.0 * np.arange(1, len(ordered) + 1) / len(ordered), color)

    shown = [] if found.before is None else [series("to the core", found.before, 1)]
    shown.append(series("to the picks" if found.before is None else "to core and picks", found.after, 0))
    return curves(shown, "distance", f"share of the {name} that are within it, %")


def picks(facts: Facts) -> str:
    """Show every pick with its picture, its reason, and where it is from."""
    selection = facts.selection
    names = told_apart(frame.source or "" for frame in selection.frames)
    out, numbers, spent, n_without = ['<div class="picks">'], set(), 0, 0
    for k, frame in enumerate(selection.frames):
        drawn = picture(frame.atoms) if spent < PICTURES else None
        n_without += drawn is None
        spent += len(drawn or "")
        numbers.update(frame.atoms.numbers.tolist())
        out.append(_pick(facts, k, frame, drawn, names))
    out.append("</div>")
    colors = colors_of(np.array(sorted(numbers), dtype=np.int64))
    style = "".join(f".e-{symbol}{{fill:{color}}}" for symbol, color in colors.items())
    told = "Pictures show each structure from the side, its third axis upwards; colours of elements are those of Jmol."
    if n_without:
        told += f" {n_without:,} structures have none: they are too large, or the page would be."
    return f"<style>{style}</style>" + paragraph(told, "note") + "".join(out)


def _pick(facts: Facts, k: int, frame: Frame, drawn: str | None, names: dict[str, str]) -> str:
    selection, row = facts.selection, int(facts.rows[k])
    kind = f"{facts.pool.group(row)} · " if facts.pool.group_key else ""
    place = f"{names[frame.source or '']}, frame {frame.index}" if frame.source else f"structure {frame.index}"
    score = selection.scores[k]
    told = [f"score {score:.4g}"] if np.isfinite(score) else []
    told.append(f"{selection.information[k]:.2f} nat so far" if np.isfinite(selection.information[k]) else "")
    energy = float(facts.pool.energies[row])
    told.append(f"energy per atom {energy:.6g}" if energy == energy else "")
    reason = selection.reasons[k] if k < len(selection.reasons) else ""
    return (
        f'<article class="pick" id="pick-{k + 1}"><h3>{k + 1}<small>index {int(selection.indices[k])}</small></h3>'
        f"{drawn or ''}<p><b>{escape(kind + str(frame.atoms.symbols))}</b>, {len(frame.atoms)} atoms</p>"
        f'<p title="{escape(frame.source or "")}">{escape(place)}</p><p>{escape(", ".join(filter(None, told)))}</p>'
        f'<p class="note reason">{escape(reason)}{"." if reason else ""}</p></article>'
    )


def provenance(selection: Selection) -> str:
    """Tell files with their digests, parameters, timings and versions."""
    out = []
    rows = []
    for part in ("pool", "core", "target"):
        known = selection.inputs.get(part) or {}
        for file in known.get("files", []):
            frames = f"@{file['frames']}" if file.get("frames") else ""
            rows.append([part, f"{file['path']}{frames}", file["sha256"]])
        stores = known.get("store")
        if stores:
            rows.append([part, f"store of features: {stores}", ""])
    potential = selection.inputs.get("potential")
    if potential and "path" in potential:
        rows.append(["potential", potential["path"], potential["sha256"]])
    if rows:
        out += ["<h3>Files</h3>", table(["part", "file", "SHA-256"], rows, [1, 2])]
    if selection.seconds:
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in selection.seconds.items())
        out += ["<h3>Times</h3>", paragraph(times)]
    shown = {key: jsonable(value) for key, value in selection.parameters.items() if value is not None}
    descriptor = describe_descriptor(selection.descriptor)
    listed = [*shown.items(), ("descriptor", descriptor)]
    texts = [[key, value if isinstance(value, str) else json.dumps(value, default=str)] for key, value in listed]
    out += ["<h3>Parameters</h3>", table(["parameter", "value"], [_shortened(row) for row in texts], [1])]
    out.append(paragraph(f"mlipselect {__version__}", "note"))
    return "".join(out)


def _shortened(row: Sequence[str]) -> list[str]:
    return [cell if len(cell) <= 400 else cell[:400] + "…" for cell in row]
