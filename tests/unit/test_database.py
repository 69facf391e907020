"""Databases of ASE: keys, data and ids of rows, opened for reading only."""

from __future__ import annotations

import json
from pathlib import Path

import ase.build
import ase.db
import numpy as np
import pytest

import mlipselect as ms
from mlipselect.io import differences, write_exact

DESCRIPTOR = ms.ACE(["Cu"], totaldegree=4)


@pytest.fixture(params=["rows.db", "rows.json"])
def rows(request, tmp_path, monkeypatch):
    """Write rows with ids 2, 3 and 4."""
    monkeypatch.chdir(tmp_path)
    with ase.db.connect(request.param) as database:
        for k in range(4):
            atoms = ase.build.bulk("Cu", a=3.5 + 0.1 * k)
            database.write(atoms, config_type=f"c{k}", weight=0.5 * k, data={"path": [1, 2], "k": np.arange(3)})
        database.delete([1])
    return request.param


def test_keys_and_data_are_info(rows):
    found = ms.read(rows)
    assert [atoms.info["config_type"] for atoms in found] == ["c1", "c2", "c3"]
    assert [atoms.info["weight"] for atoms in found] == [0.5, 1.0, 1.5]
    assert found[0].info["path"] == [1, 2]
    assert np.asarray(found[0].info["k"]).tolist() == [0, 1, 2]
    assert set(found[0].info) == {"config_type", "weight", "path", "k"}


def test_the_id_of_a_row_is_in_the_record_and_the_index_counts_rows(rows):
    before = Path(rows).read_bytes()
    frames = list(ms.iter_frames(rows))
    assert [(frame.index, frame.row_id) for frame in frames] == [(0, 2), (1, 3), (2, 4)]
    selection = ms.select(rows, 2, descriptor=DESCRIPTOR, groups="config_type", max_per_group=1, output="out.xyz")
    record = json.loads(Path("out.json").read_text())
    assert record["row_ids"] == [index + 2 for _, index in record["sources"]]
    for atoms, row_id in zip(ms.read("out.xyz"), record["row_ids"], strict=True):
        assert atoms.info["mlipselect_id"] == row_id
        assert atoms.info["config_type"] == f"c{row_id - 1}"
    assert len(selection) == 2
    assert Path(rows).read_bytes() == before


def test_a_database_in_a_folder_that_may_only_be_read(rows, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    Path(rows).rename(folder / rows)
    folder.chmod(0o555)
    try:
        assert len(ms.read(folder / rows)) == 3
        assert [entry.name for entry in folder.iterdir()] == [rows]
    finally:
        folder.chmod(0o755)


def test_other_names_of_databases(rows):
    Path(rows).rename("rows.sqlite")
    assert len(ms.read("rows.sqlite")) == 3
    assert len(ms.read("rows.sqlite@-1")) == 1


def test_what_is_selected_from_a_database_can_go_back_into_one(rows):
    atoms = ms.read(rows)
    write_exact("back.db", atoms)
    assert [differences(a, b) for a, b in zip(atoms, ms.read("back.db"), strict=True)] == [[], [], []]


def test_lmdb_is_opened_for_reading_only(tmp_path, monkeypatch):
    pytest.importorskip("ase_db_backends", reason="ase-db-backends, the extra lmdb, is not installed")
    monkeypatch.chdir(tmp_path)
    with ase.db.connect("rows.aselmdb") as database:
        for k in range(3):
            database.write(ase.build.bulk("Cu", a=3.5 + 0.1 * k), config_type=f"c{k}")
    for entry in Path().glob("*lock*"):
        entry.unlink()
    frames = list(ms.iter_frames("rows.aselmdb"))
    assert [frame.row_id for frame in frames] == [1, 2, 3]
    assert frames[0].atoms.info == {"config_type": "c0"}
    assert [entry.name for entry in Path().iterdir()] == ["rows.aselmdb"]


def test_origins_stay_when_a_selection_is_selected_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_exact("md.xyz", [ase.build.bulk("Cu", a=3.4 + 0.05 * k) for k in range(8)])
    ms.select("md.xyz", 5, descriptor=DESCRIPTOR, output="first.xyz")
    ms.select("first.xyz", 3, descriptor=DESCRIPTOR, output="second.xyz")
    ms.select("second.xyz", 2, descriptor=DESCRIPTOR, output="third.xyz")
    record = json.loads(Path("third.json").read_text())
    assert "origins" not in json.loads(Path("first.json").read_text())
    assert [source for source, _ in record["sources"]] == ["second.xyz"] * 2
    for atoms, (source, index) in zip(ms.read("third.xyz"), record["origins"], strict=True):
        assert source == atoms.info["mlipselect_origin"] == "md.xyz"
        assert index == atoms.info["mlipselect_origin_index"]
        assert differences(atoms, ms.read(f"md.xyz@{index}")[0], ignore="mlipselect_") == []
