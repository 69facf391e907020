"""The page of a selection: its sections, its numbers, and that it is one safe file."""

from __future__ import annotations

import base64
import html
import html.parser
import json
import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import mlipselect as ms
from mlipselect.demo.potentials import label
from mlipselect.report.chart import BOTTOM, HEIGHT, Series, curves, ticks
from mlipselect.report.coverage import NEAR, coverage_of, nearness_of
from mlipselect.report.csv_table import csv_table
from mlipselect.report.facts import facts_of
from mlipselect.report.from_record import selection_from
from mlipselect.report.learning import Learning, learning_of, starting_point
from mlipselect.report.map_data import map_data
from mlipselect.report.picture import picture
from mlipselect.report.sections import told_nearness
from mlipselect.report.shares import N_COLORS, _colors_of_elements
from mlipselect.report.space import all_components, find_space
from mlipselect.selectors.base import percent
from reference.structures import rattled

SECTIONS = ["summary", "learning", "map", "composition", "coverage", "findings", "picks", "provenance"]
EVIL = "<script>alert(1)</script>&\"'</script><img src=x onerror=alert(2)>"


class Reader(html.parser.HTMLParser):
    """Collects elements, and texts by the element that they are in."""

    VOID = ("meta", "link", "br", "img")

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.open, self.scripts = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)


@pytest.fixture
def selection(files):
    descriptor = ms.ACE(["Si"], totaldegree=6)
    return ms.select("pool.xyz", 5, "core.xyz", descriptor, n_threads=1, output="out.xyz", report="out.html")


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_the_page_has_every_section_and_is_well_formed(selection, files):
    text = (files / "out.html").read_text()
    reader = Reader(text)
    assert reader.open == []
    assert [name for name in reader.ids if name in SECTIONS] == SECTIONS
    assert len(reader.ids) == len(set(reader.ids))
    assert sum(name.startswith("pick-") for name in reader.ids) == 5
    assert sum(tag == "svg" and a.get("class") == "structure" for tag, a in reader.tags) == 5
    assert "5 of 12 candidates were picked, given 4 structures in the core, by the method bayesian" in text
    for reason in selection.reasons:
        assert all(f"<li>{part}</li>" in text for part in reason.split("; "))
    for file in selection.inputs["pool"]["files"]:
        assert file["sha256"] in text


def test_the_page_explains_its_units(selection, files):
    text = html.unescape((files / "out.html").read_text())
    assert "whitened: the unit of each axis is the standard deviation along it" in text
    assert "each nat lowers the volume in which the weights are likely to lie by the factor e" in text
    volumes = [0.5 * posterior.logdet() for posterior in (starting_point(selection), selection.posterior)]
    assert volumes[0] - volumes[1] == pytest.approx(selection.information[-1])


def test_the_page_asks_nothing_of_a_network(selection, files):
    text = (files / "out.html").read_text()
    for _, attributes in Reader(text).tags:
        for name in ("src", "href", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:,"))
    assert "default-src 'none'" in text
    assert "url(" not in text
    assert "@import" not in text


def test_names_from_files_are_text_on_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pool = [rattled(seed) for seed in range(6)]
    for atoms in pool:
        atoms.info = {"config_type": EVIL}
    selection = ms.select(pool, 2, descriptor=ms.ACE(["Si"], totaldegree=4))
    selection.frames = [ms.Frame(frame.atoms, f"{EVIL}.xyz", frame.index) for frame in selection.frames]
    selection.reasons = [EVIL] * 2
    selection.notes = [EVIL]
    selection.report("page.html")
    text = (tmp_path / "page.html").read_text()
    reader = Reader(text)
    assert len(reader.scripts) == 2, "a script that is not the page's own"
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in reader.tags)
    assert data_of(text)["groups"] == [EVIL]


def test_what_is_left_agrees_with_the_posterior(selection):
    found = learning_of(selection)
    left = np.sqrt(selection.posterior.variance(selection.features.per_structure))
    assert np.allclose(found.left, left, rtol=1e-6)
    assert len(found.mean) == 6
    assert (np.diff(found.mean) <= 1e-12).all()


