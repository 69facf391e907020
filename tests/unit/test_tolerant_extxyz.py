"""Extended XYZ as people and programs write it, where ASE refuses or misreads it."""

from __future__ import annotations

import shutil

import ase.io
import numpy as np
import pytest

import mlipselect as ms
from mlipselect.exceptions import StructureError
from mlipselect.io import Structures, differences

LATTICE = "5 0 0 0 6 0 0 0 7"
COLUMNS = "species:S:1:pos:R:3"
ATOMS = "Si 0 0 0\nGe 1.5 2 3\n"


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read_text(comment, atoms=ATOMS, **options):
        (tmp_path / "pool.xyz").write_text(f"{len(atoms.splitlines())}\n{comment}\n{atoms}")
        return ms.read("pool.xyz", **options)[0]

    return read_text


@pytest.mark.parametrize(
    "comment",
    [
        f'lattice="{LATTICE}" properties={COLUMNS} pbc="T T F"',
        f'LATTICE="{LATTICE}" PROPERTIES={COLUMNS} PBC="T T F"',
        f'Lattice="{LATTICE}" Properties=Species:S:1:Pos:R:3 Pbc="t t f"',
        f"lattice='{LATTICE}' properties='{COLUMNS}' pbc='1 1 0'",
        f"Lattice=[[5, 0, 0], [0, 6, 0], [0, 0, 7]] Properties={COLUMNS} pbc=[T, T, F]",
        f'Lattice="5 6 7" Properties={COLUMNS} pbc="T T F"',
        f'Lattice="5.0D0 0 0 0 0.6D+01 0 0 0 7" Properties={COLUMNS} pbc="True True False"',
        f'properties=species:s:1:pos:r:3 lattice="{LATTICE}" pbc="T T F"',
    ],
)
def test_keys_of_the_geometry_in_any_spelling(read, comment):
    atoms = read(comment)
    assert atoms.cell.lengths().tolist() == [5, 6, 7]
    assert atoms.pbc.tolist() == [True, True, False]
    assert atoms.positions.tolist() == [[0, 0, 0], [1.5, 2, 3]]
    assert atoms.info == {}


def test_a_skewed_cell_in_brackets_has_vectors_as_rows(read):
    expected = [[5, 0, 0], [1, 6, 0], [2, 3, 7]]
    for comment in ('Lattice="5 0 0 1 6 0 2 3 7"', f"Lattice={expected}", 'lattice="5 0 0 1 6 0 2 3 7"'):
        assert np.asarray(read(comment).cell).tolist() == expected


def test_per_atom_forces_come_with_lower_case_keys(read):
    atoms = read(
        f'lattice="{LATTICE}" properties={COLUMNS}:forces:R:3 energy=-1.5',
        "Si 0 0 0 1 2 3\nGe 1 2 3 -1 -2 -3\n",
    )
    assert atoms.get_forces().tolist() == [[1, 2, 3], [-1, -2, -3]]
    assert atoms.get_potential_energy() == -1.5
    assert atoms.pbc.all()


def test_absent_pbc_beside_a_lattice_is_told(read, caplog):
    read(f'Lattice="{LATTICE}" Properties={COLUMNS}')
    assert "pool.xyz: Lattice without pbc: taken as periodic in all directions (frame 0)" in caplog.text
    caplog.clear()
    read(f'Lattice="{LATTICE}" Properties={COLUMNS} pbc="T T T"')
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("comment", "info"),
    [
        ('config_type="" REF_energy=-1.5', {"config_type": "", "REF_energy": -1.5}),
        ("config_type='' REF_energy=-1.5", {"config_type": "", "REF_energy": -1.5}),
        ("config_type={} REF_energy=-1.5", {"config_type": "", "REF_energy": -1.5}),
        ("config_type= REF_energy=-1.5", {"config_type": "", "REF_energy": -1.5}),
        ('REF_energy=-1.5 config_type=""', {"REF_energy": -1.5, "config_type": ""}),
        ("REF_energy=-1.5 config_type=", {"REF_energy": -1.5, "config_type": ""}),
        ('a="" b="" c=1', {"a": "", "b": "", "c": 1}),
        ("REF_energy = -1.5 name = x", {"REF_energy": -1.5, "name": "x"}),
        ("smiles=CC(=O)O x=1", {"smiles": "CC(=O)O", "x": 1}),
        ("REF_energy=-1.5D+00 uid=7d31", {"REF_energy": -1.5, "uid": "7d31"}),
        ('v="1.0D0 2.0D-1" label="cut 1.5D+02 off"', {"v": [1.0, 0.2], "label": "cut 1.5D+02 off"}),
        ('says="lattice=1 pbc=2"', {"says": "lattice=1 pbc=2"}),
    ],
)
def test_values(read, comment, info):
    found = read(comment).info
    found = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in found.items()}
    assert found == info


