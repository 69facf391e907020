"""The section of a page that says what a selection was made from, with which parameters and by which version."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Sequence

import ase
import numpy as np

from mlipselect._core import __version__
from mlipselect.descriptors.record import describe_descriptor
from mlipselect.report.page import paragraph, table
from mlipselect.selection.record import jsonable
from mlipselect.selection.result import Selection

#: Files that are listed.
MOST_FILES = 200


def provenance(selection: Selection) -> str:
    """Tell files with their digests, parameters, timings and versions."""
    out = []
    given: Counter[tuple[str, str, str]] = Counter()
    for part in ("pool", "core", "target"):
        known = selection.inputs.get(part) or {}
        for file in known.get("files", []):
            frames = f"@{file['frames']}" if file.get("frames") else ""
            given[part, f"{file['path']}{frames}", file["sha256"]] += 1
        stores = known.get("store")
        if stores:
            given[part, f"store of features: {stores}", ""] += 1
    potential = selection.inputs.get("potential")
    if potential and "path" in potential:
        given["potential", potential["path"], potential["sha256"]] += 1
    rows = [[part, f"{file}, {n:,} times" if n > 1 else file, digest] for (part, file, digest), n in given.items()]
    if rows:
        out += ["<h3>Files</h3>", table(["part", "file", "SHA-256"], rows[:MOST_FILES], [1, 2])]
    if len(rows) > MOST_FILES:
        out.append(paragraph(f"and {len(rows) - MOST_FILES:,} more, which the record lists", "note"))
    if selection.seconds:
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in selection.seconds.items())
        out += ["<h3>Times</h3>", paragraph(times)]
    shown = {key: jsonable(value) for key, value in selection.parameters.items() if value is not None}
    descriptor = describe_descriptor(selection.descriptor)
    listed = [*shown.items(), ("descriptor", descriptor)]
    texts = [[key, value if isinstance(value, str) else json.dumps(value, default=str)] for key, value in listed]
    out += ["<h3>Parameters</h3>", table(["parameter", "value"], [_shortened(row) for row in texts], [1])]
    versions = f"Python {platform.python_version()}, numpy {np.__version__}, ASE {ase.__version__}"
    out.append(paragraph(f"The page was written by mlipselect {__version__}, {versions}.", "note"))
    return "".join(out)


def _shortened(row: Sequence[str]) -> list[str]:
    return [cell if len(cell) <= 400 else cell[:400] + "…" for cell in row]
