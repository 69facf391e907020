"""What is shown of a selection, and the exit code that it ends with."""

from __future__ import annotations

import argparse
from pathlib import Path

from mlipselect.report.table import selection_table
from mlipselect.selection.outputs import record_path
from mlipselect.selection.result import Selection

DONE, NOTHING = 0, 3


def report(selection: Selection, options: argparse.Namespace) -> int:
    """Show a selection and the files that it was written to, unless quiet, and return the exit code."""
    if not options.quiet:
        print(selection_table(selection, reasons=getattr(options, "reasons", False)))
        written = [options.output, record_path(options.output), options.save_posterior]
        made = [str(path) for path in written if path is not None and Path(path).exists()]
        print(f"wrote {', '.join(made)}")
    return DONE if len(selection) else NOTHING
