"""What a format of the output does not keep is said before the work, for all structures that may be picked."""

from __future__ import annotations

import json

import ase.build
import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixBondLength, FixCartesian, FixedPlane, FixScaled
from ase.io.formats import ioformats
from ase.spacegroup import Spacegroup

import mlipselect as ms
from mlipselect.cli.main import main
from mlipselect.exceptions import InvalidInputError
from mlipselect.io import differences, write_exact
from mlipselect.io.ase_format import AseFormat
from mlipselect.io.writer import format_of


@pytest.fixture(autouse=True)
def _there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class Counting(ms.ACE):
    """Counts the structures that it describes."""

    described = 0

    def structure_features(self, *given, **options):
        Counting.described += 1
        return super().structure_features(*given, **options)


def copper(seed, **info):
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=seed)
    atoms.info.update(info)
    return atoms


def pool():
    """Ten structures of which only the last carries what extended XYZ has no place for."""
    structures = [copper(seed) for seed in range(10)]
    structures[-1].set_constraint(FixBondLength(0, 1))
    structures[-1].info["spacegroup"] = Spacegroup(225)
    return structures


def test_a_late_structure_is_told_before_the_work(caplog):
    ms.select(pool(), 2, descriptor=ms.ACE(["Cu"], totaldegree=4), output="selected.xyz", progress=False)
    told = [message for message in caplog.messages if "does not keep" in message]
    assert told == [
        "selected.xyz: of 10 structures that may be written, the format extxyz does not keep everything: "
        "let go: FixBondLengths (1 structure); kept as text: info['spacegroup'] (1) (strict refuses this)"
    ]


def test_a_late_structure_is_refused_before_the_work_if_strict():
    Counting.described = 0
    with pytest.raises(InvalidInputError, match=r"selected.xyz: .*FixBondLengths \(let go\).* of frame 9"):
        ms.select(pool(), 2, descriptor=Counting(["Cu"], totaldegree=4), output="selected.xyz", strict=True)
    assert Counting.described == 0


def test_strict_on_the_command_line(capsys):
    ase.io.write("pool.traj", pool())
    command = ["select", "pool.traj", "-n", "2", "--totaldegree", "4", "-o", "selected.xyz"]
    assert main([*command, "--strict"]) == 1
    assert "pool.traj, frame 9" in capsys.readouterr().err
    assert main(command) == 0
    assert capsys.readouterr().err.count("FixBondLengths") == 1


def test_a_store_is_read_beforehand_only_if_strict(caplog):
    ase.io.write("pool.traj", pool())
    ms.featurize("pool.traj", ms.ACE(["Cu"], totaldegree=4), store="pool.features", progress=False)
    with pytest.raises(InvalidInputError, match=r"pool\.traj, frame 9"):
        ms.select("pool.features", 2, output="selected.xyz", strict=True)
    ms.select("pool.features", 10, output="selected.xyz", progress=False)
    assert sum("FixBondLengths (1" in message for message in caplog.messages) == 1
    assert len(ms.read("selected.xyz")) == 10


def test_a_selection_is_written_to_other_formats_later(caplog):
    selection = ms.select(pool(), 10, descriptor=ms.ACE(["Cu"], totaldegree=4), progress=False)
    with pytest.raises(InvalidInputError, match="cannot keep"):
        selection.write("selected.traj", strict=True)
    caplog.clear()
    selection.write("selected.traj")
    assert len(caplog.messages) == 1
    assert "kept as text: info['spacegroup'] (1" in caplog.text
    assert [len(atoms.constraints) for atoms in ms.read("selected.traj")].count(1) == 1


def test_results_that_no_longer_hold_are_let_go_and_told(caplog):
    atoms = copper(1)
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=np.zeros((4, 3)))
    moved = atoms.copy()
    moved.calc = atoms.calc
    moved.rattle(0.1, seed=3)
    write_exact("out.xyz", [atoms, moved])
    assert "results of a calculator that belong to other positions, cell or species (1 structure)" in caplog.text
    first, second = ms.read("out.xyz")
    assert first.get_potential_energy() == -1.0
    assert second.calc is None


def test_results_of_a_live_calculator_are_kept():
    atoms = copper(1)
    atoms.calc = EMT()
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    write_exact("out.xyz", [atoms])
    (found,) = ms.read("out.xyz")
    assert found.get_potential_energy() == energy
    assert found.get_forces().tobytes() == forces.tobytes()


@pytest.mark.parametrize("nothing", [np.zeros(3), np.zeros((3, 1)), np.array([0.0, -0.0, 0.0])])
def test_a_displacement_of_zero_is_nothing(nothing):
    atoms = copper(1)
    atoms.set_celldisp(nothing)
    write_exact("out.xyz", [atoms], strict=True)
    assert differences(atoms, ms.read("out.xyz")[0]) == []


