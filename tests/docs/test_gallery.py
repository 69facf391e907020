"""Every page of the gallery runs."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

pyplot = pytest.importorskip("matplotlib.pyplot", reason="the gallery needs matplotlib")

PAGES = sorted((Path(__file__).parents[2] / "docs" / "gallery").glob("plot_*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_of_the_gallery_run(page, tmp_path, monkeypatch):
    if page.stem.endswith("_mace"):
        pytest.importorskip("mace", reason="the page of MACE needs mace and torch", exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    pyplot.switch_backend("Agg")
    try:
        runpy.run_path(str(page), run_name="__main__")
        assert pyplot.get_fignums(), "no figure was drawn"
    finally:
        pyplot.close("all")
    assert not list(tmp_path.iterdir())
