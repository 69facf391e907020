"""Write the page of a selection."""

from __future__ import annotations

import os

from mlipselect.io.output import Output
from mlipselect.report import sections
from mlipselect.report.facts import facts_of
from mlipselect.report.map_data import map_data
from mlipselect.report.page import page
from mlipselect.selection.result import Selection


def selection_page(selection: Selection) -> str:
    """Return the page of a selection, as HTML."""
    pool = selection.inputs["pool"]
    files = [os.path.basename(file["path"]) for file in pool.get("files", [])]  # noqa: PTH119 - as text, not as a path
    where = f" of {files[0]}" if len(files) == 1 else ""
    if not len(selection):
        return page(
            f"Nothing was selected{where}",
            [
                ("summary", "Summary", sections.summary(selection, None)),
                ("findings", "Bad structures", sections.findings(selection, None)),
                ("provenance", "Provenance", sections.provenance(selection)),
            ],
        )
    facts = facts_of(selection)
    title = f"{len(selection)} structures " + ("taken from biased dynamics" if facts.is_run else f"selected{where}")
    parts = [
        ("summary", "Summary", sections.summary(selection, facts)),
        ("learning", "What is learned", sections.learning(facts)),
        ("map", "Map", sections.structure_map(facts)),
        ("composition", "Composition", sections.composition(facts)),
        ("coverage", "Coverage", sections.coverage(facts)),
        ("findings", "Near-duplicates and bad structures", sections.findings(selection, facts)),
        ("picks", "Picks", sections.picks(facts)),
        ("provenance", "Provenance", sections.provenance(selection)),
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
