"""What results show in a notebook, and the bars of one."""

from __future__ import annotations

import html.parser
import sys
import types

import pytest

import mlipselect as ms
from mlipselect.demo import silicon_core
from mlipselect.demo.potentials import label
from mlipselect.progress import in_notebook, new_bar, progress_bar, shown
from reference.structures import rattled


class Cells(html.parser.HTMLParser):
    """Collects the texts of cells and all open elements."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        assert not any(name.startswith("on") for name, _ in attrs)
        assert tag != "script"
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def cells_of(thing):
    found = Cells(thing._repr_html_())
    assert found.open == []
    return found.cells


def test_a_selection_shows_its_first_picks(files):
    selection = ms.select("pool.xyz", 11, "core.xyz", ms.ACE(["Si"], totaldegree=4))
    cells = cells_of(selection)
    assert cells[:7] == ["rank", "index", "file", "frame", "config_type", "score", "information, nat"]
    assert cells[7:12] == ["1", str(selection.indices[0]), "pool.xyz", str(selection.indices[0]), cells[11]]
    assert len(cells) == 7 * 11
    assert "and 1 more" in selection._repr_html_()
    selection.frames[0].atoms.info["config_type"] = "<script>"
    assert "&lt;script&gt;" in selection._repr_html_()


def test_features_show_what_they_are_of(files):
    X = ms.featurize(["pool.xyz", "core.xyz"], ms.ACE(["Si"], totaldegree=4), rows="atoms")
    cells = cells_of(X)
    facts = dict(zip(cells[::2], cells[1::2], strict=True))
    assert facts["structures"] == "17"
    assert facts["atoms"] == str(X.n_atoms.sum())
    assert facts["descriptor"] == "ACE"
    assert facts["files"] == "pool.xyz, core.xyz"
    assert facts["rows of atoms"] == str(len(X.per_atom))
    assert "features" in cells_of(ms.Features(X.per_structure, X.n_atoms))


def test_a_potential_shows_its_fit(files):
    bare = [rattled(seed) for seed in range(6)]
    for atoms in bare:
        atoms.info, atoms.arrays = {}, {name: atoms.arrays[name] for name in ("numbers", "positions")}
    potential = ms.LinearPotential(ms.ACE(["Si"], totaldegree=4))
    assert "not fitted" in potential._repr_html_()
    cells = cells_of(potential.fit(label(bare)))
    assert f"{potential.noise_['energy']:.3g}" in cells
    assert "noise of forces" in cells


def test_a_run_shows_how_far_it_is():
    labelled = label(silicon_core()[::8])
    potential = ms.LinearPotential(ms.ACE(["Si"], totaldegree=4)).fit(labelled)
    run = ms.Hal(labelled[-1:], potential, n=3, max_steps=10, temperature=300, trigger="gain")
    assert "0 of 3 structures taken" in run._repr_html_()
    assert "not yet" in cells_of(run)
    run.run()
    cells = cells_of(run)
    assert cells[cells.index("ended") + 1] == run.ended


@pytest.fixture
def notebook(monkeypatch):
    """Let this process look like the kernel of a notebook."""
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))


def test_bars_are_shown_in_a_notebook(notebook):
    assert in_notebook()
    assert shown(None)
    assert not shown(False)


def test_bars_are_those_of_a_notebook_there(notebook, monkeypatch):
    made = []
    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=lambda **how: made.append(how)))
    new_bar(total=3)
    progress_bar(None, total=4)
    assert made == [{"total": 3}, {"total": 4, "delay": 1.0}]


def test_elsewhere_bars_are_of_text(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    with new_bar(total=2, disable=True) as bar:
        assert type(bar).__module__ == "tqdm.std"
