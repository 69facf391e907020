"""How files are named: folders, globs, slices, pipes, and which format a name and its content mean."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import ase.build
import ase.db
import ase.io
import pytest

import mlipselect as ms
from mlipselect.cli.main import main
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io import Reading, write_exact
from mlipselect.io.frames import iter_frames
from mlipselect.io.sources import find_sources


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """Write a file of 6 frames whose lattice constants are 5.0, 5.1, ..."""
    monkeypatch.chdir(tmp_path)
    write_exact("pool.xyz", [ase.build.bulk("Si", cubic=True, a=5 + 0.1 * k) for k in range(6)])
    return tmp_path / "pool.xyz"


def named(paths, reading=None):
    return [(frame.source, frame.index) for frame in iter_frames(paths, reading)]


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("@0", [0]),
        ("@-1", [5]),
        ("@:2", [0, 1]),
        ("@1:6:2", [1, 3, 5]),
        ("@-2:", [4, 5]),
        ("@:", [0, 1, 2, 3, 4, 5]),
        ("@::-2", [5, 3, 1]),
        ("@4:1:-1", [4, 3, 2]),
    ],
)
@pytest.mark.parametrize("name", ["pool.xyz", "pool.traj"])
def test_slices_are_those_of_ase_with_indices_of_the_whole_file(pool, name, text, indices):
    ase.io.write("pool.traj", ase.io.read("pool.xyz", ":"))
    assert named(name + text) == [(name, index) for index in indices]
    cells = [atoms.cell[0, 0] for atoms in ms.read(name + text)]
    assert cells == pytest.approx([5 + 0.1 * index for index in indices])


def test_a_file_with_an_at_sign_in_its_name_wins(pool):
    os.link("pool.xyz", "pool.xyz@0")
    assert len(ms.read("pool.xyz@0")) == 6
    assert len(ms.read("pool.xyz@0@1")) == 1
    with pytest.raises(StructureError, match=r"^pool.xyz@7:: no frame of the file is meant"):
        ms.read("pool.xyz@7:")
    with pytest.raises(StructureError, match=r"^pool.xyz@x: cannot be read: No such file"):
        ms.read("pool.xyz@x")


def test_the_record_of_a_slice_has_indices_of_the_whole_file(pool):
    assert main(["select", "pool.xyz@1::2", "-n", "2", "--totaldegree", "4", "-q", "-o", "out.xyz"]) == 0
    record = json.loads(Path("out.json").read_text())
    assert {index for _, index in record["sources"]} <= {1, 3, 5}
    assert all(source == "pool.xyz" for source, _ in record["sources"])
    assert record["inputs"]["pool"]["files"][0]["frames"] == "1::2"
    for atoms, (_, index) in zip(ms.read("out.xyz"), record["sources"], strict=True):
        assert atoms.cell[0, 0] == pytest.approx(5 + 0.1 * index)


def test_large_pools_are_read_again_by_slices(pool):
    structures = ms.io.Structures(["pool.xyz@:2", "pool.xyz@-2:"], held_atoms=8).survey()
    assert [(frame.source, frame.index) for frame in structures.take([3, 0])] == [("pool.xyz", 5), ("pool.xyz", 0)]


def test_folders_and_globs(pool, caplog):
    Path("runs/b").mkdir(parents=True)
    for name in ("2.xyz", "10.xyz", "1.traj"):
        ase.io.write(f"runs/{name}", ase.io.read("pool.xyz", ":2"))
    Path("runs/notes.txt").write_text("nothing")
    Path("runs/selected.json").write_text('{"mlipselect": "1"}')
    Path("runs/.hidden.xyz").write_text("broken")
    ase.io.write("runs/b/3.xyz", ase.io.read("pool.xyz", ":3"))
    assert [source.name for source in find_sources("runs")] == ["runs/1.traj", "runs/10.xyz", "runs/2.xyz"]
    assert "runs: passed over, as no files of structures: b, notes.txt, selected.json" in caplog.text
    assert [source.name for source in find_sources("runs/*.xyz")] == ["runs/10.xyz", "runs/2.xyz"]
    assert named("runs/**/3.xyz@1") == [("runs/b/3.xyz", 1)]
    Path("empty/below").mkdir(parents=True)
    with pytest.raises(StructureError, match=r"^empty: the folder holds no file of structures .*'empty/\*/\*.xyz'"):
        ms.read("empty")
    with pytest.raises(StructureError, match=r"^\*.cif: no file has such a name"):
        ms.read("*.cif")


def test_a_folder_of_databases(pool):
    Path("data").mkdir()
    for part in range(3):
        ase.io.write(f"data/data.{part:04}.db", ase.io.read("pool.xyz", ":2"))
    assert named("data") == [(f"data/data.{part:04}.db", index) for part in range(3) for index in range(2)]


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input(pool, name):
    words = [sys.executable, "-m", "mlipselect", "select", name, "-n", "2", "--totaldegree", "4", "-o", "out.xyz"]
    run = subprocess.run(words, input=pool.read_bytes(), capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    assert all(source == name for source, _ in json.loads(Path("out.json").read_text())["sources"])


def test_pipes_of_compressed_frames(pool, monkeypatch):
    ase.io.write("pool.xyz.gz", ase.io.read("pool.xyz", ":"))
    stream = io.TextIOWrapper(io.BytesIO(Path("pool.xyz.gz").read_bytes()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert named("-") == [("-", index) for index in range(6)]


def test_named_pipes(pool):
    os.mkfifo("pipe.xyz")
    writer = threading.Thread(target=lambda: Path("pipe.xyz").write_bytes(pool.read_bytes()))
    writer.start()
    structures = ms.io.Structures("pipe.xyz", held_atoms=8).survey()
    writer.join()
    assert [frame.index for frame in structures.take([4, 2])] == [4, 2]
    assert structures.summary()["files"][0]["path"] == "pipe.xyz"


def test_a_store_refuses_pipes(pool, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pool.read_bytes())))
    with pytest.raises(InvalidInputError, match="-: expected a file, as a store reads chosen structures again"):
        ms.featurize("-", ms.ACE(["Si"], totaldegree=4), store="store")


def test_a_store_of_a_slice_and_of_named_species(pool):
    text = pool.read_text().replace("Si ", "Kind1 ")
    Path("odd").write_text(text)
    reading = Reading(species_map={"Kind1": "Si"}, format="extxyz")
    store = ms.featurize("odd@1::2", ms.ACE(["Si"], totaldegree=4), store="store", reading=reading)
    assert store.shape[0] == 3
    selection = ms.select("store", 2)
    assert {frame.source for frame in selection.frames} == {"odd"}
    assert {frame.index for frame in selection.frames} <= {1, 3, 5}
    assert selection.inputs["pool"]["files"][0]["reading"] == {"format": "extxyz", "species_map": {"Kind1": "Si"}}


@pytest.mark.parametrize("name", ["pool_XDATCAR.xyz", "POSCAR.extxyz", "my_OUTCAR.xyz.gz", "CONTCAR_pool.traj"])
def test_endings_decide_before_names_of_vasp(pool, name):
    structures = ms.read("pool.xyz")
    write_exact(name, structures)
    assert len(ms.read(name)) == 6


@pytest.mark.parametrize("name", ["train.exyz", "train.nep", "train", "train.2024-05"])
def test_content_decides_where_names_say_nothing(pool, name):
    Path(name).write_bytes(pool.read_bytes())
    assert len(ms.read(name)) == 6
    assert len(ms.read(name, format="xyz")) == 6


def test_what_is_not_read_is_said(pool):
    Path("what.ever").write_text("nothing that anybody knows")
    with pytest.raises(StructureError, match=r"^what.ever: cannot be read: neither its name nor .* --format"):
        ms.read("what.ever")
    Path("pool.xyz.zst").write_bytes(b"(\xb5/\xfd")
    with pytest.raises(StructureError, match=r"\.zst, which is not read; \.gz, \.bz2 and \.xz are.*zstd -d"):
        ms.read("pool.xyz.zst")
    with pytest.raises(StructureError, match="no format is called 'extxzy'; perhaps extxyz"):
        ms.read("pool.xyz", format="extxzy")
    with pytest.raises(StructureError, match="ASE writes 'png' only"):
        ms.read("pool.xyz", format="png")
    Path("runner.data").write_text("no structures\n")
    with pytest.raises(StructureError, match=r"^runner.data: cannot be read: neither its name nor its content"):
        ms.read("runner.data")


def test_format_is_an_option_of_every_verb(pool):
    Path("pool.dat").write_bytes(pool.read_bytes())
    options = ["--totaldegree", "4", "-q", "--format", "extxyz"]
    assert main(["select", "pool.dat", "-n", "1", "-o", "out.xyz", *options]) == 0
    assert json.loads(Path("out.json").read_text())["parameters"]["reading"] == {"format": "extxyz"}
    assert main(["featurize", "pool.dat", "-o", "out.npz", *options]) == 0
    labelled = ms.read("pool.xyz")
    for place, atoms in enumerate(labelled):
        atoms.info = {"energy": 0.1 * place}
    write_exact("labelled.xyz", labelled)
    Path("labelled.xyz").rename("labelled.dat")
    assert main(["fit", "labelled.dat", "-o", "fit.npz", *options]) == 0
    assert len(ms.select("pool.dat", 1, descriptor=ms.ACE(["Si"], totaldegree=4), format="extxyz")) == 1


def test_the_same_file_twice_and_files_of_the_core_are_told(pool, caplog):
    Path("copy.xyz").write_bytes(pool.read_bytes())
    ms.select(["pool.xyz", "copy.xyz"], 1, core="copy.xyz", descriptor=ms.ACE(["Si"], totaldegree=4))
    assert "pool.xyz and copy.xyz are one and the same file" in caplog.text
    assert "pool.xyz is in the core too, as copy.xyz" in caplog.text
    caplog.clear()
    ms.select(["pool.xyz@:3", "pool.xyz@3:"], 1, descriptor=ms.ACE(["Si"], totaldegree=4))
    assert "same" not in caplog.text


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"species": ["Si", "Xx"]}, "expected the symbol of a chemical element, got 'Xx'"),
        ({"species_map": ["Fe1"]}, "expected NAME=SYMBOL such as Fe1=Fe, got 'Fe1'"),
        ({"species_map": {"Fe1": "Q"}}, "got 'Q'"),
        ({"cell": [1, 2]}, "expected 3, 6 or 9 numbers, got 2"),
        ({"occupancy": "some"}, "expected 'majority', got 'some'"),
    ],
)
def test_options_of_reading_are_checked(options, problem):
    with pytest.raises(InvalidInputError, match=problem):
        Reading(**options)