def test_picks_of_atoms_teach_all_their_atoms():
    pool = [rattled(seed) for seed in range(8)]
    selection = ms.select(pool, 3, descriptor=ms.ACE(["Si"], totaldegree=4), update="atoms", score="energy")
    left = np.sqrt(selection.posterior.variance(selection.features.per_structure))
    assert np.allclose(learning_of(selection).left, left, rtol=1e-6)


@pytest.mark.parametrize("method", ["fps", "cur", "random", "k_medoids", "facility_location"])
def test_every_method_has_a_page(method, files):
    descriptor = ms.ACE(["Si"], totaldegree=4)
    selection = ms.select("pool.xyz", 3, "core.xyz", descriptor, method=method, report=f"{method}.html")
    left = np.sqrt(selection.posterior.variance(selection.features.per_structure))
    assert np.allclose(learning_of(selection).left, left, rtol=1e-6)
    assert f"by the method {method}" in (files / f"{method}.html").read_text()


def test_a_suggestion_is_made_where_picks_bring_little():
    def suggested(mean):
        mean = np.array(mean)
        return Learning(mean, mean, np.arange(3), mean[:3]).suggested

    assert suggested([8.0, 4.0, 2.0, 1.0]) is None
    assert suggested([8.0, 4.0, 3.999, 3.998]) == 1
    assert suggested([8.0, 7.999, 4.0, 3.999]) == 2
    assert suggested([8.0, 7.999, 7.998]) == 0
    assert suggested([0.0, 0.0]) == 0


def test_the_record_gives_the_same_page(selection, files):
    again = selection_from("out.json")
    assert np.array_equal(again.rows, selection.rows)
    assert np.array_equal(again.features.per_structure, selection.features.per_structure)
    again.seconds = selection.seconds
    again.report("again.html")
    assert (files / "again.html").read_bytes() == (files / "out.html").read_bytes()


def test_isolated_atoms_of_the_pool_shift_no_pick(files):
    pool = ms.read("pool.xyz")
    single = Atoms("Si", info={"config_type": "isolated_atom"})
    ms.io.write_exact("mixed.xyz", [pool[0], single, *pool[1:]])
    selection = ms.select("mixed.xyz", 4, descriptor=ms.ACE(["Si"], totaldegree=4), output="mixed-out.xyz")
    assert (selection.rows < selection.indices).any()
    again = selection_from("mixed-out.json")
    assert np.array_equal(again.rows, selection.rows)


def test_a_store_gives_a_page_with_its_groups_and_energies(files):
    ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=6), store="pool.features")
    selection = ms.select("pool.features", 4, "core.xyz", output="s.xyz", report="s.html")
    facts = facts_of(selection)
    pool = ms.read("pool.xyz")
    assert [facts.pool.group(k) for k in range(12)] == [atoms.info["config_type"] for atoms in pool]
    assert np.allclose(facts.pool.energies, [atoms.info["dft_energy"] / len(atoms) for atoms in pool])
    again = selection_from("s.json")
    again.seconds = selection.seconds
    again.report("again.html")
    assert (files / "again.html").read_bytes() == (files / "s.html").read_bytes()


def test_a_changed_file_is_refused(selection, files):
    with (files / "pool.xyz").open("a") as stream:
        stream.write((files / "core.xyz").read_text())
    with pytest.raises(ms.InvalidInputError, match=r"pool\.xyz: has changed since the selection"):
        selection_from("out.json")


def test_structures_in_memory_and_other_files_are_refused(files):
    selection = ms.select([rattled(seed) for seed in range(5)], 2, descriptor=ms.ACE(["Si"], totaldegree=4))
    selection.write("memory.xyz")
    with pytest.raises(ms.InvalidInputError, match=r"the pool was given in memory: Selection\.report\(\)"):
        selection_from("memory.json")
    (files / "other.json").write_text("[1, 2]")
    with pytest.raises(ms.InvalidInputError, match="expected the record of a selection"):
        selection_from("other.json")
    with pytest.raises(ms.InvalidInputError, match=r"none\.json: the record of a selection cannot be read"):
        selection_from("none.json")