def test_fortran_numbers_in_columns_and_energies(read):
    atoms = read("energy=-1.5D+02", "Si 0.0 0 0\nGe 0.15D+01 2 3\n")
    assert atoms.get_potential_energy() == -150.0
    assert atoms.positions[1].tolist() == [1.5, 2, 3]


FULL = [[1, 2, 3], [2, 4, 5], [3, 5, 6]]


@pytest.mark.parametrize("text", ['"1 4 6 5 3 2"', "[1, 4, 6, 5, 3, 2]", '"1 2 3 2 4 5 3 5 6"', str(FULL)])
@pytest.mark.parametrize("key", ["stress", "virial"])
def test_stress_and_virial_of_6_or_9_numbers(read, key, text):
    atoms = read(f"{key}={text}")
    found = atoms.get_stress(voigt=False) if key == "stress" else atoms.info["virial"]
    assert found.tolist() == FULL


def test_nested_matrices_are_rows(read):
    assert read("virial=[[1, 2, 3], [4, 5, 6], [7, 8, 9]]").info["virial"].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize("value", ["none", '""', '"1 2 3"', "nan", "0.0"])
def test_what_is_no_stress_does_not_stop_a_selection(read, caplog, value):
    atoms = read(f'stress={value} name=x Lattice="{LATTICE}" pbc="T T T"')
    assert atoms.calc is None
    assert atoms.info == {"name": "x"}
    assert "pool.xyz: stress that is no matrix of 6 or 9 numbers is left out" in caplog.text


def test_atomic_numbers_as_species(read, caplog):
    assert str(read(f"Properties={COLUMNS}", "14 0 0 0\n8 1 1 1\n").symbols) == "SiO"
    assert "species are numbers: taken as atomic numbers" in caplog.text
    assert str(read("Properties=species:I:1:pos:R:3", "14 0 0 0\n8 1 1 1\n").symbols) == "SiO"
    assert str(read("Properties=Z:I:1:pos:R:3", "14 0 0 0\n8 1 1 1\n").symbols) == "SiO"


def test_a_dump_of_lammps_as_xyz_needs_species(read):
    with pytest.raises(StructureError, match=r"pool.xyz, frame 0: .*numbers the types .*--species Si O"):
        read("Atoms. Timestep: 100", "1 0 0 0\n2 1 1 1\n")
    assert str(read("Atoms. Timestep: 100", "1 0 0 0\n2 1 1 1\n", species=["Si", "O"]).symbols) == "SiO"
    with pytest.raises(StructureError, match="has atoms of type 2, --species names 1 types"):
        read("Atoms. Timestep: 100", "1 0 0 0\n2 1 1 1\n", species=["Si"])


@pytest.mark.parametrize(("word", "likely"), [("Fe1", "Fe"), ("D", "H"), ("C_h", "C"), ("Qq", "Si")])
def test_names_of_no_element_say_how_to_map_them(read, word, likely):
    with pytest.raises(StructureError, match=rf"frame 0: .*'{word}' is no chemical element: .*--species-map {word}="):
        read("", f"{word} 0 0 0\nSi 1 1 1\n")
    atoms = read("", f"{word} 0 0 0\nSi 1 1 1\n", species_map=[f"{word}={likely}"])
    assert atoms.get_chemical_symbols() == [likely, "Si"]


