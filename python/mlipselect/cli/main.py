"""Parse the command line, run the verb, and turn what goes wrong into one line and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from mlipselect._core import __version__
from mlipselect.checkpoint import SelectionInterrupted
from mlipselect.cli import demo, featurize, fit, hal, info, merge, report, select
from mlipselect.cli.common import Parser
from mlipselect.cli.completion import SHELLS, PrintCompletion
from mlipselect.cli.exit_codes import BAD_INPUT, INTERRUPTED, OK, TERMINATED
from mlipselect.cli.terminal import Style, styled, tell_error
from mlipselect.cli.wording import in_options
from mlipselect.exceptions import InvalidInputError, MissingExtraError, MlipselectError

DESCRIPTION = """\
Choose the atomic structures worth a DFT calculation.

  mlipselect select pool.xyz --core core.xyz -n 20 -o selected.xyz
  mlipselect demo
"""
EPILOG = """\
exit codes:
  0    done
  1    bad input, or a file that cannot be read or written; nothing was written
  2    the command line was not understood
  3    nothing was selected: every candidate was passed over or kept from being picked by limits, or the pool holds
       nothing but isolated atoms; the record says why, and there is no file of structures
  130  interrupted by Ctrl-C, or 143 by SIGTERM; nothing was written but a checkpoint or finished shards of a store

environment:
  MLIPSELECT_NUM_THREADS
               number of threads where --threads says none
  NO_COLOR     no colours; FORCE_COLOR asks for them where the output is no terminal

'mlipselect VERB --help' explains a verb, with examples.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the name of the command; by default what the shell gave.

    Returns
    -------
    int
        The exit code: 0 done, 1 bad input, 2 bad usage, 3 nothing selected, 130 interrupted, 143 terminated.
    """
    try:
        options, unknown = build_parser().parse_known_args(arguments)
        if unknown:  # said by the parser of the verb, whose help has what there is
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    except SystemExit as stop:  # argparse has said what is wrong, or shown the help
        return int(stop.code or 0)
    except MissingExtraError as error:
        tell_error(error)
        return BAD_INPUT
    with warnings.catch_warnings(), _logging_to_stderr(options.verbose - options.quiet):
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = _show_warning
        try:
            with _terminable():
                code = options.run(options)
            sys.stdout.flush()
        except KeyboardInterrupt as interrupt:
            where = f": {interrupt}" if isinstance(interrupt, SelectionInterrupted) else ""
            print(f"mlipselect: interrupted{where}", file=sys.stderr)
            return TERMINATED if _was_terminated(interrupt) else INTERRUPTED
        except BrokenPipeError:  # whoever read the output has had enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        except InvalidInputError as error:
            tell_error(error, in_options(str(error), options.parser, _given(arguments)), trace=options.verbose > 1)
            return BAD_INPUT
        except (MlipselectError, OSError, MemoryError) as error:
            tell_error(error, trace=options.verbose > 1)
            return BAD_INPUT
    return OK if code is None else int(code)


def _given(arguments: Sequence[str] | None) -> list[str]:
    """Return the values on the command line, those after an equals sign too."""
    given = sys.argv[1:] if arguments is None else arguments
    return [value for argument in given for value in argument.split("=", 1)]


class _Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does, where signals can be handled."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:  # noqa: ARG001
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _was_terminated(error: BaseException | None) -> bool:
    return error is not None and (isinstance(error, _Terminated) or _was_terminated(error.__cause__))


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = Parser(
        prog="mlipselect",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mlipselect {__version__}")
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=SHELLS,
        metavar="SHELL",
        help="print a script that lets bash, zsh or tcsh complete this command (needs mlipselect[completion])",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for verb in (select, merge, report, info, featurize, fit, hal, demo):
        verb.add_parser(verbs)
    return parser


@contextlib.contextmanager
def _logging_to_stderr(level: int) -> Iterator[None]:
    """Write what is logged to the standard error; afterwards a caller in this process has its own logging again."""
    logger, memory = logging.getLogger("mlipselect"), logging.getLogger("mlipselect.memory")
    before = logger.handlers[:], logger.propagate, logger.level, memory.level
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    logger.handlers[:], logger.propagate = [handler], False
    logger.setLevel({-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(level, logging.DEBUG))
    # What memory will be taken is said before it is, unless nothing is to be said.
    memory.setLevel(logging.INFO if level >= 0 else logging.ERROR)
    try:
        yield
    finally:
        logger.handlers[:], logger.propagate = before[0], before[1]
        logger.setLevel(before[2])
        memory.setLevel(before[3])


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        style: Style = "yellow" if record.levelno < logging.ERROR else "red"
        name = styled(record.levelname.lower(), style, sys.stderr)
        kind = "" if record.levelno < logging.WARNING else f"{name}: "
        return f"mlipselect: {kind}{record.getMessage()}"


def _show_warning(
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001
    filename: str,  # noqa: ARG001
    lineno: int,  # noqa: ARG001
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    logging.getLogger("mlipselect").warning("%s", " ".join(str(message).split()))
