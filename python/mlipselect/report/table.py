"""Tables of plain text."""

from __future__ import annotations

from collections.abc import Sequence

from mlipselect.report.members import labels_of_picks
from mlipselect.selection import Selection
from mlipselect.utils.told import counted, told_number
from mlipselect.utils.told_apart import told_apart

HEAD, TAIL = 15, 5
#: Columns are not shortened below this number of characters.
LEAST = 8


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (), most: int | None = None
) -> str:
    """Align rows of text in columns.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : sequence of sequences of str
        The cells.
    left : sequence of int, optional
        Columns that are aligned to the left; the others are aligned to the right.
    most : int, optional
        Characters of a line, at most: columns that are aligned to the left are shortened in the middle, the longest
        first, down to eight characters.
    """
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    while most is not None and sum(widths) + 2 * (len(widths) - 1) > most:
        longest = max(left, key=lambda column: widths[column], default=None)
        if longest is None or widths[longest] <= LEAST:
            break
        widths[longest] -= 1

    def line(cells: Sequence[str]) -> str:
        padded = (
            _shortened(cell, width).ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    return "\n".join(line(row) for row in [header, *rows])


def _shortened(text: str, width: int) -> str:
    """Leave the beginning and the end of a text that is too long, which tell most."""
    if len(text) <= width:
        return text
    tail = (width - 1 + 1) // 2
    return text[: width - 1 - tail] + "…" + text[len(text) - tail :]


def selection_table(selection: Selection, *, reasons: bool = False, most: int | None = None) -> str:
    """Show a selection as a table of its picks and a summary; of more than 20 picks the first 15 and the last 5.

    Parameters
    ----------
    selection : Selection
        A result of `select`.
    reasons : bool, default=False
        Say below the table, for every pick, what it was chosen for.
    most : int, optional
        Characters of a line of the table, at most.

    Returns
    -------
    str
        A table of rank, index in the pool, source, group (by default the `config_type`) if any pick has one, score
        and cumulative information, and the lines of the summary.
    """
    if not len(selection):
        return "\n".join(_summary(selection))
    key, kinds = labels_of_picks(selection)
    has_sources = any(frame.source for frame in selection.frames)
    names = told_apart(frame.source or "" for frame in selection.frames)
    header = ["rank", "index", *(["file", "frame"] if has_sources else []), *([key] if kinds else [])]
    left = [column for column, name in enumerate(header) if name in ("file", key)]
    header += ["score", "information"]
    rows = []
    for rank, frame in enumerate(selection.frames, start=1):
        place = [names[frame.source or ""], str(frame.index)] if has_sources else []
        kind = [kinds[rank - 1]] if kinds else []
        numbers = [told_number(selection.scores[rank - 1], 4), f"{selection.information[rank - 1]:.2f}"]
        rows.append([str(rank), str(selection.indices[rank - 1]), *place, *kind, *numbers])
    if len(rows) > HEAD + TAIL:
        skipped = ["...", *[""] * (len(header) - 1)]
        rows = [*rows[:HEAD], skipped, *rows[-TAIL:]]
    said = [f"{rank}: {reason}." for rank, reason in enumerate(selection.reasons, start=1)] if reasons else []
    return "\n".join([text_table(header, rows, left, most), "", *said, *([""] if said else []), *_summary(selection)])


def _summary(selection: Selection) -> list[str]:
    pool, core = selection.inputs["pool"], selection.inputs["core"]
    lines = [f"selected {len(selection)} of {counted(pool['candidates'], 'candidate')}"]
    how = selection.parameters["method"]
    if "score" in selection.parameters:
        how += f", {selection.parameters['score']}"
    lines[0] += f", given {counted(core['candidates'] if core else 0, 'structure')} in the core, by {how}"
    if selection.isolated:
        lines.append(f"kept {counted(len(selection.isolated), 'isolated atom')} of the pool")
    lines += selection.notes
    if len(selection) and selection.posterior is not None:
        lines.append(f"information gained: {selection.information[-1]:.2f} nat")
        lines.append(f"effective dimension: {selection.effective_dimension:.1f} of {selection.posterior.dim} features")
    if selection.expected_error is not None:
        lines += selection.expected_error.told()
    lines.append(", ".join(f"{name} {seconds:.2f} s" for name, seconds in selection.seconds.items()))
    return lines
