"""Reading: what comes back, where it says it came from, and how faults are named."""

from __future__ import annotations

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io import Structures, differences
from mlipselect.io.isolated import Isolated
from reference.structures import rattled


@pytest.mark.parametrize("name", ["pool.xyz", "pool.extxyz", "pool.traj", "pool.json", "pool.xyz.gz"])
def test_reads_what_ase_reads(tmp_path, name):
    pool = [ase.build.bulk("Si", a=a) for a in (5.3, 5.4)]
    ase.io.write(tmp_path / name, pool)
    expected = ase.io.read(tmp_path / name, ":")
    frames = list(ms.iter_frames(tmp_path / name))
    assert [(frame.source, frame.index) for frame in frames] == [(str(tmp_path / name), 0), (str(tmp_path / name), 1)]
    assert [differences(frame.atoms, atoms) for frame, atoms in zip(frames, expected, strict=True)] == [[], []]


def test_files_follow_each_other(files):
    frames = list(ms.iter_frames([files / "core.xyz", "pool.xyz"]))
    assert [frame.index for frame in frames] == [*range(5), *range(12)]
    assert len(ms.read(["core.xyz", "pool.xyz"])) == 17


def test_silicon_files_read_as_ase_reads_them(silicon):
    for name in ("core.xyz", "surface_pool.xyz"):
        expected = ase.io.read(silicon / name, ":")
        frames = ms.read(silicon / name)
        assert len(frames) == len(expected)
        assert not any(differences(a, b) for a, b in zip(frames, expected, strict=True))


def test_frames_come_one_at_a_time(files):
    text = (files / "pool.xyz").read_text()
    (files / "torn.xyz").write_text(text + "8\nlast")
    frames = ms.iter_frames("torn.xyz")
    assert [next(frames).index for _ in range(12)] == list(range(12))
    with pytest.raises(StructureError, match=r"torn.xyz, frame 12: the file is truncated"):
        next(frames)


def test_cell_vectors_as_pseudo_atoms(tmp_path):
    one = "1\nwith a cell\nSi 0 0 0\nVEC1 5 0 0\nVEC2 0 5 0\nVEC3 0 0 5\n"
    (tmp_path / "vec.xyz").write_text(one + one)
    first, second = ms.read(tmp_path / "vec.xyz")
    assert first.cell.lengths().tolist() == [5.0, 5.0, 5.0]
    assert first.pbc.all()
    assert differences(first, second) == []


FRAME = '2\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3\nSi 0 0 0\nSi 1 1 1\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "bad.xyz: cannot be read: the file is empty"),
        ("\n\n", "bad.xyz: the file holds no structure"),
        (FRAME + FRAME[:-10], "bad.xyz, frame 1: the file is truncated: it ends after 1 of the 2 atoms"),
        (FRAME + FRAME.rsplit("1", 1)[0], "bad.xyz, frame 1: the frame cannot be read"),
        (FRAME + "2\n", "bad.xyz, frame 1: the file is truncated: it ends after 0 of the 2 atoms"),
        (FRAME + "two\n", "bad.xyz, frame 1: expected a number of atoms, got 'two'"),
        (FRAME + "-1\n\n", "bad.xyz, frame 1: expected a number of atoms, got '-1'"),
        (FRAME + "\n" + FRAME, "bad.xyz, frame 1: expected a number of atoms, got a blank line with text after it"),
        (FRAME.replace("Si 1", "Qq 1"), "bad.xyz, frame 0: the frame cannot be read: 'Qq' is no chemical element"),
        (FRAME.replace("1 1 1", "1 x 1"), "bad.xyz, frame 0: the frame cannot be read: could not convert"),
        (FRAME.replace("5 0 0 0 5", "5 0 0 5"), "bad.xyz, frame 0: the frame cannot be read: .*Lattice"),
    ],
)
def test_faults_name_file_and_frame(tmp_path, monkeypatch, text, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.xyz").write_text(text)
    with pytest.raises(StructureError, match=f"^{problem}"):
        ms.read("bad.xyz")


def test_other_faults_of_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StructureError, match=r"^none.xyz: cannot be read: No such file"):
        ms.read("none.xyz")
    (tmp_path / "dir.xyz").mkdir()
    with pytest.raises(StructureError, match=r"^dir.xyz: the folder holds no file of structures"):
        ms.read("dir.xyz")
    (tmp_path / "latin.xyz").write_bytes(FRAME.encode() + b"2\nname=\xe9\nSi 0 0 0\nSi 1 1 1\n")
    with pytest.raises(StructureError, match=r"^latin.xyz, frame 1: the frame cannot be read: 'utf-8' codec"):
        ms.read("latin.xyz")
    (tmp_path / "cut.xyz.gz").write_bytes(b"\x1f\x8b\x08\x00\x00")
    with pytest.raises(StructureError, match=r"^cut.xyz.gz"):
        ms.read("cut.xyz.gz")
    (tmp_path / "bad.traj").write_bytes(b"- of UlmASE-Trajectory")
    with pytest.raises(StructureError, match=r"^bad.traj, frame 0: cannot be read as traj"):
        ms.read("bad.traj")
    (tmp_path / "what.ever").write_text("nothing that anybody knows")
    with pytest.raises(StructureError, match=r"^what.ever"):
        ms.read("what.ever")


