"""Selections from a store of features, by function and by command."""

from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.features import fill
from mlipselect.io import differences, write_exact
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


@pytest.mark.parametrize("method", ["fps", "facility-location", "k-medoids", "cur", "random"])
def test_every_method_selects_from_a_store(files, store, method):
    options = {} if method == "k-medoids" else {"min_distance": 0.01, "max_atoms": 40}
    stored = ms.select(store, 4, "core.xyz", method=method, isolated=ISOLATED, **options)
    plain = ms.select("pool.xyz", 4, "core.xyz", ms.ACE(**ACE), method=method, isolated=ISOLATED, **options)
    assert stored.indices.tolist() == plain.indices.tolist()
    assert stored.notes == plain.notes
    np.testing.assert_allclose(stored.information, plain.information)
    assert stored.parameters["method"] == method


def test_memory_is_said_before_it_is_taken(files, store, capsys):
    command = ["select", "features", "--core", "core.xyz", "--isolated", ISOLATED, "-n", "3", "-o", "out.xyz"]
    said = "mlipselect: selection from disk: 12 rows of 25 features, windows of 12 rows, about"
    assert main([*command, "--max-memory", "500MB"]) == 0
    assert said in capsys.readouterr().err
    assert main([*command, "-q"]) == 0
    assert capsys.readouterr().err == ""


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
        (["--method", "k-medoids", "--min-distance", "0.1"], "KMedoids chooses its structures together"),
        (["--method", "cur", "--rows", "atoms"], "atomic rows are used in memory only"),
        (["--update", "atoms"], "atomic rows are used in memory only"),
        (["--score", "force"], "scores and updates of forces and stress are not for stores"),
        (["--groups", "config_type", "--max", "1"], "groups are not for stores"),
        (["--stratify-by", "config_type"], "stratify_by: expected only with the method random"),
        (["--composition"], "composition: not for a pool that is a store"),
        (["--totaldegree", "8"], "--totaldegree: expected no descriptor with a store"),
        (["--max-memory", "1kB"], "more than the 1000 allowed: raise max_memory"),
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


def test_a_selection_without_a_core_can_be_written(files):
    ms.select("pool.xyz", 2, descriptor=ms.ACE(**ACE)).write("chosen.xyz")
    assert len(ase.io.read("chosen.xyz", ":")) == 2
