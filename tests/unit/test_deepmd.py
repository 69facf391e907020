"""Folders of DeePMD-kit: structures and labels are those of the files, as NumPy and the text have them."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import Atoms

import mlipselect as ms
from mlipselect.exceptions import StructureError
from mlipselect.io.raw_frames import raw_frames
from mlipselect.io.reading import Reading

CELL = np.array([[3.0, 0.5, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 5.0]])
COORD = np.array([[0.1, 0.2, 0.3, 1.5, 1.6, 1.7, 2.5, 2.6, 2.7]])
FORCE = np.array([[1.0, -2.0, 3.0, -0.5, 1.0, -1.5, -0.5, 1.0, -1.5]])
VIRIAL = np.array([[6.0, 36.0, 30.0, 36.0, 12.0, 24.0, 30.0, 24.0, -18.0]])
STRESS = [-0.1, -0.2, 0.3, -0.4, -0.5, -0.6]
"""The virial by the volume of 60 Å^3, with the other sign, as xx yy zz yz xz xy."""


def read(path, **options):
    reading = Reading(**options)
    return [raw.build_usable() for raw in raw_frames(str(path), reading)], reading.notes.pending()


def labels(energies):
    """Return the files of one set with a frame for each energy; frames differ in the energy alone."""
    n = len(energies)
    same = {"coord": COORD, "box": CELL.reshape(1, 9), "force": FORCE, "virial": VIRIAL}
    return {name: np.repeat(rows, n, axis=0) for name, rows in same.items()} | {"energy": np.array(energies)}


def system(folder, sets, types="0 1 0", names="O Si"):
    folder.mkdir(parents=True)
    (folder / "type.raw").write_text("\n".join(types.split()) + "\n")
    if names is not None:
        (folder / "type_map.raw").write_text("\n".join(names.split()) + "\n")
    for number, files in enumerate(sets):
        part = folder / f"set.{number:03d}"
        part.mkdir()
        for name, rows in files.items():
            np.save(part / f"{name}.npy", rows)
    return folder


def test_structures_and_labels_are_those_of_the_files(tmp_path):
    sets = [labels([-7.125, -7.0]), {"coord": COORD, "box": CELL.reshape(1, 9)}]
    atoms, second, bare = read(system(tmp_path / "data", sets))[0]
    assert atoms.get_chemical_symbols() == ["O", "Si", "O"]
    assert atoms.pbc.all()
    assert atoms.cell.tolist() == CELL.tolist()
    assert atoms.positions.tolist() == COORD.reshape(3, 3).tolist()
    assert (atoms.get_potential_energy(), second.get_potential_energy()) == (-7.125, -7.0)
    assert atoms.get_forces().tolist() == FORCE.reshape(3, 3).tolist()
    np.testing.assert_allclose(atoms.get_stress(), STRESS, rtol=1e-14)
    assert bare.calc is None


def test_raw_files(tmp_path):
    folder = system(tmp_path / "data", [])
    for name, rows in labels([-7.125, -7.0]).items():
        np.savetxt(folder / f"{name}.raw", rows)
    atoms, second = ms.read(folder)
    assert (atoms.get_potential_energy(), second.get_potential_energy()) == (-7.125, -7.0)
    assert atoms.positions.tolist() == COORD.reshape(3, 3).tolist()
    np.testing.assert_allclose(atoms.get_stress(), STRESS, rtol=1e-14)


def test_mixed_types(tmp_path):
    files = labels([-1.0, -2.0]) | {"real_atom_types": np.array([[1, 0, 0], [2, 1, -1]])}
    first, second = ms.read(system(tmp_path / "mixed" / "3", [files], types="0 0 0", names="O Si Ge"))
    assert first.get_chemical_symbols() == ["Si", "O", "O"]
    # -1 fills up frames of fewer atoms
    assert second.get_chemical_symbols() == ["Ge", "Si"]
    assert second.positions.tolist() == [[0.1, 0.2, 0.3], [1.5, 1.6, 1.7]]
    assert second.get_forces().tolist() == [[1.0, -2.0, 3.0], [-0.5, 1.0, -1.5]]
    assert second.get_potential_energy() == -2.0
    np.testing.assert_allclose(second.get_stress(), STRESS, rtol=1e-14)


def test_several_systems_of_a_folder(tmp_path):
    system(tmp_path / "data" / "b", [labels([-2.0])])
    system(tmp_path / "data" / "a" / "deep", [labels([-1.0])], types="1 1 1")
    frames = list(ms.iter_frames(tmp_path / "data"))
    assert [frame.atoms.get_potential_energy() for frame in frames] == [-1.0, -2.0]
    assert [str(frame.atoms.symbols) for frame in frames] == ["Si3", "OSiO"]
    assert [frame.index for frame in frames] == [0, 1]
    assert [frame.atoms.info["deepmd_system"] for frame in frames] == ["a/deep", "b"]


def test_systems_beside_other_files(tmp_path, caplog):
    ase.io.write(tmp_path / "pool.xyz", Atoms("Cu"))
    (tmp_path / "readme.md").write_text("about\n")
    system(tmp_path / "water" / "a", [labels([-1.0])])
    system(tmp_path / "water" / "b", [labels([-2.0])])
    assert [str(atoms.symbols) for atoms in ms.read(tmp_path)] == ["Cu", "OSiO", "OSiO"]
    assert "readme.md" in caplog.text


def test_single_precision_and_shapes_that_others_write(tmp_path):
    files = {name: rows.astype(np.float32) for name, rows in labels([-7.125, -7.0]).items()}
    files |= {"energy": files["energy"][:, None], "coord": files["coord"].reshape(2, 3, 3)}
    atoms, _ = ms.read(system(tmp_path / "data", [files]))
    assert atoms.positions.dtype == np.float64
    np.testing.assert_allclose(atoms.positions, COORD.reshape(3, 3), rtol=1e-6)
    assert atoms.get_potential_energy() == -7.125


def test_molecules_have_no_cell(tmp_path):
    folder = system(tmp_path / "data", [labels([-7.125])])
    (folder / "nopbc").touch()
    (atoms,), notes = read(folder)
    assert not atoms.pbc.any()
    assert atoms.cell.rank == 0
    assert set(atoms.calc.results) == {"energy", "forces"}
    assert "the virial is not read where there is no periodic cell (frame 0)" in notes[0]


def test_elements_are_named_by_the_user_where_the_files_do_not(tmp_path):
    folder = system(tmp_path / "data", [labels([-7.125])], names=None)
    with pytest.raises(StructureError, match=r"data has no type_map.raw: name the elements .*--species"):
        ms.read(folder)
    (atoms,), _ = read(folder, species=["Ge", "C"])
    assert atoms.get_chemical_symbols() == ["Ge", "C", "Ge"]
    with pytest.raises(StructureError, match="type 1: types count from 0, and the elements of 1 types are named"):
        read(folder, species=["Ge"])
    folder = system(tmp_path / "other", [labels([-7.125])], names="Type_0 H")
    with pytest.raises(StructureError, match=r"'Type_0' is no chemical element.*--species-map"):
        ms.read(folder)
    (atoms,), _ = read(folder, species_map=["Type_0=Cu", "H="])
    assert atoms.get_chemical_symbols() == ["Cu", "Cu"]


def test_files_that_are_not_read_are_told(tmp_path):
    _, notes = read(system(tmp_path / "data", [labels([-1.0]) | {"fparam": np.ones((1, 2)), "spin": COORD}]))
    assert "files that are not read: fparam.npy, spin.npy" in notes[0]


@pytest.mark.parametrize(
    ("name", "rows", "problem"),
    [
        ("force", FORCE[:, :8], r"force.npy: expected rows of 9 numbers, got shape \(1, 8\)"),
        ("energy", np.array([-1.0, -2.0]), "energy.npy: expected 1 rows as in coord, got 2"),
        ("coord", np.array([["a"] * 9]), "coord.npy: expected rows of 9 numbers, got shape"),
        ("coord", np.zeros((0, 9)), "coord.npy: expected rows of 9 numbers, got shape"),
        ("virial", np.full((1, 9), np.nan), "virial.npy, row 0: expected finite numbers"),
        ("box", None, "expected a file .*box.npy, or a file nopbc beside type.raw"),
        ("coord", None, "expected a file .*coord.npy"),
    ],
)
def test_damage_is_named_by_file(tmp_path, name, rows, problem):
    files = {known: value for known, value in (labels([-1.0]) | {name: rows}).items() if value is not None}
    with pytest.raises(StructureError, match=f"data, frame 0: cannot be read as deepmd: .*{problem}"):
        ms.read(system(tmp_path / "data", [files]))


def test_truncated_files(tmp_path):
    path = system(tmp_path / "data", [labels([-1.0])]) / "set.000" / "force.npy"
    whole = path.read_bytes()
    for length in (0, 5, 60, len(whole) - 8):
        path.write_bytes(whole[:length])
        with pytest.raises(StructureError, match=r"data, frame 0: .*force.npy cannot be read, it may be truncated"):
            ms.read(tmp_path / "data")
    (tmp_path / "data" / "type.raw").write_text("0 1 x\n")
    with pytest.raises(StructureError, match=r"type.raw: expected the type of each atom, a whole number"):
        ms.read(tmp_path / "data")
