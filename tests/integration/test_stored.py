"""Selections from a store of features, by function and by command."""

from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io import differences, write_exact
from mlipselect.stores import fill
from reference.structures import rattled

ACE = {"elements": ["Si"], "totaldegree": 6}
ISOLATED = "config_type=isolated_atom"


@pytest.fixture
def store(files, monkeypatch):
    """Make a store of the pool, in three shards."""
    monkeypatch.setattr(fill, "SHARD_BYTES", 5 * 25 * 8)
    return ms.featurize("pool.xyz", ms.ACE(**ACE), store="features")


def test_the_selection_is_that_of_the_files(files, store):
    stored = ms.select(store, 4, "core.xyz", isolated=ISOLATED, max_atoms=24)
    plain = ms.select("pool.xyz", 4, "core.xyz", ms.ACE(**ACE), isolated=ISOLATED, max_atoms=24)
    assert stored.indices.tolist() == plain.indices.tolist()
    assert stored.notes == plain.notes
    for a, b in zip(stored.structures, plain.structures, strict=True):
        assert differences(a, b, ignore="mlipselect_score") == []


@pytest.mark.parametrize("method", ["fps", "facility_location", "k_medoids", "cur", "random"])
def test_every_method_selects_from_a_store(files, store, method):
    options = {} if method == "k_medoids" else {"min_distance": 0.01, "max_atoms": 40}
    stored = ms.select(store, 4, "core.xyz", method=method, isolated=ISOLATED, **options)
    plain = ms.select("pool.xyz", 4, "core.xyz", ms.ACE(**ACE), method=method, isolated=ISOLATED, **options)
    assert stored.indices.tolist() == plain.indices.tolist()
    assert stored.notes == plain.notes
    np.testing.assert_allclose(stored.information, plain.information)
    assert stored.parameters["method"] == method


def test_memory_is_said_before_it_is_taken(files, store, capsys):
    command = [
        "select",
        "features",
        "--core",
        "core.xyz",
        "--isolated",
        ISOLATED,
        "-n",
        "3",
        "--score",
        "energy",
        "-o",
        "out.xyz",
    ]
    said = "mlipselect: selection from disk: 12 rows of 25 features, windows of 12 rows, about"
    assert main([*command, "--max-memory", "500MB"]) == 0
    assert said in capsys.readouterr().err
    assert main([*command, "-q"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--score", "pool_variance"],
            "pool_variance from disk: 12 rows of 25 features, read once, then their rounded copies, about",
        ),
        (["--score", "pool_std"], "pool_std from disk: 12 rows of 25 features, one pass over them a pick, about"),
        (["--method", "facility_location"], "facility location: 12 rows take up to"),
    ],
)
def test_methods_without_windows_say_and_keep_their_memory(files, store, capsys, options, said):
    command = ["select", "features", "-n", "3", *options]
    assert main([*command, "-o", "stored.xyz", "--max-memory", "500MB"]) == 0
    assert f"mlipselect: {said}" in capsys.readouterr().err
    assert main(["select", "pool.xyz", "-n", "3", *options, "--totaldegree", "6", "-o", "plain.xyz", "-q"]) == 0
    stored, plain = (json.loads((files / f"{name}.json").read_text())["indices"] for name in ("stored", "plain"))
    assert stored == plain
    assert main([*command, "-o", "none.xyz", "--max-memory", "1kB"]) == 1
    assert "more than the 1000 allowed: raise --max-memory" in capsys.readouterr().err


