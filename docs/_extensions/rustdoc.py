"""The role ``rust``: a link into the pages that rustdoc makes of the crates, as in ``{rust}`mlipselect_core::Pool```.

`cargo doc` writes them to the folder `doc` of cargo's target directory. They become the folder `rust` of the site. A
link that leads to no page of theirs is a warning, so names that a crate no longer has are found when the site is built.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

logger = logging.getLogger(__name__)

_ROOT = Path(__file__).parents[2]
_COMMAND = "cargo doc --workspace --no-deps"
# What rustdoc calls the page of an item; a crate and a module are folders with an index.
_KINDS = ("struct", "enum", "trait", "fn", "type", "constant", "macro")


def _made_by_cargo() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", _ROOT / "target"), "doc").absolute()


def page_of(name: str, folder: Path) -> str | None:
    """Find the page of a Rust item, as a path below the folder of rustdoc; None if there is none."""
    *modules, item = name.split("::")
    within = "/".join(modules)
    candidates = [f"{'/'.join([*modules, item])}/index.html"]
    candidates += [f"{within}/{kind}.{item}.html" for kind in _KINDS if modules]
    return next((page for page in candidates if (folder / page).is_file()), None)


class RustRole(SphinxRole):
    """A name in the Rust crates: code that is a link on the site, and code alone elsewhere."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Make the link, relative to the page that it is on."""
        shown = nodes.literal(self.rawtext, self.text.rpartition("::")[2], classes=["xref", "rust"])
        page = page_of(self.text, _made_by_cargo())
        if page is None:
            if _made_by_cargo().is_dir():
                logger.warning("rustdoc has no page of %s", self.text, location=self.get_location())
            return [shown], []
        up = "../" * self.env.docname.count("/")
        return [nodes.reference(self.rawtext, "", shown, refuri=f"{up}rust/{page}", internal=True)], []


def _look(_: Sphinx) -> None:
    if not _made_by_cargo().is_dir():
        logger.warning("the site has no pages of the Rust crates: run `%s` before", _COMMAND)


def _copy(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html" and _made_by_cargo().is_dir():
        shutil.copytree(_made_by_cargo(), Path(app.outdir, "rust"), dirs_exist_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the role, and take over the pages at the end."""
    app.add_role("rust", RustRole())
    app.connect("builder-inited", _look)
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