@pytest.mark.parametrize("name", ["descriptor", "scores", "information", "effective_dimension"])
def test_a_record_that_says_too_little_is_refused(selection, files, name):
    record = json.loads((files / "out.json").read_text())
    del record[name]
    (files / "less.json").write_text(json.dumps(record))
    with pytest.raises(ms.InvalidInputError, match=rf"less\.json: the record does not say {name}, .* select again"):
        selection_from("less.json")


def test_a_record_without_notes_has_a_page(selection, files):
    record = json.loads((files / "out.json").read_text())
    del record["notes"], record["rejected"]
    (files / "less.json").write_text(json.dumps(record))
    again = selection_from("less.json")
    assert np.array_equal(again.rows, selection.rows)
    assert again.notes == again.rejected == []


def test_a_page_replaces_no_input_and_no_other_output(files):
    how = {"descriptor": ms.ACE(["Si"], totaldegree=4)}
    before = (files / "pool.xyz").read_bytes()
    with pytest.raises(ms.InvalidInputError, match="would replace an input"):
        ms.select("pool.xyz", 2, report="pool.xyz", **how)
    with pytest.raises(ms.InvalidInputError, match="named as output twice"):
        ms.select("pool.xyz", 2, output="o.xyz", report="o.xyz", **how)
    with pytest.raises(ms.InvalidInputError, match="cannot be written"):
        ms.select("pool.xyz", 2, report="nowhere/page.html", **how)
    assert (files / "pool.xyz").read_bytes() == before


def test_nothing_selected_has_a_page_too(files):
    bad = [Atoms("Si2", [[0, 0, 0], [0, 0, 0.3]], cell=[9, 9, 9], pbc=True)]
    selection = ms.select(bad, 1, skip_bad=True)
    selection.report("none.html")
    text = (files / "none.html").read_text()
    assert "Nothing was selected" in text
    assert "Å apart" in text


def test_distances_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 6))
    rows[7] = rows[21] + 1e-4
    pool = ms.Features(rows, np.ones(40, np.int64))
    core = ms.Features(rng.normal(size=(5, 6)), np.ones(5, np.int64))
    space = find_space(pool, core)
    both = np.concatenate([rows, core.per_structure])
    scaled = both / both.std(axis=0)
    distances = np.sqrt(((scaled[:, None] - scaled[None]) ** 2).mean(axis=-1))
    found = coverage_of(space, rows, core, rows[:3])
    assert np.allclose(found.before, distances[:40, 40:].min(axis=1))
    assert np.allclose(found.after, distances[:40][:, [0, 1, 2, *range(40, 45)]].min(axis=1))
    near = nearness_of(space, all_components(space, pool), pool)
    others = distances[:40, :40] + np.diag(np.full(40, np.inf))
    assert near.counts == tuple((others.min(axis=1) <= d).sum() for d in NEAR)
    assert near.pairs[0][:2] == (7, 21)


def test_files_on_the_page_have_the_shortest_names_that_tell_them_apart(files):
    (files / "runs").mkdir()
    close = Atoms("Si2", [[0, 0, 0], [0, 0, 0.3]], cell=[9, 9, 9], pbc=True)
    ms.io.write_exact(files / "runs" / "pool.xyz", [*ms.read("pool.xyz"), close])
    found = ms.select(files / "runs" / "pool.xyz", 3, files / "core.xyz", ms.ACE(["Si"], totaldegree=4), skip_bad=True)
    found.report("page.html")
    text = (files / "page.html").read_text()
    assert (data_of(text)["files"], data_of(text)["core"]["files"]) == (["pool.xyz"], ["core.xyz"])
    assert "<td class=text>pool.xyz, frame 12</td>" in text
    picks = text[text.index('id="picks"') : text.index('id="provenance"')]
    assert ">pool.xyz, frame" in picks
    assert f"{files}/core.xyz, frame" not in text


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (
            (96, 118, 123),
            "At least 96 of 200 candidates have another one within the distance 0.01, 118 within 0.03 and",
        ),
        (
            (1, 2, 2),
            "At least 1 of 200 candidates has another one within the distance 0.01, 2 within 0.03 and 2",
        ),
        ((0, 0, 19), "At least 19 of 200 candidates have another one within the distance 0.1."),
        ((0, 0, 0), "Of 200 candidates, none was found with another one within the distance 0.1."),
    ],
)
def test_near_duplicates_are_told_in_a_sentence(counts, told):
    assert told_nearness(200, counts).startswith(told)