@pytest.mark.parametrize(
    "word", ["Bq", "bq1", "X", "X2", "Xx", "Gh", "Gh1", "Gh(O)", "ghost", "O_ghost", "H:", "@C", "Du"]
)
def test_ghost_atoms_are_named_as_such(read, word):
    with pytest.raises(StructureError, match=r"frame 0: .*ghost atom.*drop such atoms with --species-map"):
        read("", f"{word} 0 0 0\nSi 1 1 1\n")
    assert read("", f"{word} 0 0 0\nSi 1 1 1\n", species_map=[f"{word}="]).get_chemical_symbols() == ["Si"]


@pytest.mark.parametrize("word", ["Xe", "Ga", "Gd", "Dy", "Db", "Bk"])
def test_elements_are_no_ghosts(read, word):
    assert read("", f"{word} 0 0 0\nSi 1 1 1\n").get_chemical_symbols() == [word, "Si"]


@pytest.mark.parametrize(
    ("properties", "lacking"),
    [("species:S:1:force:R:3", "positions"), ("species:S:1:pos:R:2", "positions"), ("pos:R:3", "elements")],
)
def test_columns_without_positions_or_elements(read, properties, lacking):
    with pytest.raises(StructureError, match=rf"frame 0: .*Properties names no {lacking}"):
        read(f"Properties={properties}", "Si 0 0 0\nGe 1 2 3\n" if "species" in properties else "0 0 0\n1 2 3\n")


@pytest.mark.parametrize("key", ["dft_virial", "REF_virial", "virials", "my_matrix"])
@pytest.mark.parametrize(
    "text", ["[[1, 2, 3], [4, 5, 6], [7, 8, 9.5]]", "[[1,2,3],[4,5,6],[7,8,9.5]]", "{{1 2 3} {4 5 6} {7 8 9.5}}"]
)
def test_rows_of_numbers_in_brackets(read, key, text):
    found = read(f"Properties={COLUMNS} {key}={text} after=7").info
    assert found[key].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9.5]]
    assert found["after"] == 7
    assert isinstance(read(f'Properties={COLUMNS} {key}="[[a, b]]"').info[key], str)


