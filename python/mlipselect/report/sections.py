"""The sections of a page on pool, core and picks: map, composition, coverage, near-duplicates and bad structures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import place_of
from mlipselect.report.chart import Series, bars, curves
from mlipselect.report.contacts import Contacts
from mlipselect.report.coverage import NEAR, Coverage
from mlipselect.report.facts import Facts
from mlipselect.report.page import paragraph, table
from mlipselect.selection.result import Selection
from mlipselect.utils.told import counted
from mlipselect.utils.told_apart import short_places, told_apart

#: Structures that were passed over which are listed.
MOST_REJECTED = 50


def structure_map(facts: Facts) -> str:
    """Show the map, which the script of the page draws."""
    first, second = facts.space.shares
    what = "taken structures" if facts.is_run else "candidates"
    told = (
        f"The axes are the two directions in which pool and core vary most: {100 * first:.0f} % and "
        f"{100 * second:.0f} % of the variance of the features, each divided by its standard deviation. They are "
        "whitened: the unit of each axis is the standard deviation along it. Circles are "
        f"the picks{', crosses the core' if len(facts.core_rows) else ''}. Point at one to see what it is; a click on "
        "a pick leads to it."
    )
    given = facts.selection.given
    if given is not None and not given.pool.is_whole:
        told += " The candidates shown are what was picked from each share of the pool."
    return (
        '<div id="map-controls"><label>Colour: <select id="map-color" aria-label="what colours stand for"></select>'
        '</label></div><div id="map-box"><canvas id="map-canvas" role="img" '
        f'aria-label="map of {len(facts.pool)} {what}, the core and {counted(len(facts.rows), "pick")}"></canvas>'
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
        texts = [told_nearness(near.looked_at, near.counts)]
        if near.looked_at < len(facts.pool):
            texts.append(f"{near.looked_at:,} of {len(facts.pool):,} candidates were looked at, at equal steps.")
        if facts.n_copies:
            texts.append(f"Equal to another to the last bit: {counted(facts.n_copies, 'candidate')}.")
        out += [paragraph(text) for text in texts]
        close = [(a, b, d) for a, b, d in near.pairs if d <= NEAR[-1]]
        if close:
            names = _places(facts, [row for a, b, _ in close for row in (a, b)])
            rows = [[names(a), names(b), f"{d:.2g}"] for a, b, d in close]
            out += ["<h3>The closest pairs</h3>", table(["candidate", "and candidate", "distance"], rows, [0, 1])]
        out.append(
            '<p class="note">A distance is the root mean square difference of the features, each in units of its '
            "standard deviation. <code>--min-distance</code> keeps picks apart by it.</p>"
        )
    if facts is not None and facts.contacts.looked_at:
        out.append(_close(facts.contacts))
    rejected = selection.rejected
    out.append("<h3>Structures that were passed over</h3>")
    if rejected:
        places = short_places([place_of(item.source, item.index) for item in rejected])
        rows = [[place, item.reason] for place, item in zip(places[:MOST_REJECTED], rejected, strict=False)]
        out.append(table(["structure", "why"], rows, [0, 1]))
        if len(rejected) > MOST_REJECTED:
            out.append(paragraph(f"and {len(rejected) - MOST_REJECTED:,} more, which the record lists", "note"))
    else:
        out.append(paragraph("None."))
    return "".join(out)


def told_nearness(looked_at: int, counts: Sequence[int]) -> str:
    """Say how many candidates have another one within each distance of `NEAR`."""
    among, found = counted(looked_at, "candidate"), [(count, d) for count, d in zip(counts, NEAR, strict=True) if count]
    if not found:
        return f"Of {among}, none was found with another one within the distance {NEAR[-1]:g}."
    (first, nearest), *others = found
    *before, last = [f"within the distance {nearest:g}", *(f"{count:,} within {d:g}" for count, d in others)]
    told = f"{', '.join(before)} and {last}" if before else last
    return f"At least {first:,} of {among} {'has' if first == 1 else 'have'} another one {told}."


def _close(contacts: Contacts) -> str:
    """Tell structures whose atoms are too close."""
    who = "picks" if contacts.of_picks else "candidates"
    n = len(contacts.found)
    text = (
        f"{f'{n:,}' if n else 'None'} of {contacts.looked_at:,} {who} {'have' if n > 1 else 'has'} atoms closer than "
        f"{contacts.limit:g} of the sum of their covalent radii."
    )
    places = short_places([place for place, _ in contacts.found])
    rows = [[place, atoms] for place, (_, atoms) in zip(places[:MOST_REJECTED], contacts.found, strict=False)]
    listed = table(["structure", "atoms"], rows, [0, 1]) if rows else ""
    more = len(contacts.found) - MOST_REJECTED
    return (
        f"<h3>Atoms that are too close</h3>{paragraph(text)}{listed}"
        f"{paragraph(f'and {more:,} more', 'note') if more > 0 else ''}"
    )


def _places(facts: Facts, rows: list[int]) -> Any:
    """Return what names some candidates: by their frames, and their files, shortened, unless all are of one."""
    names, pool = told_apart(facts.pool.files), facts.pool
    is_one = len(pool.files) == 1 and bool((pool.file[rows] == 0).all())

    def name(row: int) -> str:
        number, frame = int(pool.file[row]), int(pool.frames[row])
        return f"frame {frame}" if is_one else place_of(names[pool.files[number]] if number >= 0 else None, frame)

    return name


def coverage(facts: Facts) -> str:
    """Show how far pool and target are from what is known, before and after."""
    out = ['<div class="pair">']
    rows = []
    for name, found in (("other candidates", facts.coverage), ("target", facts.target_coverage)):
        if found is None:
            continue
        out.append(_distances(name, found))
        for when, values in (("core", found.before), ("core and picks", found.after)):
            if values is not None:
                own = "picks" if found.before is None else when
                rows.append([f"{name} to {own}", *(f"{v:.3g}" for v in np.percentile(values, [50, 90, 100]))])
    if not rows:
        return paragraph("All candidates are picks.", "note")
    note = (
        "The distance of a structure to the nearest one that is known: the root mean square difference of the "
        "features, each in units of its standard deviation over pool and core."
    )
    numbers = table(["distance of", "median", "90\u00a0%", "largest"], rows)
    return f"{''.join(out)}<div>{numbers}{paragraph(note, 'note')}</div></div>"


def _distances(name: str, found: Coverage) -> str:
    """Draw which share of structures is within which distance."""

    def series(label: str, values: NDArray[np.float64], color: int) -> Series:
        ordered = np.sort(values)
        return Series(label, ordered, 100.0 * np.arange(1, len(ordered) + 1) / len(ordered), color)

    shown = [] if found.before is None else [series("to the core", found.before, 1)]
    shown.append(series("to the picks" if found.before is None else "to core and picks", found.after, 0))
    return curves(shown, "distance", f"share of the {name} that are within it, %")