def test_what_is_not_a_structure_is_refused():
    with pytest.raises(InvalidInputError, match=r"structure 1: expected ase.Atoms or the path of a file, got int"):
        Structures([Atoms("Si"), 3])
    with pytest.raises(InvalidInputError, match="expected paths, got Atoms"):
        Structures(["a.xyz", Atoms("Si")])


def test_a_survey_finds_what_a_selection_needs(files):
    structures = Structures(["core.xyz", "pool.xyz"], [Isolated.parse("config_type=isolated_atom")]).survey()
    assert len(structures) == 17
    assert structures.isolated_positions == [0]
    assert structures.candidates == list(range(1, 17))
    assert structures.elements == ("Si",)
    assert structures.n_atoms == 16 * 8
    assert not structures.several_compositions
    assert [(frame.source, frame.index) for frame in structures.take([5, 0])] == [("pool.xyz", 0), ("core.xyz", 0)]


def test_compositions_are_fractions():
    one, two = Atoms("SiO2"), Atoms("Si2O4")
    assert not Structures([one, two]).survey().several_compositions
    assert Structures([one, two, Atoms("SiO")]).survey().several_compositions
    assert Structures([one, Atoms("H")]).survey().elements == ("H", "O", "Si")


def test_large_files_are_read_again_instead_of_held(files):
    held, streamed = Structures("pool.xyz").survey(), Structures("pool.xyz", held_atoms=20).survey()
    for first, second in zip(held.take([7, 2, 11]), streamed.take([7, 2, 11]), strict=True):
        assert first.index == second.index
        assert differences(first.atoms, second.atoms) == []
    assert len(list(streamed)) == len(list(held)) == 12
    (files / "pool.xyz").write_text((files / "pool.xyz").read_text() + "\n")
    with pytest.raises(StructureError, match=r"pool.xyz: the file has changed since the selection began"):
        streamed.take([0])
    assert held.take([0])


@pytest.mark.parametrize("text", ["", "config_type", "=x", "config_type="])
def test_marks_of_isolated_atoms_are_key_and_value(text):
    with pytest.raises(InvalidInputError, match="expected KEY=VALUE"):
        Isolated.parse(text)


def test_an_isolated_atom_is_one_atom():
    marked = rattled(0)
    marked.info["config_type"] = "isolated_atom"
    problem = "structure 1: config_type=isolated_atom marks it as an isolated atom, but it holds 8 atoms"
    with pytest.raises(StructureError, match=problem):
        Structures([rattled(1), marked], [Isolated.parse("config_type=isolated_atom")]).survey()
    assert np.all(Structures([rattled(1), marked]).survey().candidates == [0, 1])
