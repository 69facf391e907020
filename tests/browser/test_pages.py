"""Pages in a real browser: nothing fails, nothing is asked of a network, and the map answers the pointer.

Needs playwright and Chromium: ``make test-browser``. ``MLIPSELECT_BROWSER`` names another one, and
``MLIPSELECT_SCREENSHOTS`` a directory for pictures of all pages, light, dark, on a phone and in print.
"""

from __future__ import annotations

import base64
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.demo import silicon_core, silicon_pool
from mlipselect.demo.potentials import label
from reference.structures import rattled

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make test-browser")

SECTIONS = ["summary", "learning", "map", "composition", "coverage", "findings", "picks", "provenance"]
EVIL = "<script>console.error('run')</script><img src=http://192.0.2.1/x>"
VIEWS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "phone": {
        "color_scheme": "light",
        "viewport": {"width": 390, "height": 800},
        "device_scale_factor": 2,
        "has_touch": True,
    },
}


@dataclass
class Opened:
    """A page in a browser, and what it did."""

    page: object
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def canvas(self):
        return self.page.evaluate("document.getElementById('map-canvas').toDataURL()")

    def data(self):
        return self.page.evaluate("JSON.parse(document.getElementById('data').textContent)")

    def place(self, kind, k):
        """Where a pick or a structure of the core is in the window."""
        self.page.locator("#map-canvas").scroll_into_view_if_needed()
        box = self.page.locator("#map-canvas").bounding_box()
        xy = np.frombuffer(base64.b64decode(self.data()[kind]["xy"]), dtype="<u2")[2 * k : 2 * k + 2] / 65535
        x = box["x"] + 14 + xy[0] * (box["width"] - 28)
        return x, box["y"] + box["height"] - 14 - xy[1] * (box["height"] - 28)


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("MLIPSELECT_BROWSER") or next(filter(None, map(shutil.which, names)), None)
    with playwright.sync_playwright() as started:
        if path is None and not Path(started.chromium.executable_path).exists():
            pytest.skip("there is no Chromium here; MLIPSELECT_BROWSER names one")
        # A sandbox needs rights that containers do not have.
        running = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def opened(browser):
    contexts = []

    def open_page(path, view="light"):
        contexts.append(browser.new_context(**VIEWS[view]))
        found = Opened(contexts[-1].new_page())
        found.page.on("console", lambda message: found.messages.append(message.text))
        found.page.on("pageerror", lambda error: found.messages.append(str(error)))
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.goto(Path(path).resolve().as_uri())
        return found

    yield open_page
    for context in contexts:
        context.close()


def look(opened, path, name):
    """Open a page in every way; see that it works, and keep pictures where they are asked for."""
    folder = os.environ.get("MLIPSELECT_SCREENSHOTS")
    for view in VIEWS:
        found = opened(path, view)
        width = found.page.evaluate("document.documentElement.scrollWidth")
        assert width <= VIEWS[view]["viewport"]["width"], f"{view}: wider than the window"
        if folder:
            found.page.screenshot(path=Path(folder) / f"{name}-{view}.png", full_page=True)
        if view == "dark":
            found.page.emulate_media(media="print")
            assert found.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            printed = found.page.pdf(format="A4", **({"path": Path(folder) / f"{name}.pdf"} if folder else {}))
            assert printed.startswith(b"%PDF")
        assert found.messages == []
        assert found.requests == [Path(path).resolve().as_uri()]


def try_map(opened, path):
    """Point at a pick, switch through all colours, and go from a pick to its card."""
    found = opened(path)
    ids = found.page.evaluate("[...document.querySelectorAll('section')].map(s => s.id)")
    assert ids == SECTIONS
    x, y = found.place("picks", 0)
    found.page.mouse.move(x, y)
    told = found.page.inner_text("#map-tip")
    assert told.startswith("pick 1")
    options = found.page.evaluate("[...document.getElementById('map-color').options].map(o => [o.value, o.text])")
    drawn = set()
    for value, text in options:
        found.page.select_option("#map-color", value)
        drawn.add(found.canvas())
        assert value == "group" or text in found.page.inner_text("#map-legend")
    assert len(drawn) == len(options), "two colours draw the same"
    found.page.mouse.click(*found.place("picks", 0))
    found.page.wait_for_url("**#pick-*")
    assert found.page.url.endswith("#pick-1")
    assert found.page.evaluate("document.getElementById('pick-1').getBoundingClientRect().top") < 900
    assert found.messages == []
    return [value for value, _ in options], told


def pool_of(n):
    pool = [rattled(seed) for seed in range(n)]
    for k, atoms in enumerate(pool):
        atoms.info = {"config_type": EVIL if k % 3 else "other", "dft_energy": -2.95 * len(atoms) + 0.001 * k}
    return pool


@pytest.fixture
def page(tmp_path):
    """Write the page of a small selection with groups, energies and a core, whose names would like to be elements."""
    core = [rattled(seed) for seed in range(100, 110)]
    selection = ms.select(pool_of(40), 6, core, ms.ACE(["Si"], totaldegree=6), n_threads=1)
    selection.report(tmp_path / "page.html")
    return tmp_path / "page.html"