def test_axes_of_long_rows_are_those_of_all_directions(monkeypatch):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(300, 60)) * 0.9 ** np.arange(60) @ np.linalg.qr(rng.normal(size=(60, 60)))[0]
    pool = ms.Features(rows, np.ones(300, np.int64))
    exact = find_space(pool, None)
    monkeypatch.setattr("mlipselect.report.space.LONG", 10)
    monkeypatch.setattr("mlipselect.report.space.COMPONENTS", 8)
    found = find_space(pool, None)
    assert np.allclose(found.spreads[:4], exact.spreads[:4], rtol=1e-3)
    assert np.allclose(found.axes[:, :2], exact.axes[:, :2], atol=1e-2)
    assert found.total == pytest.approx(exact.total)


def test_what_came_from_a_pipe_or_is_gone_is_said(selection, files):
    record = json.loads((files / "out.json").read_text())
    record["inputs"]["pool"]["files"][0]["path"] = "-"
    (files / "pipe.json").write_text(json.dumps(record))
    with pytest.raises(ms.InvalidInputError, match="the pool came from a pipe"):
        selection_from("pipe.json")
    (files / "core.xyz").unlink()
    with pytest.raises(ms.InvalidInputError, match=r"the core was in core\.xyz, which is not here"):
        selection_from("out.json")


@pytest.mark.parametrize(
    ("high", "expected"), [(1, [0, 1]), (2, [0, 1, 2]), (3, [0, 1, 2, 3]), (20, [0, 5, 10, 15, 20])]
)
def test_numbers_of_picks_are_whole(high, expected):
    assert ticks(0.0, float(high), whole=True) == expected
    series = [Series("a", np.arange(high + 1.0), np.arange(high + 1.0), 0)]
    drawn = curves(series, "structures picked", "information", counts=True)
    below = re.findall(rf'y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">([^<]*)<', drawn)
    assert below == [str(value) for value in expected]


def test_a_large_pool_is_a_grid_of_counts(selection, monkeypatch):
    monkeypatch.setattr("mlipselect.report.facts.MOST_POINTS", 10)
    monkeypatch.setattr("mlipselect.report.map_data.MOST_POINTS", 10)
    data = map_data(facts_of(selection))
    assert "points" not in data
    assert data["files"] == ["pool.xyz"]
    assert data["picks"]["file"] == [0] * 5
    counts = np.frombuffer(base64.b64decode(data["grid"]["count"]), dtype="<u4")
    assert counts.sum() == 12
    assert len(counts) == data["grid"]["columns"] * data["grid"]["rows"]
    energies = np.frombuffer(base64.b64decode(data["grid"]["energy"]), dtype="<f4")
    assert np.isfinite(energies[counts > 0]).all()


def test_a_picture_has_a_circle_for_each_atom_those_behind_first():
    atoms = rattled(0)
    drawn = picture(atoms)
    assert drawn.count("<circle") == len(atoms)
    assert drawn.count("M") == 12, "the edges of the cell"
    assert picture(Atoms("H")).count("<circle") == 1
    assert picture(Atoms()) is None
    assert picture(Atoms("H1501", np.zeros((1501, 3)))) is None


def test_the_command_shows_a_record(selection, files, capsys):
    from mlipselect.cli import main

    assert main(["report", "out.json", "-o", "page.html", "--threads", "1"]) == 0
    assert capsys.readouterr().out == "wrote page.html\n"
    assert Reader((files / "page.html").read_text()).open == []
    assert main(["report", "out.json", "-o", "pool.xyz"]) == 1
    assert "would replace an input" in capsys.readouterr().err


