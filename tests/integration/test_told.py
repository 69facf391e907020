"""What a job tells or refuses of its inputs: features that say nothing, options without effect, stores given twice."""

from __future__ import annotations

import re
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.equal_rows import tell_equal_rows
from mlipselect.io.digest import _share_frames
from reference.labelled import labelled, renamed


@pytest.fixture
def pool(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    structures = [renamed(atoms, "REF_energy", "REF_forces") for atoms in labelled(6)]
    ase.io.write("pool.xyz", structures)
    return structures


WORDS = {
    "select": ["-n", "1", "-o", "out.xyz"],
    "featurize": ["-o", "out.npz"],
    "fit": ["-o", "out.npz"],
}


@pytest.mark.parametrize("verb", list(WORDS))
def test_a_cutoff_shorter_than_every_bond_is_refused(pool, verb, capsys, tmp_path):
    assert main([verb, "pool.xyz", *WORDS[verb], "--totaldegree", "4", "--rcut", "1.0"]) == 1
    error = capsys.readouterr().err
    assert re.search(
        r"features of all 6 (labelled )?structures are zero: no atom has a neighbour within the cutoff of 1 Å", error
    )
    assert not (tmp_path / "out.xyz").exists()
    assert not (tmp_path / "out.npz").exists()


def test_a_cutoff_shorter_than_some_bonds_is_told_by_fit(pool, caplog):
    wide = pool[0].copy()
    wide.set_cell(3.0 * wide.cell, scale_atoms=True)
    ms.LinearPotential(ms.ACE(["Cu"], totaldegree=4, rcut=4.0)).fit([*pool, wide])
    assert "1 of 7 labelled structures has no atoms within the cutoff of 4 Å: nothing is fitted to it" in caplog.text


@pytest.mark.parametrize(
    "descriptor", [lambda atoms: np.ones((len(atoms), 3)), ms.ACE(["Cu"], totaldegree=4, rcut=2.6)]
)
def test_features_that_all_structures_share_are_told(descriptor, caplog):
    structures = [ase.build.bulk("Cu", cubic=True, a=3.6) for _ in range(4)]
    for k, atoms in enumerate(structures):
        # Layers that do not see each other.
        atoms.cell[2, 2] = 13.0 + k
        atoms.positions[atoms.positions[:, 2] > 1.0] += [0, 0, 2.0 + 0.5 * k]
    ms.select(structures, 1, descriptor=descriptor)
    assert "all 4 structures have the same features, so nothing tells them apart" in caplog.text


@pytest.mark.parametrize(("second", "is_told"), [(0.0, True), (1e-15, True), (1e-6, False)])
def test_rows_are_equal_to_rounding(second, is_told, caplog):
    rows = np.array([[1.0, 2.0], [1.0 + second, 2.0]])
    tell_equal_rows([rows[:1], rows[1:]], None)
    assert ("all 2 structures have the same features" in caplog.text) is is_told
    tell_equal_rows([rows[:1]], None)
    assert caplog.text.count("have the same features") == is_told


def test_no_more_rows_are_read_once_two_differ():
    def blocks():
        yield np.array([[1.0], [2.0]])
        raise AssertionError("a further block was read")

    tell_equal_rows(blocks(), None)


DUMP = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 5\n0 5\n0 5\n"
CIF_OF_PARTS = (
    "data_x\n_cell_length_a 4\n_cell_length_b 4\n_cell_length_c 4\n_cell_angle_alpha 90\n_cell_angle_beta 90\n"
    "_cell_angle_gamma 90\nloop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n"
    "_atom_site_fract_z\n_atom_site_occupancy\nCu1 Cu 0 0 0 0.9\nCu2 Cu 0.5 0.5 0 1\n"
)
NEEDING = {
    "--species": (["Cu"], "need.dump", DUMP + "ITEM: ATOMS id type x y z\n1 1 0 0 0\n2 1 2 2 2\n"),
    "--species-map": (["Q=Cu"], "need.xyz", "2\n\nQ 0 0 0\nCu 2 0 0\n"),
    "--cell": (["9", "9", "9"], "need.xyz", "2\n\nCu 0 0 0\nCu 2 0 0\n"),
    "--occupancy": (["majority"], "need.cif", CIF_OF_PARTS),
}


@pytest.mark.parametrize("option", list(NEEDING))
@pytest.mark.parametrize("verb", list(WORDS))
def test_an_option_of_reading_that_no_frame_needs_is_told(pool, verb, option, capsys, tmp_path):
    values, name, text = NEEDING[option]
    (tmp_path / name).write_text(text)
    words = [*WORDS[verb], "--totaldegree", "4", option, *values]
    assert main([verb, "pool.xyz", *words]) == 0
    assert f"{option} has no effect" in capsys.readouterr().err
    assert main([verb, "pool.xyz", name, *words]) == 0
    assert "has no effect" not in capsys.readouterr().err


@pytest.mark.parametrize("option", list(NEEDING))
def test_an_option_that_only_the_core_needs_has_an_effect(pool, option, capsys, tmp_path):
    values, name, text = NEEDING[option]
    (tmp_path / name).write_text(text)
    assert main(["select", "pool.xyz", "--core", name, *WORDS["select"], "--totaldegree", "4", option, *values]) == 0
    assert "has no effect" not in capsys.readouterr().err


def test_the_names_of_a_map_that_no_atom_has_are_told(pool, capsys, tmp_path):
    (tmp_path / "need.xyz").write_text("2\n\nQ 0 0 0\nCu 2 0 0\n")
    words = [*WORDS["select"], "--totaldegree", "4", "--species-map", "Q=Cu", "Fe1=Fe"]
    assert main(["select", "need.xyz", *words]) == 0
    assert "--species-map has no effect on Fe1: no frame has atoms of such a name" in capsys.readouterr().err


@pytest.fixture
def stores(pool):
    ase.io.write("other.xyz", [renamed(atoms) for atoms in labelled(6, seed=9)])
    made = {}
    for name, files in {"a": ["pool.xyz"], "b": ["pool.xyz"], "c": ["other.xyz"]}.items():
        made[name] = ms.featurize(files, ms.ACE(["Cu"], totaldegree=4), store=f"{name}.features")
    return made


def test_a_store_that_is_given_twice_is_told(stores, caplog):
    ms.select(["a.features", "c.features"], 1)
    assert "twice" not in caplog.text
    ms.select(["a.features", "c.features", "./a.features"], 1)
    assert "a.features is given twice: each structure is a candidate twice" in caplog.text
    caplog.clear()
    ms.select(["a.features"] * 3, 1, report="thrice.html")
    assert caplog.text.count("is given") == 1
    assert "a.features is given 3 times: each structure is a candidate 3 times" in caplog.text
    assert ">pool.xyz, 3 times</td>" in Path("thrice.html").read_text(encoding="utf-8")


def test_stores_of_one_file_are_told(stores, caplog):
    ms.select(["a.features", "b.features"], 1)
    assert "a.features and b.features both describe pool.xyz: each structure is a candidate twice" in caplog.text


@pytest.mark.parametrize(
    ("pool_", "core"), [("a.features", "b.features"), ("a.features", "pool.xyz"), ("pool.xyz", "a.features")]
)
def test_a_file_of_the_core_is_told_through_a_store(stores, pool_, core, caplog):
    ms.select(pool_, 1, core)
    assert "pool.xyz is in the core too, as pool.xyz: nothing of it is new" in caplog.text
    caplog.clear()
    ms.select(pool_, 1, "c.features")
    assert "in the core too" not in caplog.text


def test_the_parameters_are_told_in_which_descriptors_differ(stores, pool):
    other = ms.ACE(["Cu"], totaldegree=5, rcut=4.5)
    ms.featurize("pool.xyz", other, store="d.features")
    told = r"totaldegree is 5, not 4, rcut is 4.5, not 5$"
    with pytest.raises(
        InvalidInputError, match=rf"^d.features: holds features of another descriptor than a.features: {told}"
    ):
        ms.select(["a.features", "d.features"], 1)
    with pytest.raises(
        InvalidInputError, match=rf"^d.features: made with another descriptor than the one given: {told}"
    ):
        ms.select("a.features", 1, "d.features")
    with pytest.raises(InvalidInputError, match=r"than that asked for: totaldegree is 4, not 5, rcut is 5, not 4.5$"):
        ms.featurize("pool.xyz", other, store="a.features")
    with pytest.raises(InvalidInputError, match=r"than the one given: it is ACE, not PerElement$"):
        ms.select("pool.xyz", 1, "a.features", ms.PerElement(ms.ACE(["Cu"], totaldegree=4), ["Cu"]))


def test_nothing_but_isolated_atoms_is_nothing_to_select(pool, capsys, tmp_path):
    atoms = [Atoms(symbol, cell=[20] * 3, pbc=True, info={"config_type": "isolated_atom"}) for symbol in ("Cu", "Si")]
    ase.io.write("atoms.xyz", atoms)
    assert main(["select", "atoms.xyz", "-n", "2", "-o", "out.xyz"]) == 3
    assert (tmp_path / "out.json").exists()
    assert not (tmp_path / "out.xyz").exists()
    found = ms.select("atoms.xyz", 2)
    assert len(found) == 0
    assert len(found.isolated) == 2
    assert found.notes == ["0 of 2 structures selected: the pool holds nothing but isolated atoms"]
    with pytest.raises(InvalidInputError, match="expected at least one candidate"):
        ms.select([], 1)


@pytest.mark.parametrize("name", ["pool.xyz", "pool.db"])
@pytest.mark.parametrize(
    ("meant", "core", "told"),
    [
        ("@:3", "@3:", None),
        ("@::2", "@1::2", None),
        ("@:3", "@:3", "pool.xyz@:3 is in the core too, as pool.xyz@:3: nothing of it is new"),
        ("@:3", "", "pool.xyz@:3 is in the core too, as pool.xyz: nothing of it is new"),
        ("", "@3:", "pool.xyz is in the core too, in part, as pool.xyz@3:"),
        ("@:4", "@3:", "pool.xyz@:4 is in the core too, in part, as pool.xyz@3:"),
    ],
)
def test_parts_of_one_file_are_told_where_they_share_frames(pool, name, meant, core, told, caplog):
    if name == "pool.db":
        ase.io.write(name, ms.read("pool.xyz"))
    ms.select(f"{name}{meant}", 1, f"{name}{core}", descriptor=ms.ACE(["Cu"], totaldegree=4))
    assert ("in the core too" in caplog.text) == (told is not None)
    if told is not None:
        assert told.replace("pool.xyz", name) in caplog.text


FRAMES = st.tuples(*[st.none() | st.integers(0, 12)] * 2, st.none() | st.integers(1, 5))


@given(FRAMES, FRAMES)
def test_frames_that_parts_share_are_found(one, two):
    shared = {*range(40)[slice(*one)]} & {*range(40)[slice(*two)]}
    file, other = ({"frames": ":".join("" if x is None else str(x) for x in parts)} for parts in (one, two))
    assert _share_frames(file, other) == bool(shared)