def test_the_page_works_in_every_view(opened, page):
    look(opened, page, "small")


def test_the_map_answers(opened, page):
    options, told = try_map(opened, page)
    assert options == ["group", "left", "energy", "rank", "score"]
    for word in ("structure", "8 atoms", "energy per atom -2.9", "uncertainty that is left"):
        assert word in told
    assert EVIL in told or "other" in told


def test_a_structure_of_the_core_says_so(opened, page):
    found = opened(page)
    picks = np.array([found.place("picks", k) for k in range(6)])
    places = np.array([found.place("core", k) for k in range(10)])
    far = np.linalg.norm(places[:, None] - picks, axis=-1).min(axis=1).argmax()
    found.page.mouse.move(*places[far])
    assert found.page.inner_text("#map-tip").startswith(("core", "structure"))
    found.page.mouse.move(0, 0)
    assert not found.page.is_visible("#map-tip")


def test_a_finger_points_too(opened, page):
    found = opened(page, "phone")
    found.page.touchscreen.tap(*found.place("picks", 0))
    assert found.page.inner_text("#map-tip").startswith("pick 1")
    assert not found.page.url.endswith("#pick-1"), "the page has jumped away"
    box = found.page.locator("#map-legend").bounding_box()
    found.page.touchscreen.tap(box["x"] + 5, box["y"] + 5)
    assert not found.page.is_visible("#map-tip")


def test_colours_follow_the_reader(opened, page):
    light, dark = opened(page), opened(page, "dark")
    assert light.canvas() != dark.canvas()
    light.page.emulate_media(color_scheme="dark")
    assert light.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 31)"
    assert light.canvas() == dark.canvas()


def test_a_grid_tells_how_many_are_in_a_place(opened, tmp_path, monkeypatch):
    monkeypatch.setattr("mlipselect.report.facts.MOST_POINTS", 10)
    monkeypatch.setattr("mlipselect.report.map_data.MOST_POINTS", 10)
    ms.select(pool_of(40), 2, descriptor=ms.ACE(["Si"], totaldegree=6)).report(tmp_path / "grid.html")
    options, _ = try_map(opened, tmp_path / "grid.html")
    assert options == ["number", "group", "energy", "rank", "score"]
    found = opened(tmp_path / "grid.html")
    grid = found.data()["grid"]
    counts = np.frombuffer(base64.b64decode(grid["count"]), dtype="<u4").reshape(grid["rows"], grid["columns"])
    found.page.locator("#map-canvas").scroll_into_view_if_needed()
    box = found.page.locator("#map-canvas").bounding_box()
    told = set()
    for row, column in np.argwhere(counts):
        x = box["x"] + 14 + (column + 0.5) / grid["columns"] * (box["width"] - 28)
        y = box["y"] + box["height"] - 14 - (row + 0.5) / grid["rows"] * (box["height"] - 28)
        found.page.mouse.move(x, y)
        told.add(found.page.inner_text("#map-tip").split("\n")[0])
    assert any(text.endswith(("1 candidate", "candidates")) for text in told)


def test_the_page_of_a_fit_works(opened, tmp_path, monkeypatch):
    from mlipselect.cli import main

    monkeypatch.chdir(tmp_path)
    ms.io.write_exact("train.xyz", label(silicon_core()[::6]))
    assert main(["fit", "train.xyz", "--totaldegree", "6", "-o", "si.npz", "--report", "fit.html", "-q"]) == 0
    look(opened, "fit.html", "fit")


def test_the_page_of_the_demo_works(opened, tmp_path):
    ms.select(silicon_pool(), 20, silicon_core()).report(tmp_path / "demo.html")
    look(opened, tmp_path / "demo.html", "demo")
    options, _ = try_map(opened, tmp_path / "demo.html")
    assert options == ["group", "left", "rank", "score"]


def test_the_page_of_the_silicon_selection_works(opened, silicon, tmp_path):
    how = {"isolated": "config_type=isolated_atom", "report": tmp_path / "silicon.html"}
    ms.select(silicon / "surface_pool.xyz", 50, silicon / "core.xyz", **how)
    look(opened, tmp_path / "silicon.html", "silicon")
    options, told = try_map(opened, tmp_path / "silicon.html")
    assert "energy" in options
    assert "surface_pool.xyz, frame" in told


@pytest.mark.slow
def test_the_page_of_a_million_candidates_works_and_is_small(opened, tmp_path, monkeypatch):
    """One store of ten thousand rows, a hundred times."""
    monkeypatch.chdir(tmp_path)
    ms.io.write_exact("pool.xyz", pool_of(10_000))
    ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=8), store="pool.features", dtype="float32")
    store = ms.FeatureStore.open("pool.features")
    ms.select([store] * 100, 50, score="energy", report="million.html")
    assert (tmp_path / "million.html").stat().st_size < 5e6
    look(opened, "million.html", "million")
    options, _ = try_map(opened, "million.html")
    assert options[0] == "number"
