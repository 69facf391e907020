"""What is shown of a selection, and the exit code that it ends with."""

from __future__ import annotations

import argparse
from pathlib import Path

from mlipselect.report.table import selection_table
from mlipselect.selection.outputs import record_path
from mlipselect.selection.result import Selection

DONE, NOTHING = 0, 3


def add_reasons(parser: argparse.ArgumentParser) -> None:
    """Add the option that shows the reasons for picks."""
    parser.add_argument(
        "--reasons",
        action="store_true",
        help="say for each pick what it was chosen for, where it lies and what it covers; the record always says it",
    )


def report(selection: Selection, options: argparse.Namespace) -> int:
    """Show a selection and the files that it was written to, unless quiet, and return the exit code."""
    if not options.quiet:
        print(selection_table(selection, reasons=options.reasons))
        written = [options.output, record_path(options.output), options.save_posterior, options.report]
        made = [str(path) for path in written if path is not None and Path(path).exists()]
        print(f"wrote {', '.join(made)}")
    return DONE if len(selection) else NOTHING
