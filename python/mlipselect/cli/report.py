"""`mlipselect report`: a page that shows a selection, from the record that it left."""

from __future__ import annotations

import argparse
from typing import Any

from mlipselect.cli.common import (
    add_general_options,
    add_learned_options,
    add_verb,
    descriptor_for,
    progress_from,
)
from mlipselect.io.output import Output
from mlipselect.report.from_record import selection_from
from mlipselect.report.recorded_files import load_whole_record
from mlipselect.report.write import selection_page

SUMMARY = """\
Show a selection on a page: what was selected, why, and what it brings.

Reads the record that `select`, `merge` and `hal` leave beside the selected structures, and the files that it
names, which have to be what they were. The page is one HTML file that needs no network. `select --report FILE`
writes the same page at once, with the times that the work took."""

EXAMPLES = """\
  mlipselect select pool.xyz --core train.xyz -n 20 -o selected.xyz
  mlipselect report selected.json -o report.html
"""


def add_parser(verbs: Any) -> None:
    """Describe the verb."""
    parser = add_verb(verbs, "report", SUMMARY, EXAMPLES)
    parser.add_argument("record", metavar="RECORD", help="record of a selection, such as selected.json")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="page to write, such as report.html")
    add_learned_options(parser)
    add_general_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Make the selection anew from its record, and write its page."""
    record = load_whole_record(options.record)
    descriptor = descriptor_for(options, record["descriptor"], options.record)
    with Output(options.output, inputs=[options.record]) as output:
        selection = selection_from(
            options.record, descriptor, n_threads=options.n_threads, progress=progress_from(options)
        )
        for path in selection.input_paths:
            Output(options.output, inputs=[path])
        output.temporary[0].write_text(selection_page(selection), encoding="utf-8")
        output.publish()
    if not options.quiet:
        print(f"wrote {options.output}")
