"""A page: one HTML file with its style, its script and its data, which asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

from mlipselect._core import __version__


def page(title: str, sections: Sequence[tuple[str, str, str]], data: Any = None) -> str:
    """Put a page together.

    Parameters
    ----------
    title : str
        Its title, plain text.
    sections : sequence of (str, str, str)
        Identifier, heading (plain text) and content (HTML) of each section; the first has no heading on the page.
    data : optional
        What the script of the page draws, ready for JSON; None for a page without a script.

    Returns
    -------
    str
        The HTML. A browser that reads it lets it load nothing and run no script but its own, whatever the names and
        labels in it are.
    """
    room = files("mlipselect.report")
    style = (room / "page.css").read_text(encoding="utf-8")
    script = (room / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    out = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta name="generator" content="mlipselect {escape(__version__)}"><link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n<body><main><h1>{escape(title)}</h1>",
        '<nav aria-label="sections">',
        *(f'<a href="#{name}">{escape(heading)}</a>' for name, heading, _ in sections[1:]),
        "</nav>",
    ]
    for k, (name, heading, content) in enumerate(sections):
        head = f"<h2>{escape(heading)}</h2>" if k else ""
        out.append(f'\n<section id="{name}">{head}{content}</section>')
    out.append("</main>\n")
    if data is not None:
        # A text in it must not end the element.
        text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
        out.append(f'<script type="application/json" id="data">{text}</script>\n<script>{script}</script>\n')
    return "".join([*out, "</body></html>\n"])


def table(header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: Sequence[int] = ()) -> str:
    """Return a table of plain texts; those of some columns may be broken into lines."""
    kinds = [" class=text" if column in text_columns else "" for column in range(len(header))]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, header, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of plain text."""
    return f"<p{f' class={kind}' if kind else ''}>{escape(text)}</p>"


def items(texts: Sequence[str]) -> str:
    """Return a list of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>" if texts else ""
