"""From declared options to the command line."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any

from mlipselect.utils.option import Option, options_of


class Several(argparse.Action):
    """Append the values of an option that is given several times; the first of them take the place of the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Put the values beside those that were given before."""
        before = getattr(namespace, self.dest)
        own = list(values or [])
        setattr(namespace, self.dest, own if before is self.default else [*before, *own])


def add_option(parser: Any, name: str, declared: Option, default: Any = None, *, required: bool = False) -> None:
    """Add one option to a parser or a group of it, under the name of what it sets.

    Parameters
    ----------
    parser : argparse.ArgumentParser or group
        Where the option goes.
    name : str
        Name of what the option sets.
    declared : Option
        The option.
    default : optional
        Value where the option is not given.
    required : bool, default=False
        Whether it has to be given.
    """
    flags = declared.names(name)
    if not flags:
        return
    how = {key: getattr(declared, key) for key in ("choices", "type", "metavar", "nargs", "action")}
    if declared.nargs == "+" and declared.action is None and declared.type is None:
        how["action"] = Several
    how = {key: value for key, value in how.items() if value is not None} | ({"required": True} if required else {})
    parser.add_argument(*flags, dest=name, default=default, help=declared.help, **how)


def add_options(parser: Any, declared: Any, *names: str, required: bool = False) -> None:
    """Add the options of a dataclass with its defaults, all of them or those that are named."""
    defaults = {field.name: field.default for field in dataclasses.fields(declared)}
    for name, one in options_of(declared).items():
        if not names or name in names:
            add_option(parser, name, one, defaults[name], required=required)
