"""`mlipselect info`: what a file or a folder is."""

from __future__ import annotations

import argparse
import sys
import textwrap
from typing import Any

from mlipselect.cli.common import add_reading_options, add_verb, reading_from
from mlipselect.cli.exit_codes import BAD_INPUT, OK
from mlipselect.cli.terminal import styled, tell_error, width_of
from mlipselect.exceptions import MlipselectError
from mlipselect.report.info import info_of

SUMMARY = """\
Say what a file or a folder is: structures, a store or an archive of features, a potential, a record, a posterior.

Of structures: how many, of which elements and sizes, with which keys and labels, how many are copies or bad. Of a
record: what was picked how, and whether its files are what they were. Writes nothing. Tells of every THING that is
known, and ends with an error if one is not."""

EXAMPLES = """\
  mlipselect info pool.xyz
  mlipselect info selected.json
"""


def add_parser(verbs: Any) -> None:
    """Describe the verb."""
    parser = add_verb(verbs, "info", SUMMARY, EXAMPLES)
    parser.add_argument("things", nargs="+", metavar="THING", help="files and folders, each told of by itself")
    add_reading_options(parser)
    group = parser.add_argument_group("general")
    group.add_argument("-q", "--quiet", action="count", default=0, help="errors only beside what is asked for")
    group.add_argument("-v", "--verbose", action="count", default=0, help="twice: tracebacks of errors")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Say what each thing is, and return the exit code: that of bad input if one of them cannot be told of."""
    reading, n_told, code = reading_from(options), 0, OK
    for thing in options.things:
        try:
            lines = info_of(thing, reading)
        except (MlipselectError, OSError) as error:
            sys.stdout.flush()
            tell_error(error, trace=options.verbose > 1)
            code = BAD_INPUT
            continue
        print(("\n" if n_told else "") + styled(thing, "bold"))
        n_told += 1
        longest = max(len(name) for name, _ in lines)
        for name, value in lines:
            print(_folded(f"  {name.ljust(longest)}  ", value))
    return code


def _folded(head: str, value: str) -> str:
    """Break a line where the terminal ends."""
    width = width_of(sys.stdout)
    if width is None:
        return head + value
    return textwrap.fill(
        value, max(width, len(head) + 20), initial_indent=head, subsequent_indent=" " * len(head),
        break_on_hyphens=False,
    )  # fmt: skip