def test_a_fit_has_a_page(tmp_path, monkeypatch, capsys):
    from mlipselect.cli import main

    monkeypatch.chdir(tmp_path)
    bare = [rattled(seed) for seed in range(10)]
    for atoms in bare:
        atoms.info, atoms.arrays = {}, {name: atoms.arrays[name] for name in ("numbers", "positions")}
    labelled = label(bare)
    ms.io.write_exact("train.xyz", labelled[:7])
    ms.io.write_exact("test.xyz", labelled[7:])
    command = ["fit", "train.xyz", "--test", "test.xyz", "--totaldegree", "6", "-o", "si.npz", "--report", "fit.html"]
    with monkeypatch.context() as broken:
        broken.setattr("mlipselect.cli.fit.fit_page", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main(command)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test.xyz", "train.xyz"]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "wrote si.npz, fit.html"
    reader = Reader((tmp_path / "fit.html").read_text())
    assert reader.open == []
    ids = ["summary", "parity-training", "parity-test", "calibration", "provenance"]
    assert [name for name in reader.ids if name in ids] == ids
    assert reader.scripts == []


def test_a_run_of_dynamics_has_a_page(tmp_path, monkeypatch):
    from mlipselect.cli import main
    from mlipselect.demo import silicon_core, silicon_pool

    monkeypatch.chdir(tmp_path)
    labelled = label(silicon_core()[::4])
    ms.io.write_exact("train.xyz", labelled)
    ms.io.write_exact("start.xyz", silicon_pool()[100:180:40])
    assert main(["fit", "train.xyz", "--totaldegree", "6", "-o", "si.npz", "-q"]) == 0
    run = ["hal", "start.xyz", "--core", "train.xyz", "--base", "si.npz", "-n", "2", "--temperature", "900"]
    assert main([*run, "-o", "picked.xyz", "--report", "picked.html", "-q", "--max-steps", "800"]) == 0
    assert main(["report", "picked.json", "-o", "again.html", "-q"]) == 0
    for name in ("picked.html", "again.html"):
        text = (tmp_path / name).read_text()
        assert "structures taken from biased dynamics" in text
        assert Reader(text).open == []


def test_a_target_is_covered_too(files):
    ms.io.write_exact("target.xyz", [rattled(seed) for seed in range(200, 206)])
    descriptor = ms.ACE(["Si"], totaldegree=6)
    selection = ms.select("pool.xyz", 3, "core.xyz", descriptor, target="target.xyz", output="t.xyz", report="t.html")
    facts = facts_of(selection)
    assert len(facts.target_coverage.after) == 6
    assert len(facts.coverage.after) == 12 - 3
    assert (facts.coverage.after > 0.0).all()
    assert (facts.target_coverage.after <= facts.target_coverage.before).all()
    assert "target to core and picks" in (files / "t.html").read_text()
    again = selection_from("t.json")
    again.seconds = selection.seconds
    again.report("again.html")
    assert (files / "again.html").read_bytes() == (files / "t.html").read_bytes()


def test_a_merged_selection_says_what_its_map_shows(files):
    for k in range(2):
        ms.io.write_exact(f"{k}.xyz", [rattled(seed) for seed in range(20 * k, 20 * k + 20)])
        ms.featurize(f"{k}.xyz", ms.ACE(["Si"], totaldegree=4), store=f"{k}.features")
    parts = [f"part{k}.xyz" for k in (1, 2)]
    for k, part in enumerate(parts, start=1):
        ms.select(["0.features", "1.features"], 4, score="energy", shard=f"{k}/2", output=part, report=f"part{k}.html")
    merged = ms.merge(parts, output="merged.xyz", report="merged.html")
    text = (files / "merged.html").read_text()
    assert "4 of 40 candidates were picked" in text
    assert "what was picked from each share" in text
    assert "what was picked from each share" not in (files / "part1.html").read_text()
    again = selection_from("merged.json")
    assert np.array_equal(again.rows, merged.rows)


def test_a_pool_of_very_many_files_has_a_small_page(files, monkeypatch):
    monkeypatch.setattr("mlipselect.report.facts.MOST_POINTS", 10)
    monkeypatch.setattr("mlipselect.report.map_data.MOST_POINTS", 10)
    monkeypatch.setattr("mlipselect.report.provenance.MOST_FILES", 7)
    for k, atoms in enumerate(ms.read("pool.xyz")):
        ms.io.write_exact(f"frame-{k:02d}.xyz", [atoms])
    selection = ms.select("frame-*.xyz", 3, descriptor=ms.ACE(["Si"], totaldegree=4), report="many.html")
    text = (files / "many.html").read_text()
    data = data_of(text)
    sources = [frame.source for frame in selection.frames]
    assert [data["files"][number] for number in data["picks"]["file"]] == sources
    assert len(data["files"]) == 3
    digests = [file["sha256"] for file in selection.inputs["pool"]["files"]]
    assert sum(digest in text for digest in digests) == 7
    assert "and 5 more, which the record lists" in text


def test_exploded_structures_are_told(files):
    pool = ms.read("pool.xyz")
    pool[4].positions[1] = pool[4].positions[0] + [0.0, 0.0, 0.5]
    ms.io.write_exact("mixed.xyz", pool)
    descriptor = ms.ACE(["Si"], totaldegree=4)
    selection = ms.select("mixed.xyz", 2, descriptor=descriptor, report="mixed.html")
    text = (files / "mixed.html").read_text()
    assert "1 of 12 candidates has atoms closer than 0.5 of the sum" in text
    assert "Si 0 and Si 1 are 0.5 Å apart" in text
    assert facts_of(selection).contacts.found[0][0] == "mixed.xyz, frame 4"
    assert not facts_of(ms.select("mixed.xyz", 2, descriptor=descriptor, min_bond=0)).contacts.looked_at
    ms.featurize("mixed.xyz", descriptor, store="mixed.features")
    of_store = facts_of(ms.select("mixed.features", 2)).contacts
    assert (of_store.of_picks, of_store.looked_at) == (True, 2)


def test_an_element_has_one_colour_on_a_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pool = [bulk("Nb", cubic=True, a=3.2 + 0.02 * k) for k in range(8)]
    for atoms in pool[:5]:
        atoms.symbols = "Mo2"
    pool[5].symbols = "NbMo"
    ms.select(pool, 2, descriptor=ms.ACE(["Nb", "Mo"], totaldegree=4), report="page.html")
    section = re.search(
        r"<h3>Structures by composition</h3>.*?</section>", (tmp_path / "page.html").read_text(), re.DOTALL
    )
    by_composition, by_element = section[0].split("<h3>Atoms by element</h3>")
    colors = [
        dict(re.findall(r'<tr><th><i class="(b[0-9])"></i>([A-Za-z]+)</th>', part))
        for part in (by_composition, by_element)
    ]
    of_groups, of_elements = ({name: color for color, name in found.items()} for found in colors)
    assert set(of_elements) == {"Nb", "Mo"}
    assert of_elements == {name: of_groups[name] for name in of_elements}
    assert list(of_groups) == ["Mo", "Nb", "MoNb"]
    for name, color in of_elements.items():
        assert f'<i class="{color}" style="flex-grow:' in by_element.split(f'title="{name}:')[0].rsplit("<div", 1)[1]


def test_elements_are_told_apart_by_colours():
    assert _colors_of_elements(["Si", "Mo"], ["Mo", "MoSi2", "Si"]) == [2, 0]
    assert _colors_of_elements(["Si", "Mo"], ["MoSi2", "Mo"]) == [2, 1]
    assert _colors_of_elements(["Si", "Mo"], []) == [0, 1]
    many = [f"Mo{k}Si" for k in range(1, 9)]
    # The groups of both elements have the same colour.
    assert _colors_of_elements(["Si", "Mo"], ["Mo", *many[:7], "Si"])[1] == 0
    assert len(set(_colors_of_elements(["Si", "Mo"], ["Mo", *many[:7], "Si"]))) == 2
    assert sorted(_colors_of_elements(list("HBCNOFPS"), many)) == list(range(N_COLORS))


def test_formulas_count_each_element_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pool = [Atoms("OHHOHH", rattled(seed).positions[:6]) for seed in range(3)]
    selection = ms.select(pool, 1, descriptor=ms.ACE(["H", "O"], totaldegree=4), report="page.html")
    assert "H4O2" in (tmp_path / "page.html").read_text()
    assert "OH2OH2" not in (tmp_path / "page.html").read_text()
    assert ",H4O2,6," in csv_table(selection)


@pytest.mark.parametrize(
    ("part", "told"), [(0.0, "0 %"), (0.123, "12 %"), (0.994, "99 %"), (0.999, "99.9 %"), (1.0, "100 %")]
)
def test_shares_have_no_powers_of_ten(part, told):
    assert percent(part, 1.0) == told
