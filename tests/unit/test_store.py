"""Stores of features: what is in them, and that nothing wrong is ever read from them."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io import write_exact
from mlipselect.io.lock import folder_lock
from mlipselect.stores import fill
from reference.structures import rattled

ACE = {"elements": ["Si"], "totaldegree": 6}


@pytest.fixture
def small_shards(monkeypatch):
    """Five structures a shard, ten in float32."""
    monkeypatch.setattr(fill, "SHARD_BYTES", 5 * 25 * 8)


def tree(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_store_holds_what_memory_would(files, small_shards, dtype):
    whole = ms.featurize(["pool.xyz", "core.xyz"], ms.ACE(**ACE), dtype=dtype)
    store = ms.featurize(["pool.xyz", "core.xyz"], ms.ACE(**ACE), dtype=dtype, store="features")
    assert [shard.rows for shard in store.shards] == ([5, 5, 5, 2] if dtype == "float64" else [10, 7])
    assert (store.shape, store.dtype) == (whole.shape, whole.dtype)
    np.testing.assert_array_equal(store.n_atoms, whole.n_atoms)
    np.testing.assert_array_equal(np.concatenate([block for _, block in store.blocks(3)]), whole.per_structure)
    assert [first for first, _ in store.blocks(4)] == (
        [0, 4, 5, 9, 10, 14, 15] if dtype == "float64" else [0, 4, 8, 10, 14]
    )
    np.testing.assert_array_equal(store.take([16, 0, 7, 7]), whole.per_structure[[16, 0, 7, 7]])
    assert [store.where(row) for row in range(17)] == [whole.where(row) for row in range(17)]
    np.testing.assert_array_equal(np.load("features/rows-00000.npy"), whole.per_structure[: store.shards[0].rows])
    loaded = store.load()
    np.testing.assert_array_equal(loaded.per_structure, whole.per_structure)
    assert (loaded.sources, loaded.per_atom) == (whole.sources, None)
    again = ms.FeatureStore.open("features")
    assert again.manifest == store.manifest
    assert store.manifest.descriptor == ms.ACE(**ACE).parameters


def test_atomic_rows_and_composition(files, monkeypatch):
    monkeypatch.setattr(fill, "SHARD_BYTES", 5 * 26 * 8 * fill.EXPECTED_ATOMS)
    how = {"rows": "atoms", "composition": ["Si"]}
    whole = ms.featurize("pool.xyz", ms.ACE(**ACE), **how)
    store = ms.featurize("pool.xyz", ms.ACE(**ACE), store="features", **how)
    assert len(store.shards) == 3
    for row in (0, 4, 5, 11):
        np.testing.assert_array_equal(
            store.atomic_rows(row), whole.per_atom[whole.offsets[row] : whole.offsets[row + 1]]
        )
    np.testing.assert_array_equal(store.load().per_atom, whole.per_atom)
    np.testing.assert_array_equal(store.load().offsets, whole.offsets)
    assert store.composition == ("Si",)
    np.testing.assert_array_equal(store.take(range(12)), whole.per_structure)


@pytest.mark.parametrize("kept", range(4))
def test_a_stopped_run_goes_on_and_leaves_the_same_bytes(files, small_shards, monkeypatch, kept):
    ms.featurize(["pool.xyz", "core.xyz"], ms.ACE(**ACE), store="whole")

    class Stopped(BaseException):
        pass

    add, added = fill.StoreWriter.add, []

    def stop(self, *shard):
        if len(added) == kept:
            raise Stopped
        added.append(shard)
        add(self, *shard)

    with monkeypatch.context() as patched:
        patched.setattr(fill.StoreWriter, "add", stop)
        with pytest.raises(Stopped):
            ms.featurize(["pool.xyz", "core.xyz"], ms.ACE(**ACE), store="parts")
    with pytest.raises(InvalidInputError, match=r"parts: not complete, pool\.xyz is not featurised to its end"):
        ms.FeatureStore.open("parts")
    with pytest.raises(InvalidInputError, match=r"the files that it was begun with.*pool\.xyz, core\.xyz"):
        ms.featurize("core.xyz", ms.ACE(**ACE), store="parts", append=True)
    # A shard that the manifest does not name yet, and what was being written.
    (files / "parts" / "rows-00009.npy").write_bytes(b"half")
    (files / "parts" / ".mlipselect-rows-00003.npy").write_bytes(b"half")
    ms.featurize(["pool.xyz", "core.xyz"], ms.ACE(**ACE), store="parts")
    assert tree(files / "parts") == tree(files / "whole")


def test_files_are_appended_when_asked(files, small_shards):
    ms.featurize("pool.xyz", ms.ACE(**ACE), store="features")
    before = tree(files / "features")
    ms.featurize("pool.xyz", ms.ACE(**ACE), store="features")
    assert tree(files / "features") == before
    with pytest.raises(InvalidInputError, match="holds the features of other files"):
        ms.featurize("core.xyz", ms.ACE(**ACE), store="features")
    store = ms.featurize("core.xyz", ms.ACE(**ACE), store="features", append=True)
    assert len(store) == 17
    assert store.where(12) == "core.xyz, frame 0"
    np.testing.assert_array_equal(store.take(range(12, 17)), ms.featurize("core.xyz", ms.ACE(**ACE)).per_structure)
    after = tree(files / "features")
    assert {name: after[name] for name in before if name != "manifest.json"} == {
        name: data for name, data in before.items() if name != "manifest.json"
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float32"}, "another dtype than that asked for: float64, not float32"),
        ({"composition": ["Si"]}, "another width than that asked for: 25, not 26"),
        ({"descriptor": {"elements": ["Si"], "totaldegree": 6, "rcut": 4.0}}, "another descriptor"),
    ],
)
def test_a_store_of_something_else_is_refused(files, options, message):
    ms.featurize("pool.xyz", ms.ACE(**ACE), store="features")
    before = tree(files / "features")
    with pytest.raises(InvalidInputError, match=message):
        ms.featurize("pool.xyz", ms.ACE(**options.pop("descriptor", ACE)), store="features", **options)
    assert tree(files / "features") == before


def flip(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 16
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("damage", [flip, truncate, os.remove])
@pytest.mark.parametrize("name", ["rows-00001.npy", "origin-00002.npy"])
def test_a_damaged_file_is_named_and_not_read(files, small_shards, damage, name):
    ms.featurize("pool.xyz", ms.ACE(**ACE), store="features")
    damage(files / "features" / name)
    with pytest.raises((InvalidInputError, StructureError), match=f"features/{name}: "):
        ms.FeatureStore.open("features")


@pytest.mark.parametrize("damage", [flip, truncate, os.remove])
@pytest.mark.parametrize("name", ["rows-00001.npy", "origin-00000.npy"])
def test_nothing_is_added_to_a_damaged_store(files, small_shards, damage, name):
    ms.featurize("pool.xyz", ms.ACE(**ACE), store="features")
    damage(files / "features" / name)
    before = tree(files / "features")
    for more in ({}, {"append": True}):
        with pytest.raises(InvalidInputError, match=f"features/{name}: damaged"):
            ms.featurize("core.xyz" if more else "pool.xyz", ms.ACE(**ACE), store="features", **more)
    assert tree(files / "features") == before


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text[:-20],
        lambda text: text.replace('"width": 25', '"width": "25"'),
        lambda text: text.replace('"mlipselect_features": 3', '"mlipselect_features": 99'),
        lambda text: text.replace('"finished": 1', '"finished": 7'),
        lambda _: "[]",
        lambda text: json.dumps({**json.loads(text), "more": 1}),
    ],
)
def test_a_manifest_that_is_not_one_is_named(files, edit):
    ms.featurize("pool.xyz", ms.ACE(**ACE), store="features")
    path = files / "features" / "manifest.json"
    path.write_text(edit(path.read_text()))
    with pytest.raises(InvalidInputError, match=r"features/manifest\.json: "):
        ms.FeatureStore.open("features")


def test_other_folders_are_left_alone(files):
    (files / "other").mkdir()
    (files / "other" / "letter.txt").write_text("dear")
    with pytest.raises(InvalidInputError, match="other: expected an empty folder or a store"):
        ms.featurize("pool.xyz", ms.ACE(**ACE), store="other")
    assert tree(files / "other") == {"letter.txt": b"dear"}
    with pytest.raises(InvalidInputError, match="other: no store of features"):
        ms.FeatureStore.open("other")
    with pytest.raises(InvalidInputError, match="expected files with structures"):
        ms.featurize([rattled(0)], ms.ACE(**ACE), store="new")


def test_a_changed_input_is_refused(files, small_shards, monkeypatch):
    def stop(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fill.StoreWriter, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            ms.featurize("pool.xyz", ms.ACE(**ACE), store="features")
    write_exact("pool.xyz", [rattled(seed) for seed in range(13)])
    with pytest.raises(InvalidInputError, match="finish it with the files that it was begun with, unchanged"):
        ms.featurize("pool.xyz", ms.ACE(**ACE), store="features")


def test_the_command_fills_a_store(files, capsys):
    assert main(["featurize", "pool.xyz", "--totaldegree", "6", "--store", "features"]) == 0
    assert "12 structures, 96 atoms, 25 features\nwrote features" in capsys.readouterr().out
    assert main(["featurize", "core.xyz", "--totaldegree", "6", "--store", "features"]) == 1
    assert "holds the features of other files" in capsys.readouterr().err
    assert main(["featurize", "core.xyz", "--totaldegree", "6", "--store", "features", "--append", "-q"]) == 0
    assert len(ms.FeatureStore.open("features")) == 17
    shutil.rmtree("features")
    assert main(["featurize", "core.xyz", "--append", "-o", "out.npz"]) == 1
    assert not (files / "out.npz").exists()


def test_one_process_at_a_time_writes(files):
    lock = folder_lock(files)
    with pytest.raises(InvalidInputError, match="another process is writing to it"):
        folder_lock(files)
    lock.release()
    assert not (files / ".lock").exists()
    (files / "features").mkdir()
    held = folder_lock(files / "features")
    with pytest.raises(InvalidInputError, match="features: another process is writing to it"):
        ms.featurize("pool.xyz", ms.ACE(**ACE), store="features")
    held.release()
    ms.featurize("pool.xyz", ms.ACE(**ACE), store="features")
    assert not (files / "features" / ".lock").exists()
