"""What is shown of a selection, what is written beside it, and the exit code that it ends with."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from mlipselect.cli.exit_codes import NOTHING_SELECTED, OK
from mlipselect.cli.terminal import styled, width_of
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.output import Output
from mlipselect.io.rejected import rejected_path
from mlipselect.report.chemiscope import require_chemiscope, write_chemiscope
from mlipselect.report.csv_table import csv_table
from mlipselect.report.table import selection_table
from mlipselect.selection.calculations import check_folder, check_format, made_calculations
from mlipselect.selection.outputs import record_path
from mlipselect.selection.result import Selection
from mlipselect.utils.told import counted


def add_reasons(parser: argparse.ArgumentParser) -> None:
    """Add the option that shows the reasons for picks."""
    parser.add_argument(
        "--reasons",
        action="store_true",
        help="say for each pick what it was chosen for, where it lies and what it covers; the record always says it",
    )


def add_further_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the options of what is written beside structures and record."""
    group = parser.add_argument_group("further files")
    group.add_argument("--csv", metavar="FILE", help="write the picks as a table for spreadsheets")
    group.add_argument(
        "--write-each",
        metavar="DIR",
        help="write each pick to a folder of its own in DIR, 0001, 0002 and so on, for a calculation",
    )
    group.add_argument(
        "--each-format",
        metavar="FORMAT",
        help="format of these files, by its name in ASE: vasp, espresso-in, castep-cell, cif ... (default: vasp)",
    )
    group.add_argument(
        "--chemiscope",
        metavar="FILE",
        help="write a map for chemiscope.org, such as map.json.gz, with structures and properties",
    )


class FurtherOutputs:
    """What is written beside structures and record; that it can be is made sure before the work.

    Parameters
    ----------
    options : argparse.Namespace
        What was asked for.
    """

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self._files: dict[str, Output] = {}
        self._stack = contextlib.ExitStack()
        self._folders: Path | None = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[FurtherOutputs]:
        """Make sure that everything can be written, and discard what is not published."""
        options = self.options
        if options.each_format is not None and options.write_each is None:
            raise InvalidInputError("--each-format: expected --write-each with it, got none")
        with self._stack as stack:
            if options.write_each is not None:
                check_format(self._format)
                check_folder(options.write_each)
            if options.chemiscope is not None:
                require_chemiscope()
            named = [path for path in (options.output, options.report, options.csv, options.chemiscope) if path]
            if len(set(map(Path, named))) < len(named):
                raise InvalidInputError(f"expected a name of its own for each file to write, got {', '.join(named)}")
            for name in ("csv", "chemiscope"):
                if getattr(options, name) is not None:
                    output = Output(getattr(options, name), inputs=_named_inputs(options))
                    self._files[name] = stack.enter_context(output)
            yield self

    @property
    def _format(self) -> str:
        return self.options.each_format or "vasp"

    def prepare(self, selection: Selection) -> None:
        """Write everything that was asked for under temporary names, to find in time what cannot be written."""
        for name, output in self._files.items():
            Output(output.targets[0], inputs=selection.input_paths)
            if name == "csv":
                output.temporary[0].write_text(csv_table(selection), encoding="utf-8")
            elif len(selection):
                write_chemiscope(selection, output.temporary[0])
        if self.options.write_each is not None and len(selection):
            self._folders = made_calculations(selection, self.options.write_each, self._format)
            self._stack.callback(shutil.rmtree, self._folders, ignore_errors=True)

    def publish(self, selection: Selection) -> list[str]:
        """Give what was prepared its names, and return them."""
        made = []
        for name, output in self._files.items():
            if name == "csv" or len(selection):
                output.publish()
                made.append(str(output.targets[0]))
        if self._folders is not None:
            self._folders.replace(self.options.write_each)
            made.append(f"{counted(len(selection), 'folder')} in {self.options.write_each}")
        return made


def _named_inputs(options: argparse.Namespace) -> list[str]:
    """Return what was named as input; what globs and folders stand for is known once it is read."""
    parts = (getattr(options, name, None) or [] for name in ("pool", "core", "target", "starts", "parts"))
    return [str(item) for part in parts for item in part]


def report(selection: Selection, options: argparse.Namespace, further: FurtherOutputs) -> int:
    """Write what goes beside a selection, show it and the files, unless quiet, and return the exit code."""
    also = further.publish(selection)
    if not options.quiet:
        head, _, rest = selection_table(selection, reasons=options.reasons, most=width_of(sys.stdout)).partition("\n")
        print(styled(head, "bold") if len(selection) else head, rest, sep="\n" if rest else "")
        written = [options.output, record_path(options.output), options.save_posterior, options.report]
        made = [str(path) for path in written if path is not None and Path(path).exists()]
        passed = rejected_path(options.output, selection.rejected)
        print(styled(f"wrote {', '.join([*made, *([] if passed is None else [str(passed)]), *also])}", "green"))
    return OK if len(selection) else NOTHING_SELECTED