@pytest.mark.parametrize(
    ("cell", "constraint", "fixed"),
    [
        ([4, 5, 6], FixScaled([0], (True, False, True)), [True, False, True]),
        ([[4, 0, 0], [2, 5, 0], [0, 0, 6]], FixScaled([0], (False, False, True)), [False, False, True]),
        ([[4, 0, 0], [2, 5, 0], [0, 0, 6]], FixScaled([0], (True, True, False)), [True, True, False]),
        ([[4, 0, 0], [2, 5, 0], [1, 1, 6]], FixScaled([0], (True, True, True)), [True, True, True]),
        ([4, 5, 6], FixedPlane([0], (0, 1, 0)), [False, True, False]),
    ],
)
def test_directions_along_axes_are_kept(cell, constraint, fixed):
    atoms = Atoms("Si2", positions=[[0, 0, 0], [1, 1, 1]], cell=cell, pbc=True, constraint=[constraint, FixAtoms([1])])
    write_exact("out.xyz", [atoms], strict=True)
    (found,) = ms.read("out.xyz")
    masks = [c.mask.tolist() for c in found.constraints if isinstance(c, FixCartesian) and 0 in c.index]
    assert masks == [fixed] or (fixed == [True] * 3 and 0 in found.constraints[0].index)
    step = np.array([[0.1, 0.2, 0.3], [0, 0, 0]])
    new = atoms.positions + step
    constraint.adjust_positions(atoms, new)
    assert np.allclose(new - atoms.positions, step * ~np.array([fixed, fixed]))


def test_tensors_per_atom_become_columns(caplog):
    atoms = copper(1)
    charges = np.arange(36.0).reshape(4, 3, 3)
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, born_effective_charges=charges)
    write_exact("out.xyz", [atoms])
    assert "kept as 9 columns for 3 x 3: the result born_effective_charges (1 structure)" in caplog.text
    (found,) = ms.read("out.xyz")
    assert np.array_equal(found.calc.results["born_effective_charges"].reshape(4, 3, 3), charges)
    write_exact("again.xyz", [found], strict=True)


def test_results_under_other_names_are_kept(caplog):
    atoms = copper(1)
    atoms.calc = SinglePointCalculator(atoms, energy=1.0)
    atoms.calc.results |= {"fermi_level": 2.5, "node_energy": np.arange(4.0)}
    write_exact("out.xyz", [atoms])
    assert "kept in info or arrays: the result fermi_level (1 structure), the result node_energy (1)" in caplog.text
    (found,) = ms.read("out.xyz")
    assert found.info["fermi_level"] == 2.5
    assert found.arrays["node_energy"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["out.db", "out.json"])
def test_info_is_in_rows_of_databases(name):
    atoms = copper(1, config_type="bulk", weight=0.5, number="12", Cu2="formula", deep={"a": [1, 2]}, many=np.eye(2))
    write_exact(name, [atoms, atoms])
    with ase.db.connect(name) as database:
        rows = list(database.select())
    assert rows[0].key_value_pairs == {"config_type": "bulk", "weight": 0.5}
    assert set(rows[0].data) == {"number", "Cu2", "deep", "many"}
    assert [differences(atoms, found) for found in ms.read(name)] == [[], []]


def test_nothing_is_left_beside_an_lmdb_database(tmp_path):
    pytest.importorskip("ase_db_backends")
    ms.select([copper(k) for k in range(3)], 2, descriptor=ms.ACE(["Cu"], totaldegree=3), output="out.aselmdb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.aselmdb", "out.json"]


def test_rounding_and_periodicity_of_other_formats_are_told(caplog):
    atoms = ase.build.fcc111("Cu", (1, 1, 2), vacuum=4.0)
    write_exact("POSCAR", [atoms])
    assert "read back as T T T: pbc T T F (1)" in caplog.text
    assert "arrays['tags']" in caplog.text
    caplog.clear()
    write_exact("out.pdb", [copper(1)])
    assert "rounded by less than 1e-03 Å: positions (1" in caplog.text


def test_one_structure_is_selected_to_poscar(tmp_path, caplog):
    structures = [copper(k, config_type="x") for k in range(3)]
    ms.select(structures, 1, descriptor=ms.ACE(["Cu"], totaldegree=3), output="POSCAR_selected")
    assert len(ms.read("POSCAR_selected")) == 1
    assert "info['config_type'] (3" in caplog.text
    assert caplog.text.count("mlipselect_") == 0, "the record beside the file has these"
    assert json.loads((tmp_path / "POSCAR_selected.json").read_text())["indices"]
    with pytest.raises(InvalidInputError, match="POSCAR: the format vasp holds one structure, expected 2"):
        ms.select(structures, 2, descriptor=Counting(["Cu"], totaldegree=3), output="POSCAR")


