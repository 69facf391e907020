"""The version stands in one place; what repeats it agrees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mlipselect

ROOT = Path(__file__).parents[2]


def text(name: str) -> str:
    path = ROOT / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the tests: this is not a checkout")
    return path.read_text(encoding="utf-8")


def test_citation_and_changes_have_the_version_of_the_workspace():
    [version] = re.findall(r'^version = "(.+)"$', text("Cargo.toml"), re.MULTILINE)
    number = version.removesuffix("-dev")
    assert mlipselect.__version__ == version
    assert re.search(rf"^version: {re.escape(number)}$", text("CITATION.cff"), re.MULTILINE)
    first = re.search(r"^## (\S+) \((.+)\)$", text("CHANGELOG.md"), re.MULTILINE)
    assert first is not None
    assert first[1] == number
    assert (first[2] == "unreleased") == version.endswith("-dev")
