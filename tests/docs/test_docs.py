"""What README and docs show runs, and so do the examples of docstrings."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
import textwrap
from pathlib import Path

import pytest
from ase.io import read

import mlipselect
from mlipselect.cli import main
from mlipselect.demo import silicon_core, silicon_pool
from mlipselect.descriptors.registry import DESCRIPTORS
from mlipselect.io import write_exact
from mlipselect.io.formats import FORMATS
from mlipselect.selectors.registry import METHODS

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(mlipselect.__path__, "mlipselect.")
    if not module.name.endswith("__main__")
)
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Give language and text of the code blocks of a page."""
    return [(language, textwrap.dedent(text)) for _, language, text in BLOCK.findall(page.read_text())]


def value_of(words: list[str], option: str) -> str:
    """Return what follows an option of a command."""
    return words[words.index(option) + 1]


@pytest.fixture
def registries():
    """Forget what examples register."""
    before = [(registry, dict(registry)) for registry in (METHODS, DESCRIPTORS, FORMATS)]
    yield
    for registry, known in before:
        registry.clear()
        registry.update(known)


@pytest.fixture
def workplace(tmp_path, monkeypatch, registries):
    """Directory with the files that examples mention."""
    monkeypatch.chdir(tmp_path)
    isolated = silicon_core()[0][:1]
    isolated.info["config_type"] = "isolated_atom"
    write_exact("core.xyz", [isolated, *silicon_core()])
    write_exact("pool.xyz", silicon_pool())
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_of_pages_runs(workplace, page, capsys):
    names = {}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, str(page), "exec"), names)
        elif language == "sh":
            for line in text.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0] == "mlipselect":
                    assert main(words[1:]) == 0, line
                    if words[1] == "hal":
                        assert len(read(value_of(words, "-o"), ":")) == int(value_of(words, "-n")), line
                        assert page.name != "README.md" or "most trajectories ended" not in capsys.readouterr().out
                elif words and words[0] == "make":
                    assert f"\n{words[1]}: " in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    if name in ("mlipselect.descriptors.mace.contraction", "mlipselect.descriptors.mace.messages"):
        pytest.importorskip("torch")
    found = doctest.testmod(importlib.import_module(name))
    assert found.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_every_public_name_is_documented():
    for name in mlipselect.__all__:
        if name != "__version__":
            assert getattr(mlipselect, name).__doc__, name


def test_help_examples_are_understood(workplace, capsys):
    from mlipselect.cli import demo, featurize, select
    from mlipselect.cli.main import build_parser

    for verb in (select, featurize, demo):
        for line in verb.EXAMPLES.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                assert words[0] == "mlipselect"
                build_parser().parse_args(words[1:])