@pytest.mark.parametrize("name", ["pool_XDATCAR.xyz", "OUTCAR.extxyz", "POSCAR.xyz.gz"])
def test_xyz_in_a_name_decides(name):
    assert format_of(name) == "extxyz"
    write_exact(name, [copper(1), copper(2)])
    assert len(ms.read(name)) == 2


def test_what_was_selected_is_not_lost_when_writing_fails(monkeypatch):

    def full(self, path, structures, filename):
        raise InvalidInputError(f"{filename}: the format {self.name} fails late")

    monkeypatch.setattr(AseFormat, "write", full)
    with pytest.raises(InvalidInputError, match=r"fails late; what was selected is in out\.traj\.rescued\.xyz"):
        ms.select([copper(k) for k in range(3)], 2, descriptor=ms.ACE(["Cu"], totaldegree=3), output="out.traj")
    assert len(ms.read("out.traj.rescued.xyz")) == 2


def test_sources_of_equal_names_are_told_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_exact(tmp_path / name / "OUTCAR.xyz", [copper(ord(name))])
    paths = ["a/OUTCAR.xyz", "b/OUTCAR.xyz"]
    ms.select(paths, 2, descriptor=ms.ACE(["Cu"], totaldegree=3), output="out.xyz")
    assert {atoms.info["mlipselect_source"] for atoms in ms.read("out.xyz")} == set(paths)


PICTURES = {"mp4", "gif", "png", "eps", "pov", "html", "x3d", "json", "db", "mysql", "postgresql"}


def test_formats_of_several_files_are_refused(tmp_path):
    refused = set()
    for name in [name for name, known in ioformats.items() if known.can_write and name not in PICTURES]:
        file = f"o.{(ioformats[name].extensions or ['out'])[0]}"
        folder = tmp_path / name
        folder.mkdir()
        try:
            ase.io.write(folder / file, copper(1), format=name)
        except Exception:  # ASE does not write it
            continue
        written = list(folder.iterdir())
        try:
            AseFormat(name).try_out(copper(1), None, file)
        except InvalidInputError:
            refused.add(name)
        assert name in refused or (len(written) == 1 and written[0].is_file())
    assert {"xtd", "bundletrajectory"} <= refused
    assert not {"traj", "cif", "vasp"} & refused


def test_an_output_of_several_files_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInputError, match=r"the format xtd is written as several files.*write a \.xyz file"):
        ms.select([copper(k) for k in range(3)], 1, output="out.xtd")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "problem"), [("picks", "no format to write by that name"), (".", "is a directory")])
def test_names_that_are_no_files_of_structures_are_refused(tmp_path, monkeypatch, name, problem):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInputError, match=problem):
        ms.select([ase.build.bulk("Cu", a=a) for a in (3.5, 3.6)], 1, output=name)


@pytest.mark.parametrize("name", ["picks.cif", "POSCAR"])
@pytest.mark.parametrize("source", ["cif", "vasp", "memory"])
def test_nothing_is_said_of_an_ordinary_crystal(name, source, tmp_path, caplog):
    atoms = copper(1)
    if source != "memory":
        ase.io.write(tmp_path / "one.cif", atoms, format=source)
        atoms = ase.io.read(tmp_path / "one.cif", format=source)
    ms.select([atoms], 1, descriptor=ms.ACE(["Cu"], totaldegree=3), output=tmp_path / name)
    assert "does not keep everything" not in caplog.text
    with pytest.raises(InvalidInputError, match="cannot keep"):
        ms.select([atoms], 1, descriptor=ms.ACE(["Cu"], totaldegree=3), output=tmp_path / f"s_{name}", strict=True)


def test_what_matters_of_a_crystal_is_said(tmp_path, caplog):
    atoms = copper(1)
    atoms.info["dft_energy"] = -3.0
    atoms.set_constraint(FixAtoms([0]))
    write_exact(tmp_path / "one.cif", [atoms])
    assert "info['dft_energy'] (1" in caplog.text
    assert "FixAtoms (1" in caplog.text
    assert "added by the format" not in caplog.text


def test_a_result_whose_name_an_array_and_a_key_have_is_named(caplog):
    atoms = copper(1)
    atoms.info["dipole"] = None
    atoms.arrays["dipole"] = np.array(["a"] * len(atoms))
    atoms.calc = SinglePointCalculator(atoms, dipole=np.zeros(3))
    write_exact("one.db", [atoms])
    assert "the result dipole" in caplog.text
