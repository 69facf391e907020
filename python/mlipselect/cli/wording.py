"""Messages in the words of the command line: options instead of the parameters that they set."""

from __future__ import annotations

import argparse
import re


def in_options(message: str, parser: argparse.ArgumentParser) -> str:
    """Put the options of a parser in the place of parameters that a message names.

    Parameters
    ----------
    message : str
        A message. Parameters are words with an underscore, words in backticks, and the
        subject at its beginning.
    parser : argparse.ArgumentParser
        The parser; other words, and those that it does not know, stay.

    Examples
    --------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> _ = parser.add_argument("--max-cost"), parser.add_argument("--groups"), parser.add_argument("--cost")
    >>> in_options("cost: expected `max_cost` with it, got none", parser)
    '--cost: expected --max-cost with it, got none'
    >>> in_options("the cost is above max_cost", parser), in_options("max_cost.xyz: no frames", parser)
    ('the cost is above --max-cost', 'max_cost.xyz: no frames')
    """
    options = {action.dest: max(action.option_strings, key=len) for action in parser._actions if action.option_strings}

    def named(match: re.Match[str]) -> str:
        return options.get(match["name"], match[0])

    message = re.sub(r"^(?P<name>[a-z_]+)(?=: expected | must )", named, message)
    message = re.sub(r"`(?P<name>[a-z_]+)`", named, message)
    return re.sub(r"(?<![\w./'\"-])(?P<name>[a-z]+_[a-z_]+)(?![\w./'\"-]|\.\w)", named, message)
