"""The section of a page with every pick: its picture, its reason, and where it is from."""

from __future__ import annotations

from html import escape

import numpy as np

from mlipselect.io.frame import Frame
from mlipselect.report.facts import Facts
from mlipselect.report.page import paragraph
from mlipselect.report.picture import colors_of, picture
from mlipselect.utils.told import counted, told_number
from mlipselect.utils.told_apart import told_apart

#: Bytes that the pictures of a page take together, at most.
PICTURES = 2_000_000


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
        told += f" Without one, as it or the page would be too large: {counted(n_without, 'structure')}."
    return f"<style>{style}</style>" + paragraph(told, "note") + "".join(out)


def _pick(facts: Facts, k: int, frame: Frame, drawn: str | None, names: dict[str, str]) -> str:
    selection, row = facts.selection, int(facts.rows[k])
    kind = f"{facts.pool.group(row)} · " if facts.pool.group_key else ""
    place = f"{names[frame.source or '']}, frame {frame.index}" if frame.source else f"structure {frame.index}"
    score, formula = selection.scores[k], frame.atoms.symbols.get_chemical_formula()
    told = [f"score {told_number(score, 4)}"] if np.isfinite(score) else []
    told.append(f"{selection.information[k]:.2f} nat so far" if np.isfinite(selection.information[k]) else "")
    energy = float(facts.pool.energies[row])
    told.append(f"energy per atom {energy:.6g}" if energy == energy else "")
    reason = selection.reasons[k] if k < len(selection.reasons) else ""
    said = "".join(f"<li>{escape(part)}</li>" for part in reason.split("; ") if part)
    return (
        f'<article class="pick" id="pick-{k + 1}"><h3>{k + 1}<small>index {int(selection.indices[k])}</small></h3>'
        f"{drawn or ''}<p><b>{escape(kind + formula)}</b>, {counted(len(frame.atoms), 'atom')}</p>"
        f'<p title="{escape(frame.source or "")}">{escape(place)}</p><p>{escape(", ".join(filter(None, told)))}</p>'
        f'<ul class="note reason">{said}</ul></article>'
    )