@pytest.mark.parametrize(
    ("comment", "atoms", "count"),
    [
        ("-1234.5", "H 0 0 0 1 2 3\nO 0 0 1 4 5 6\n", 3),
        ("", "H 0 0 0 1\nO 0 0 1 4\n", 1),
        (f"Properties={COLUMNS}", "H 0 0 0 1 2 3\nO 0 0 1 4 5 6\n", 3),
        (f"properties={COLUMNS} x=[[1,2],[3,4]]", "H 0 0 0 1 2 3\nO 0 0 1 4 5 6\n", 3),
        (f"Properties={COLUMNS}:forces:R:3", "H 0 0 0 1 2 3\nO 0 0 1 4 5 6\n", 0),
        ("", "H 0 0 0\nO 0 0 1\n", 0),
    ],
)
@pytest.mark.parametrize("options", [{}, {"species_map": {"H": "C"}}, {"cell": [9, 9, 9]}])
def test_columns_that_are_not_read_are_told_once(comment, atoms, count, options, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pool.xyz").write_text(f"2\n{comment}\n{atoms}" * 4)
    assert len(ms.read("pool.xyz", **options)) == 4
    assert caplog.text.count("not read") == (count > 0)
    if count:
        columns = "columns of the atoms are" if count > 1 else "column of the atoms is"
        assert (
            f"pool.xyz: {count} further {columns} not read, as Properties does not name them (4 frames" in caplog.text
        )


@pytest.mark.parametrize("key", ["cell", "Cell", "box", "unit_cell", "lattice_vectors"])
@pytest.mark.parametrize("n_frames", [1, 3])
def test_a_cell_under_another_key_is_told(key, n_frames, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pool.xyz").write_text(
        f'2\n{key}="{LATTICE.replace("0 0 0 6", "0 0.1 0 6")}" Properties={COLUMNS}\n{ATOMS}' * n_frames
    )
    ms.read("pool.xyz")
    told = f"the cell is not read, as it stands in {key}=, which extended XYZ calls Lattice"
    assert told in caplog.text
    assert "comments are those of a run" not in caplog.text
    caplog.clear()
    assert ms.read("pool.xyz", cell=[5, 6, 7])[0].pbc.all()
    assert "not read" not in caplog.text


def test_an_option_that_no_frame_needs_is_told_by_read(read, caplog):
    read("", ATOMS, species=["Si"])
    assert "--species has no effect" in caplog.text


def test_a_map_goes_over_elements_once(read):
    swapped = read("", "Si 0 0 0\nGe 1 1 1\n", species_map={"Si": "Ge", "Ge": "Si"})
    assert swapped.get_chemical_symbols() == ["Ge", "Si"]
    ase.io.write("two.traj", swapped)
    assert ms.read("two.traj", species_map={"Si": "Ge", "Ge": "Si"})[0].get_chemical_symbols() == ["Si", "Ge"]


@pytest.mark.parametrize("word", ["X", "Gh", "0"])
def test_ghost_atoms_are_refused_or_dropped(read, word):
    text = f"Si 0 0 0 1 2 3\n{word} 1 1 1 0 0 0\nGe 2 2 2 4 5 6\n"
    with pytest.raises(StructureError, match=rf"^pool.xyz, frame 0: .*ghost atom '{word}'.*--species-map {word}="):
        read(f"Properties={COLUMNS}:forces:R:3", text)
    atoms = read(f"Properties={COLUMNS}:forces:R:3 energy=1", text, species_map=[f"{word}="])
    assert str(atoms.symbols) == "SiGe"
    assert atoms.get_forces().tolist() == [[1, 2, 3], [4, 5, 6]]
    assert atoms.get_potential_energy() == 1


def test_ghost_atoms_in_other_formats(read):
    atoms = ase.Atoms("SiX", positions=[[0, 0, 0], [1, 1, 1]])
    ase.io.write("two.traj", atoms)
    with pytest.raises(StructureError, match=r"^two.traj, frame 0: holds a ghost atom 'X'"):
        ms.read("two.traj")
    assert str(ms.read("two.traj", species_map={"X": ""})[0].symbols) == "Si"


def test_frames_without_atoms_are_refused(read):
    with pytest.raises(StructureError, match=r"^pool.xyz, frame 0: the frame holds no atoms"):
        read("", "")


def test_a_cell_for_frames_that_have_none(read):
    given = read("energy=1", cell=[5, 6, 7])
    assert given.cell.lengths().tolist() == [5, 6, 7]
    assert given.pbc.all()
    assert given.get_potential_energy() == 1
    own = read(f'Lattice="{LATTICE}" pbc="T T F"', cell=[9, 9, 9])
    assert own.cell.lengths().tolist() == [5, 6, 7]
    assert read("", cell=[5, 5, 5, 90, 90, 60]).cell.angles() == pytest.approx([90, 90, 60])
    assert np.asarray(read("", cell=[5, 0, 0, 1, 5, 0, 0, 0, 5]).cell).tolist() == [[5, 0, 0], [1, 5, 0], [0, 0, 5]]


@pytest.mark.parametrize("comment", ["Step={}", "i={} time=0.5", "Atoms. Timestep: {}", "# CELL(abcABC): 9 Step: {}"])
def test_a_run_without_cells_is_told(tmp_path, monkeypatch, caplog, comment):
    monkeypatch.chdir(tmp_path)
    steps = [f"2\n{comment.format(step)}\n{ATOMS}" for step in range(3)]
    (tmp_path / "md.xyz").write_text("".join(steps))
    ms.read("md.xyz")
    assert "md.xyz: no frame has a cell, and its comments are those of a run" in caplog.text
    caplog.clear()
    ms.read("md.xyz", cell=[9, 9, 9])
    assert "no frame has a cell" not in caplog.text
    (tmp_path / "molecules.xyz").write_text(f"2\nname=a\n{ATOMS}2\nname=b\n{ATOMS}")
    ms.read("molecules.xyz")
    assert "no frame has a cell" not in caplog.text


def test_usual_files_are_read_as_before(tmp_path):
    atoms = ase.Atoms("SiGe", positions=[[0, 0, 1 / 3], [1, 2, 3]], cell=[4, 4, 4], pbc=True, info={"name": "a b"})
    ase.io.write(tmp_path / "a.xyz", [atoms, atoms], format="extxyz")
    expected = ase.io.read(tmp_path / "a.xyz", ":")
    found = ms.read(tmp_path / "a.xyz")
    assert [differences(a, b) for a, b in zip(found, expected, strict=True)] == [[], []]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pbc=TTF", [True, True, False]),
        ('pbc="FFF"', [False, False, False]),
        ("pbc=110", [True, True, False]),
        ("pbc=T T F", [True, True, False]),
        ("Pbc=f t f name=x", [False, True, False]),
        ('pbc="1 0 1"', [True, False, True]),
        ("pbc=[T,F,T]", [True, False, True]),
        ("pbc=False", [False, False, False]),
    ],
)
def test_periodicity_in_any_spelling(tmp_path, text, expected):
    path = tmp_path / "a.xyz"
    path.write_text(f'1\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 {text}\nCu 0 0 0\n')
    (atoms,) = ms.read(path)
    assert atoms.pbc.tolist() == expected
    assert set(atoms.info) <= {"name"}


