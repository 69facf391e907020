"""Every target, script and file that workflows, hooks and pages for developers name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["CONTRIBUTING.md", "RELEASE.md", "README.md", "SECURITY.md", ".github/PULL_REQUEST_TEMPLATE.md"]

if not (ROOT / "Makefile").is_file():
    pytest.skip("this is not a checkout", allow_module_level=True)

WORKFLOWS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / ".github" / "workflows").glob("*.yml"))
HOOKS = [".pre-commit-config.yaml", ".ci/run", "Makefile"]
#: Where pages look for files that they name.
PLACES = [ROOT, ROOT / "python" / "mlipselect", ROOT / "rust" / "core" / "src"]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_of(name: str) -> str:
    """Return what a file has of commands and names: all of it, or the code of a page."""
    text = text_of(name)
    if not name.endswith(".md"):
        return text
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return "\n".join(blocks + re.findall(r"`([^`\n]+)`", text))


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", text_of("Makefile"), re.MULTILINE))


def missing_targets(code: str) -> set[str]:
    """Return targets that are named and are none."""
    lines = re.findall(r"(?:^|[`:|;&]|-|[A-Z]=\S+)\s*make((?: [a-z][a-z-]*)+)", code, re.MULTILINE)
    return {word for line in lines for word in line.split()} - targets()


def missing_files(code: str) -> set[str]:
    """Return scripts, modules and files that are named and are not there; `NAME` stands for one of your own."""
    scripts = re.findall(r"\.ci/[\w-]+", code)
    benches = [name.replace(".", "/") for name in re.findall(r"-m (benches(?:\.\w+)+)", code)]
    files = re.findall(r"(?<![\w./*-])((?:\w[\w.-]*/)+\w[\w.-]*\.(?:py|pyi|rs|md|toml|yml))\b", code)
    top = re.findall(r"(?<![\w./*-])([A-Z][\w-]*\.(?:md|cff|toml|lock)|pyproject\.toml)\b", code)
    there = {name for name in benches if (ROOT / f"{name}.py").exists() or (ROOT / name / "__init__.py").exists()}
    there |= {name for name in [*scripts, *files, *top] if any((place / name).exists() for place in PLACES)}
    return {name for name in [*scripts, *benches, *files, *top] if "NAME" not in name} - there


@pytest.mark.parametrize("name", [*PAGES, *WORKFLOWS, *HOOKS])
def test_what_is_named_is_there(name):
    assert missing_targets(code_of(name)) == set()
    assert missing_files(code_of(name)) == set()


def test_what_is_not_there_is_found():
    code = (
        "  - run: PYTHONS=python3.10 make test-pythons none\n  - run: .ci/none && tests/unit/none.py\n`benches/none.py`"
    )
    assert missing_targets(code) == {"none"}
    assert missing_files(code + "\n.venv/bin/python -m benches.none\nNONE.md") == {
        ".ci/none", "tests/unit/none.py", "benches/none.py", "benches/none", "NONE.md",
    }  # fmt: skip
    assert missing_targets("make lint test\n`make docs`\nentry: make none") == {"none"}


@pytest.mark.parametrize("name", PAGES)
def test_links_of_pages_lead_to_files(name):
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text_of(name))
    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []


def test_the_layout_names_what_is_there():
    [block] = re.findall(r"^## Layout\n+```\n(.*?)^```", text_of("CONTRIBUTING.md"), re.DOTALL | re.MULTILINE)
    base, seen, missing = ROOT, 0, []
    for line in block.splitlines():
        first = re.match(r"([\w/]+?)/?(?=\s|$)", line)
        if first is not None:
            base = ROOT / first[1]
            missing += [] if base.is_dir() else [first[1]]
            line = line[first.end() :].lstrip("/")
        for name in re.findall(r"(?<![\w/.])([a-z_]+/|[a-z_]+\.(?:py|rs))(?=[\s:,;(]|$)", line):
            seen += 1
            missing += [] if any(base.rglob(name.rstrip("/"))) else [f"{base.name}: {name}"]
    assert missing == []
    assert seen > 30
