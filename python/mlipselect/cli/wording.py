"""Messages in the words of the command line: options instead of the parameters that they set."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection

_SUBJECT = re.compile(r"^(?P<name>[a-z][a-z0-9_]*)(?=: | must )")
_IN_BACKTICKS = re.compile(r"`(?P<name>[a-z][a-z0-9_]*)`")
_ADVICE = re.compile(r"(?<=\b(?:raise|lower) )(?P<name>[a-z]+(?:_[a-z]+)+)\b")


def in_options(message: str, parser: argparse.ArgumentParser, given: Collection[str] = ()) -> str:
    """Put the options of a parser in the place of parameters that a message names.

    Parameters are the subject of a message, words in backticks, and what is to be raised or lowered. Other words stay:
    they may be names of files, keys and groups.

    Parameters
    ----------
    message : str
        A message.
    parser : argparse.ArgumentParser
        The parser; names that it does not know stay.
    given : collection of str
        Arguments of the command line: a subject that is one of them is the name of a file, and stays.

    Examples
    --------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> _ = parser.add_argument("--max-cost"), parser.add_argument("--cost")
    >>> in_options("cost: expected `max_cost` with it, got none", parser)
    '--cost: expected --max-cost with it, got none'
    >>> in_options("cost: expected a folder", parser, ["cost", "-n", "3"])
    'cost: expected a folder'
    >>> in_options("its keys are: cost, max_cost", parser)
    'its keys are: cost, max_cost'
    """
    options = {action.dest: max(action.option_strings, key=len) for action in parser._actions if action.option_strings}

    def named(match: re.Match[str]) -> str:
        return options.get(match["name"], match[0])

    subject = _SUBJECT.match(message)
    if subject is not None and subject["name"] not in given:
        message = _SUBJECT.sub(named, message)
    return _ADVICE.sub(named, _IN_BACKTICKS.sub(named, message))