@pytest.mark.parametrize("text", ["pbc=periodic", 'pbc="T F"', "pbc=2", 'pbc="yes no no"'])
def test_other_periodicity_is_refused(tmp_path, text):
    path = tmp_path / "a.xyz"
    path.write_text(f'1\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3 {text}\nCu 0 0 0\n')
    with pytest.raises(StructureError, match=r"frame 0.*pbc: expected T or F for each direction"):
        ms.read(path)


def test_a_mark_of_the_order_of_bytes_is_no_number(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_bytes(b"\xef\xbb\xbf1\nProperties=species:S:1:pos:R:3\nCu 0 0 0\n")
    assert len(ms.read(path)[0]) == 1


def test_numbers_of_fortran_without_a_point_or_a_sign(read):
    atoms = read(
        f'Lattice="5d0 0 0 0 6D0 0 0 0 7d0" Properties={COLUMNS} virial="1d0 0 0 0 2d0 0 0 0 3d0" pbc="T T T" name=1d0',
        "Si 0d0 0 0\nGe 15d-1 2.d0 3D0\n",
    )
    assert atoms.cell.lengths().tolist() == [5, 6, 7]
    assert atoms.positions.tolist() == [[0, 0, 0], [1.5, 2, 3]]
    assert np.diag(atoms.info["virial"]).tolist() == [1, 2, 3]
    assert atoms.info["name"] == "1d0"
    [frame] = Structures("pool.xyz").survey().iter_candidates()
    assert frame.atoms.positions.tolist() == atoms.positions.tolist()
    assert frame.cell.tolist() == atoms.cell.tolist()


@pytest.mark.parametrize("suffix", ["dat", "out", "log", "cfg", "json", "pdb", "gen", "traj", "cif", "castep"])
@pytest.mark.parametrize("comment", [f'Lattice="{LATTICE}" Properties={COLUMNS} pbc="T T T"', "free text"])
def test_extended_xyz_is_known_by_its_content(read, comment, suffix):
    atoms = read(comment)
    for name in (f"pool.{suffix}", "OUTCAR_pool", "POSCAR"):
        shutil.copy("pool.xyz", name)
        assert differences(ms.read(name)[0], atoms) == []
