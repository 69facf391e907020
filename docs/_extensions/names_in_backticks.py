"""Text in single backticks of a docstring: a link where it names something that has a page, code where it does not.

Docstrings write parameters, attributes and functions alike, so that most of them are no references. What begins like a
class of this package, as `Features` or `Features.load` do, has to lead somewhere, and so do See Also sections.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole

# Classes begin with a capital letter; those of ASE, numpy and Python have no page here.
_CLASS = re.compile(r"(?!Atoms\b|Fix\w+\b|\w+Error\b)[A-Z]+[a-z]")


class _QuietRole(PyXRefRole):
    """`py:obj`, marked as one that need not lead anywhere."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        self.name = "py:obj"
        return super().run()

    def result_nodes(self, document: Any, env: Any, node: Any, is_ref: bool) -> Any:
        node["quiet"] = True
        return super().result_nodes(document, env, node, is_ref)


def _resolve(app: Sphinx, env: Any, node: Any, content: nodes.Element) -> nodes.Element | None:
    """Find a name that another module exports; otherwise show code, or let Sphinx warn about a class."""
    target = node["reftarget"]
    first, dot, rest = target.partition(".")
    known = app.config.numpydoc_xref_aliases.get(first)
    if node.get("quiet") and known is not None and target != known:
        python = env.domains["py"]
        found = python.resolve_xref(env, node["refdoc"], app.builder, "obj", known + dot + rest, node, content)
        if found is not None:
            return found
    return content if node.get("quiet") and not _CLASS.match(target) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Make it the role of text in single backticks."""
    app.add_role("name", _QuietRole())
    app.connect("missing-reference", _resolve)
    app.connect("config-inited", lambda _, config: setattr(config, "default_role", "name"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
