"""Completion in shells: a script of the command and its options, made by shtab."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from mlipselect.exceptions import MissingExtraError

SHELLS = ("bash", "zsh", "tcsh")
#: Values of options that are files or folders, by what stands for them in the help.
_FILES = {"FILE", "OUT", "POOL", "RECORD", "STRUCTURES", "START", "PART", "THING", "DIR", "FOLDER", "POTENTIAL"}


class PrintCompletion(argparse.Action):
    """Print the script that lets a shell complete the command, and leave."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Print the script for the shell that is named."""
        print(completion(parser, str(values)))
        parser.exit()


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script that lets a shell complete a command.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        The command.
    shell : {"bash", "zsh", "tcsh"}
        The shell.

    Raises
    ------
    MissingExtraError
        shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise MissingExtraError("completion needs shtab: pip install mlipselect[completion]") from error
    for action in _actions(parser):
        if action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell=shell))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Go through the actions of a command and of its verbs."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _actions(verb)
