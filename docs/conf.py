"""How Sphinx builds the site: `make docs`, offline, with warnings as errors."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path

import numpydoc.xref

import mlipselect
import mlipselect.descriptors
import mlipselect.io
import mlipselect.models
import mlipselect.plot
import mlipselect.selectors
import mlipselect.testing

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "mlipselect"
author = "the mlipselect developers"
version = release = mlipselect.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
    "numpydoc",
    "myst_parser",
    "command_line",
    "mathml",
    "names_in_backticks",
    "rustdoc",
]
exclude_patterns = ["_build", "gallery"]
templates_path = ["_templates"]

# Furo: one readable column that works without a network and with few dependencies (no bundler, no web fonts). It has a
# release for every Sphinx; pydata-sphinx-theme, the other candidate, needs more packages and more options for as much.
html_theme = "furo"
html_title = f"mlipselect {release}"
html_show_sphinx = html_show_copyright = False
html_math_renderer = "mathml"

# Markdown: links to headings of other pages are checked, down to the third level.
myst_heading_anchors = 3

# Every reference must lead somewhere: one that is broken is mended in its docstring.
nitpicky = True
# The docstrings of tuples and sequences of Python itself.
nitpick_ignore_regex = [("py:class", r"integer -- return .*")]
# `make docs-links` asks for what is elsewhere. The pages of rustdoc are looked up when their names are read.
linkcheck_ignore = [r"(\.\./)*rust/"]

# The gallery is run when the site is built: it shows what the code of today does, and fails where that fails.
# What is logged there belongs to no page. Without mace, which brings torch, its page is shown without what it prints.
_HAS_MACE = importlib.util.find_spec("mace") is not None
logging.getLogger("mlipselect").setLevel(logging.WARNING)
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "filename_pattern": r"/plot_" if _HAS_MACE else r"/plot_(?!\d_mace)",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": ("_repr_html_", "__repr__"),
    "show_memory": False,
    "write_computation_times": False,
    "download_all_examples": False,
}

# Docstrings in the layout of numpydoc. Members have one place each: below their class.
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

# Types of parameters are links to pages of this site only: other packages keep their inventories on the network.
numpydoc.xref.DEFAULT_LINKS.clear()
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {
    name: f"{module.__name__}.{name}"
    for module in (
        mlipselect.testing,
        mlipselect.io,
        mlipselect.models,
        mlipselect.selectors,
        mlipselect.descriptors,
        mlipselect,
    )
    for name in module.__all__
}
