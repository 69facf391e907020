"""The reference has a page for every public name, and sections of the design that sources cite are there."""

from __future__ import annotations

import argparse
import importlib
import re
from pathlib import Path

import pytest

from mlipselect.cli.main import build_parser

ROOT = Path(__file__).parents[2]
DESIGN, REFERENCE = ROOT / "docs" / "design", ROOT / "docs" / "reference"
SOURCES = sorted([*(ROOT / "rust").rglob("*.rs"), *(ROOT / "python").rglob("*.py")])


def listed_names() -> set[str]:
    """Give the full name of everything that the pages of the reference list."""
    found = set()
    for page in REFERENCE.glob("*.md"):
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith(".. currentmodule::"):
                module = line.split()[-1]
            elif match := re.fullmatch(r"   (\w+)", line):
                found.add(f"{module}.{match[1]}")
    return found


@pytest.mark.parametrize("module", ["mlipselect", "mlipselect.plot", "mlipselect.testing"])
def test_every_public_name_has_a_page(module):
    names = {f"{module}.{name}" for name in importlib.import_module(module).__all__ if name != "__version__"}
    assert names <= listed_names()


def test_every_listed_name_exists():
    for name in listed_names():
        module, _, own = name.rpartition(".")
        assert hasattr(importlib.import_module(module), own), name


def test_every_verb_of_the_command_is_described():
    verbs = next(a.choices for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    page = (REFERENCE / "command-line.rst").read_text(encoding="utf-8")
    assert re.findall(r"\.\. command-line:: (\w+)", page) == list(verbs)


def test_cited_sections_of_the_design_exist():
    n_citations = 0
    for source in SOURCES:
        for citation in re.findall(r"\S+\.md\b(?!\.\w)(?: section [\d.]*\d)?", source.read_text(encoding="utf-8")):
            path, _, section = citation.partition(" section ")
            page = ROOT / path.lstrip("(`")
            assert page.parent == DESIGN, f"{source}: {citation}"
            assert re.search(rf"^##+ {re.escape(section)}\.? ", page.read_text(encoding="utf-8"), re.MULTILINE), (
                citation
            )
            n_citations += 1
    assert n_citations > 0


def exported_by(crate: Path) -> set[str]:
    """Give the names that the root of a Rust crate makes public."""
    text = (crate / "src" / "lib.rs").read_text(encoding="utf-8")
    found = set(re.findall(r"^(?:pub (?:const |fn |enum |struct )+|macro_rules! )(\w+)", text, re.MULTILINE))
    for names in re.findall(r"^pub use [\w:]*?(\w+|\{[^}]*\});", text, re.MULTILINE):
        found.update(re.findall(r"\w+", names))
    return found


def test_page_of_the_rust_crates_names_what_they_have():
    crates = {}
    for manifest in (ROOT / "rust").glob("*/Cargo.toml"):
        text = manifest.read_text(encoding="utf-8")
        if "cargo-fuzz = true" in text:
            continue  # inputs for the other crates, and nothing to call
        names = re.findall(r'^name = "(\w[\w-]*)"', text.split("[[")[0], re.MULTILINE)
        crates[names[-1].replace("-", "_")] = manifest.parent
    page = (REFERENCE / "rust.md").read_text(encoding="utf-8")
    links = re.findall(r"\{rust\}`([\w:]+)`", page)
    assert set(crates) <= set(links)
    for link in links:
        crate, _, name = link.partition("::")
        assert not name or name in exported_by(crates[crate]), link


def test_first_page_and_readme_show_the_same_evidence():
    def rows(page: Path) -> list[str]:
        return [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]

    assert len(rows(ROOT / "README.md")) == 7
    assert rows(ROOT / "docs" / "index.md") == rows(ROOT / "README.md")


def test_evidence_of_the_first_page_is_that_of_its_source():
    source = (ROOT / "docs" / "explanation" / "evidence.md").read_text(encoding="utf-8")
    systems = {}
    for row in re.findall(r"^\| (.*) \|$", source.partition("## Result")[2].partition("## ")[0], re.MULTILINE):
        method, *values = row.split(" | ")
        systems[method] = values[8:11]
    page = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    shown = [row.split(" | ")[1:] for row in re.findall(r"^\| (.*) \|$", page, re.MULTILINE)][2:]
    assert shown == [systems[method] for method in ("default", "energy, none", "fps", "k_medoids", "cur")]
