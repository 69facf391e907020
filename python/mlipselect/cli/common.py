"""Options that several verbs share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from mlipselect.cli.options import add_option, add_options
from mlipselect.descriptors.registry import DESCRIPTORS, WRAPPERS, from_record_in, make_descriptor, owners
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.reading import Reading
from mlipselect.selection.options import Candidates, Execution
from mlipselect.utils.option import options_of


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, without all options above it."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where the options are explained, and end with exit code 2."""
        self.exit(2, f"{self.prog}: error: {message}\nsee {self.prog} --help\n")


def add_verb(verbs: Any, name: str, summary: str, examples: str) -> Parser:
    """Add a verb with its help: a summary above the options, examples below."""
    parser: Parser = verbs.add_parser(
        name,
        help=summary[0].lower() + summary[1:].split("\n")[0].rstrip("."),
        description=summary,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(parser=parser)
    return parser


def add_descriptor_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that define a descriptor of any kind, and the type of its features."""
    add_wrapped_options(parser, list(DESCRIPTORS))
    add_options(parser.add_argument_group("type of features"), Candidates, "dtype")


def add_learned_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that define a descriptor which its record does not say all of."""
    add_wrapped_options(parser, [name for name, kind in DESCRIPTORS.items() if not kind.record_is_complete])


def add_wrapped_options(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add the options that choose and wrap a descriptor, and those of some descriptors."""
    group = parser.add_argument_group("descriptor")
    for name, wrapper in reversed(WRAPPERS.items()):
        add_option(group, name, wrapper.command_options[name])
    group.add_argument(
        "--descriptor",
        choices=list(DESCRIPTORS),
        help="ACE, what a learned potential makes of each atom, or one in another environment (default: ace)",
    )
    add_own_options(parser, names)


def add_own_options(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add the options that only some descriptors have, of those that are named."""
    groups: dict[str, Any] = {}
    added: set[str] = set()
    for kind in map(DESCRIPTORS.__getitem__, names):
        for name, option in kind.command_options.items():
            title = f"descriptor ({', '.join(owners(name))})"
            if title not in groups:
                groups[title] = parser.add_argument_group(title)
            if name not in added:
                add_option(groups[title], name, option)
            added.add(name)


def _given_descriptor_options(options: argparse.Namespace) -> dict[str, Any]:
    """Collect what was given for a descriptor of any kind."""
    names = ["descriptor", *WRAPPERS, *(name for kind in DESCRIPTORS.values() for name in kind.command_options)]
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def has_descriptor_options(options: argparse.Namespace, but: str | None = None) -> bool:
    """Tell whether anything was given for a descriptor, but for one option."""
    return any(name != but for name in _given_descriptor_options(options))


def refuse_descriptor(options: argparse.Namespace, owner: str) -> None:
    """Refuse options of a descriptor where one is there already."""
    for name in _given_descriptor_options(options):
        option = f"--{name.replace('_', '-')}"
        raise InvalidInputError(f"{option}: expected no descriptor, as {owner} has one: leave {option} out")


def descriptor_for(options: argparse.Namespace, record: Mapping[str, Any], owner: str) -> Any:
    """Make the descriptor of a record from the options; None if none were given, as where the record says all."""
    if from_record_in(owner, record) is not None:
        refuse_descriptor(options, owner)
    if not _given_descriptor_options(options):
        return None
    return descriptor_from(options, record.get("descriptor", record).get("dtype", "float64"))


def descriptor_from(options: argparse.Namespace, dtype: str = "float64") -> Any:
    """Make the descriptor that the options define; of MACE, in a precision."""
    return make_descriptor(_given_descriptor_options(options), dtype)


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how files are read."""
    add_options(parser.add_argument_group(Reading.title), Reading)


def reading_from(options: argparse.Namespace) -> Reading:
    """Return how files are read, as the options say."""
    return Reading(**{name: getattr(options, name) for name in options_of(Reading)})


def add_general_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that have nothing to do with the work itself."""
    group = parser.add_argument_group("general")
    add_options(group, Execution)
    group.add_argument("-q", "--quiet", action="count", default=0, help="no bars, no table; errors only")
    group.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="say what is done and what was chosen; twice: tracebacks of errors",
    )


def progress_from(options: argparse.Namespace) -> bool | None:
    """Decide about progress bars: none with --quiet, else as asked; None where the standard error is a terminal."""
    return False if options.quiet else options.progress
