"""Write the page of a selection."""

from __future__ import annotations

import os

from mlipselect.io.output import Output
from mlipselect.report.facts import facts_of
from mlipselect.report.map_data import map_data
from mlipselect.report.page import page
from mlipselect.report.pick_cards import picks
from mlipselect.report.provenance import provenance
from mlipselect.report.sections import composition, coverage, findings, structure_map
from mlipselect.report.summary import learning, summary
from mlipselect.selection.result import Selection
from mlipselect.utils.told import counted


def selection_page(selection: Selection) -> str:
    """Return the page of a selection, as HTML."""
    pool = selection.inputs["pool"]
    files = [os.path.basename(file["path"]) for file in pool.get("files", [])]  # noqa: PTH119 - as text, not as a path
    where = f" of {files[0]}" if len(files) == 1 else ""
    if not len(selection):
        return page(
            f"Nothing was selected{where}",
            [
                ("summary", "Summary", summary(selection, None)),
                ("findings", "Bad structures", findings(selection, None)),
                ("provenance", "Provenance", provenance(selection)),
            ],
        )
    facts = facts_of(selection)
    how = "taken from biased dynamics" if facts.is_run else f"selected{where}"
    title = f"{counted(len(selection), 'structure')} {how}"
    parts = [
        ("summary", "Summary", summary(selection, facts)),
        ("learning", "What is learned", learning(facts)),
        ("map", "Map", structure_map(facts)),
        ("composition", "Composition", composition(facts)),
        ("coverage", "Coverage", coverage(facts)),
        ("findings", "Near-duplicates and bad structures", findings(selection, facts)),
        ("picks", "Picks", picks(facts)),
        ("provenance", "Provenance", provenance(selection)),
    ]
    return page(title, parts, map_data(facts))


def write_report(selection: Selection, path: str | os.PathLike[str]) -> None:
    """Write the page of a selection to a file, complete or not at all.

    Raises
    ------
    InvalidInputError
        A file that cannot be written, or that is an input of the selection.
    """
    with Output(path, inputs=selection.input_paths) as output:
        output.temporary[0].write_text(selection_page(selection), encoding="utf-8")
        output.publish()
