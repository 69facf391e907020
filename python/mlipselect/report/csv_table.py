"""The picks of a selection as a table for spreadsheets."""

from __future__ import annotations

import csv
import io

import numpy as np

from mlipselect.selection.result import Selection

COLUMNS = (
    "rank", "index", "file", "frame", "id", "config_type", "formula", "atoms", "score", "information", "reason",
)  # fmt: skip


def csv_table(selection: Selection) -> str:
    """Return the picks as comma-separated values, one line each below the names of the columns.

    Columns are the rank, the index in the pool, file and frame, the id of a row of a database, ``config_type``, the
    formula, the number of atoms, the score, the information of all picks so far in nat, and the reason. What is not
    known is empty.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for k, frame in enumerate(selection.frames):
        numbers = (selection.scores[k], selection.information[k])
        writer.writerow(
            [
                k + 1, int(selection.indices[k]), frame.source or "", frame.index,
                "" if frame.row_id is None else frame.row_id, frame.info.get("config_type", ""),
                frame.atoms.symbols.get_chemical_formula(), frame.n_atoms,
                *(repr(float(number)) if np.isfinite(number) else "" for number in numbers),
                selection.reasons[k] if k < len(selection.reasons) else "",
            ]
        )  # fmt: skip
    return text.getvalue()
