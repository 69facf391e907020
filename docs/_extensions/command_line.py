"""The directive ``command-line``: summary, options and examples of a verb, from the parser that the command uses.

Each option is a target, as in ``:option:`mlipselect select --core```. For pages in reStructuredText.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mlipselect.cli.main import build_parser


class CommandLine(SphinxDirective):
    """Describe the verb that is the argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write the parser as reStructuredText and parse that."""
        actions: Any = build_parser()._actions
        (verbs,) = (action for action in actions if isinstance(action, argparse._SubParsersAction))
        return self.parse_text_to_nodes("\n".join(_described(verbs.choices[self.arguments[0]])))


def _described(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from ("", f".. program:: {parser.prog}", "", *_escaped(parser.description or "").splitlines(), "")
    formatter = parser._get_formatter()
    for group in parser._action_groups:
        if group._group_actions:
            yield from (f".. rubric:: {group.title}", "")
        for action in group._group_actions:
            invocation = formatter._format_action_invocation(action)
            text = _escaped(formatter._expand_help(action))
            yield from (f".. option:: {invocation}", "", f"   {text}", "")
    yield from (".. rubric:: Examples", "", ".. code-block:: sh", "")
    examples = (parser.epilog or "").removeprefix("examples:\n")
    yield from textwrap.indent(textwrap.dedent(examples), "   ").splitlines()
    yield ""


def _escaped(text: str) -> str:
    """Keep reStructuredText from taking characters of plain text for markup."""
    return re.sub(r"([*|\\]|_(?=\W|$))", r"\\\1", text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
