"""One option of a user: its help and how the command line reads it, beside the value that it sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

KEY = "option"
"""Key of the `Option` in the metadata of a dataclass field."""


@dataclass(frozen=True)
class Option:
    """How an option is explained, and given on the command line.

    Attributes
    ----------
    help : str
        One line on what the option does; ``%(default)s`` stands for the default.
    flags : sequence of str, optional
        Names on the command line, by default ``--`` and the name with hyphens. The command line lacks an option with
        an empty sequence.
    choices : collection of str, optional
        The values that are allowed.
    type : callable, optional
        What turns the text of the command line into the value.
    metavar : str, optional
        What stands for the value in the help.
    nargs : str, optional
        ``"+"`` for an option with several values. Given several times, an option of texts has those of all times, and
        one of numbers, which belong together as those of a cell do, has those of the last time.
    action : str or type, optional
        Action of argparse, such as ``"store_true"``.
    needs : str, optional
        What the command line asks for where the option is missing and cannot be.
    """

    help: str
    flags: Sequence[str] | None = None
    choices: Collection[str] | None = None
    type: Callable[[str], Any] | None = None
    metavar: str | None = None
    nargs: str | None = None
    action: Any = None
    needs: str | None = None

    def names(self, name: str) -> Sequence[str]:
        """Return the names on the command line of the option that sets `name`."""
        return [f"--{name.replace('_', '-')}"] if self.flags is None else self.flags


def option(default: Any, text: str, **how: Any) -> Any:
    """Declare a field of a dataclass as an option.

    Parameters
    ----------
    default
        Value where the option is not given.
    text : str
        One line on what the option does.
    **how
        Further attributes of `Option`.
    """
    return dataclasses.field(default=default, metadata={KEY: Option(text, **how)})


def options_of(declared: Any) -> dict[str, Option]:
    """Return the options of a dataclass by the names of their fields."""
    return {field.name: field.metadata[KEY] for field in dataclasses.fields(declared) if KEY in field.metadata}