def test_the_command_takes_the_folder_of_a_store(files, store):
    arguments = ["--core", "core.xyz", "--isolated", ISOLATED, "-n", "3", "-q"]
    assert main(["select", "features", *arguments, "--max-memory", "500MB", "-o", "stored.xyz"]) == 0
    assert main(["select", "pool.xyz", *arguments, "--totaldegree", "6", "-o", "plain.xyz"]) == 0
    stored, plain = (json.loads((files / f"{name}.json").read_text()) for name in ("stored", "plain"))
    assert stored["indices"] == plain["indices"]
    assert stored["sources"] == plain["sources"]
    assert stored["descriptor"] == plain["descriptor"]
    assert stored["inputs"]["pool"]["store"] == "features"
    assert len(ase.io.read("stored.xyz", ":")) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "k_medoids", "--min-distance", "0.1"], "KMedoids chooses its structures together"),
        (["--method", "cur", "--rows", "atoms"], "atomic rows are used in memory only"),
        (["--update", "atoms"], "atomic rows are used in memory only"),
        (
            ["--score", "force"],
            "scores, updates and objectives of forces and stress need structures as pool, not a store",
        ),
        (["--groups", "none", "--max", "1"], "pool.xyz, frame 0: expected a key 'none', its keys are"),
        (["--stratify-by", "config_type"], "--stratify-by: expected only with the method random"),
        (["--totaldegree", "8"], "--totaldegree: expected no descriptor, as a store has one"),
        (["--max-memory", "1kB"], "more than the 1000 allowed: raise --max-memory"),
        (["-n", "13"], "cannot select 13 structures from a pool of 12"),
    ],
)
def test_what_is_not_for_stores_is_refused(files, store, capsys, options, message):
    assert main(["select", "features", "-n", "3", "-o", "out.xyz", *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (files / "out.xyz").exists()


def test_another_descriptor_or_a_changed_file_is_refused(files, store):
    with pytest.raises(InvalidInputError, match="features: made with another descriptor"):
        ms.select(store, 3, descriptor=ms.ACE(["Si"], totaldegree=4))
    write_exact("pool.xyz", [rattled(seed) for seed in range(1, 13)])
    with pytest.raises(StructureError, match=r"pool\.xyz: the file has changed since its features were computed"):
        ms.select(store, 3)


class Learned:
    """Features that a record does not say all of, as those of a model in a file."""

    def __init__(self, path="a.model", digest="0123"):
        self.parameters = {"name": "Learned", "model": path, "sha256": digest}

    def features(self, atoms):
        return np.sort(atoms.get_all_distances(mic=True), axis=1)[:, 1:8]


def test_a_descriptor_that_has_to_be_given_is_asked_for_where_it_is_needed(files):
    core = ms.read("core.xyz")[1:]
    store = ms.featurize("pool.xyz", Learned(), store="features")
    alone = ms.select(store, 4)
    assert alone.indices.tolist() == ms.select("pool.xyz", 4, descriptor=Learned()).indices.tolist()
    assert alone.record()["descriptor"] == Learned().parameters
    for use in (lambda: ms.select(store, 4, core), lambda: alone.descriptor.features(core[0])):
        with pytest.raises(InvalidInputError, match="features: expected its descriptor with it"):
            use()
    wanted = ms.select("pool.xyz", 4, core, Learned()).indices.tolist()
    # The digest tells a model, wherever it lies.
    assert ms.select(store, 4, core, Learned("moved.model")).indices.tolist() == wanted
    with pytest.raises(InvalidInputError, match="features: made with another descriptor"):
        ms.select(store, 4, core, Learned(digest="4567"))


def test_stores_of_a_model_that_was_moved_belong_together(files):
    pool = ms.read("pool.xyz")
    stores = []
    for k, path in enumerate(("a.model", "moved.model")):
        write_exact(f"{k}.xyz", pool[k::2])
        stores.append(ms.featurize(f"{k}.xyz", Learned(path), store=f"{k}.features"))
    assert len(ms.select(stores, 4).indices) == 4
    ms.featurize("0.xyz", Learned("moved.model"), store="0.features")
    for k in (1, 2):
        ms.select(stores, 3, score="energy", shard=f"{k}/2", output=f"part{k}.xyz", descriptor=Learned(f"{k}.model"))
    merged = ms.merge(["part1.xyz", "part2.xyz"], descriptor=Learned("elsewhere.model"))
    assert merged.indices[0] == ms.select(stores, 3, score="energy").indices[0]
    write_exact("2.xyz", pool)
    stores.append(ms.featurize("2.xyz", Learned(digest="4567"), store="2.features"))
    with pytest.raises(InvalidInputError, match=r"2.features: holds features of another descriptor than 0.features"):
        ms.select(stores, 4)


@pytest.mark.parametrize("inner", [ms.ACE(**ACE), Learned()])
def test_blocks_of_elements_are_those_of_the_store(files, inner):
    core = ms.read("core.xyz")[1:]
    descriptor = ms.PerElement(inner, ["Si", "Ge"])
    store = ms.featurize("pool.xyz", descriptor, store="features")
    wanted = ms.select("pool.xyz", 4, core, descriptor).indices.tolist()
    given = None if isinstance(inner, ms.ACE) else ms.PerElement(inner)
    stored = ms.select(store, 4, core, given)
    assert stored.indices.tolist() == wanted
    assert stored.record()["descriptor"] == descriptor.parameters


def test_a_store_has_its_type(files, store, capsys):
    command = ["select", "features", "-n", "3", "-q", "-o", "out.xyz", "--dtype"]
    assert main([*command, "float64"]) == 0
    assert main([*command, "float32"]) == 1
    assert "--dtype: features has features of type float64" in capsys.readouterr().err


def test_a_selection_without_a_core_can_be_written(files):
    ms.select("pool.xyz", 2, descriptor=ms.ACE(**ACE)).write("chosen.xyz")
    assert len(ase.io.read("chosen.xyz", ":")) == 2
