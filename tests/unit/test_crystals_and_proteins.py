"""CIF, POSCAR and PDB: what the files leave open is asked for or told."""

from __future__ import annotations

import ase.build
import ase.io
import numpy as np
import pytest

import mlipselect as ms
from mlipselect.exceptions import StructureError

CELL = "".join(f"_cell_length_{axis} 4.0\n" for axis in "abc") + "".join(
    f"_cell_angle_{angle} 90\n" for angle in ("alpha", "beta", "gamma")
)
LOOP = "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda name, text: (tmp_path / name).write_text(text)


def cif(sites, occupancies=None, group="P 1"):
    text = f"data_x\n{CELL}_symmetry_space_group_name_H-M '{group}'\n{LOOP}"
    text += "_atom_site_occupancy\n" if occupancies else ""
    for place, site in enumerate(sites):
        text += site + (f" {occupancies[place]}" if occupancies else "") + "\n"
    return text


SITES = ["Fe1 Fe 0 0 0", "Ni1 Ni 0 0 0", "O1 O 0.5 0.5 0.5", "Li1 Li 0.5 0 0"]


def test_crystals_of_cif(write):
    write("nacl.cif", cif(["Na1 Na 0 0 0", "Cl1 Cl 0.5 0.5 0.5"], group="F m -3 m"))
    write("full.cif", cif(SITES[1:], [1, "1.0", "."]))
    assert str(ms.read("nacl.cif")[0].symbols) == "Na4Cl4"
    assert str(ms.read("full.cif")[0].symbols) == "NiOLi"
    assert str(ms.read("full.cif", species_map={"Ni": "Fe"})[0].symbols) == "FeOLi"


OPERATIONS = ["x,y,z", "x,y+1/2,z+1/2", "x+1/2,y,z+1/2", "x+1/2,y+1/2,z"]


@pytest.mark.parametrize(
    "group", ["", "_symmetry_space_group_name_H-M ?\n", "_space_group_name_H-M_alt 'F m m m(ab)'\n"]
)
@pytest.mark.parametrize("loop", ["_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz"])
def test_operations_are_used_where_no_known_group_is_named(write, group, loop):
    sites = "\n".join(["Na1 Na 0 0 0", "Cl1 Cl 0.5 0.5 0.5", "O1 O 0.1 0.2 0.3"])
    listed = "\n".join(f"'{operation}'" for operation in OPERATIONS)
    write("own.cif", f"data_x\n{CELL}{group}loop_\n{loop}\n{listed}\n{LOOP}{sites}\n")
    write("p1.cif", cif([f"{name}{k} {name} {x % 1} {y % 1} {z % 1}"
                         for name, (a, b, c) in {"Na": (0, 0, 0), "Cl": (0.5, 0.5, 0.5), "O": (0.1, 0.2, 0.3)}.items()
                         for k, (x, y, z) in enumerate([(a, b, c), (a, b + 0.5, c + 0.5), (a + 0.5, b, c + 0.5),
                                                        (a + 0.5, b + 0.5, c)])]))  # fmt: skip
    [found], [expected] = ms.read("own.cif"), ms.read("p1.cif")
    assert found.get_chemical_symbols() == expected.get_chemical_symbols()
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-12)
    assert found.cell.lengths().tolist() == [4, 4, 4]


def test_an_unknown_group_without_operations_is_refused(write):
    write("own.cif", f"data_x\n{CELL}_symmetry_space_group_name_H-M 'Q 7'\n{LOOP}Na1 Na 0 0 0\n")
    with pytest.raises(StructureError, match=r"own.cif, frame 0: .*it lists no symmetry operations either"):
        ms.read("own.cif")


def test_one_operation_alone(write):
    write("own.cif", f"data_x\n{CELL}_symmetry_equiv_pos_as_xyz 'x,y,z'\n{LOOP}Na1 Na 0 0 0.25\n")
    assert ms.read("own.cif")[0].positions.tolist() == [[0, 0, 1]]


def test_partial_occupancy_is_refused_or_decided(write, caplog):
    write("mixed.cif", cif(SITES, [0.6, 0.4, 0.8, 0.3]))
    problem = r"^mixed.cif, frame 0: .*site Fe1 and 3 more is occupied in part \(0.6\).*--occupancy majority"
    with pytest.raises(StructureError, match=problem):
        ms.read("mixed.cif")
    [atoms] = ms.read("mixed.cif", occupancy="majority")
    assert sorted(atoms.get_chemical_symbols()) == ["Fe", "O"]
    assert "4 partly occupied sites are given to their most frequent element, or left empty" in caplog.text
    write("mixed.cif", cif(SITES, [0.4, 0.6, 1, 1]))
    assert sorted(ms.read("mixed.cif", occupancy="majority")[0].get_chemical_symbols()) == ["Li", "Ni", "O"]


POSCAR = "{comment}\n1.0\n4 0 0\n0 4 0\n0 0 4\n{species}2 1\nDirect\n0 0 0\n0.5 0.5 0.5\n0.25 0.25 0.25\n"


@pytest.mark.parametrize("name", ["POSCAR", "CONTCAR.relaxed", "slab.vasp", "POSCAR.gz"])
def test_poscars_that_name_elements(write, name, tmp_path):
    atoms = ase.build.bulk("NaCl", "rocksalt", a=5.6)
    ase.io.write(name, atoms, format="vasp")
    assert str(ms.read(name)[0].symbols) == "NaCl"


def test_poscars_of_vasp_4(write, caplog):
    write("POSCAR", POSCAR.format(comment="some run", species=""))
    with pytest.raises(StructureError, match=r"^POSCAR, frame 0: .*as VASP 4 wrote it: .*--species Si O"):
        ms.read("POSCAR")
    assert ms.read("POSCAR", species=["Na", "Cl"])[0].get_chemical_symbols() == ["Na", "Na", "Cl"]
    with pytest.raises(StructureError, match="has 2 blocks of atoms, of which 1 are named"):
        ms.read("POSCAR", species=["Na"])
    assert caplog.text == ""
    write("POSCAR", POSCAR.format(comment="Mg O", species=""))
    assert ms.read("POSCAR")[0].get_chemical_symbols() == ["Mg", "Mg", "O"]
    assert "Mg O are taken from its first line 'Mg O'" in caplog.text


def test_species_of_poscars_are_mapped(write):
    write("POSCAR", POSCAR.format(comment="x", species="Fe_pv D\n"))
    with pytest.raises(StructureError, match=r"'D' is no chemical element: .*--species-map D=H"):
        ms.read("POSCAR")
    assert ms.read("POSCAR", species_map=["D=H"])[0].get_chemical_symbols() == ["Fe", "Fe", "H"]
    assert ms.read("POSCAR", species_map=["D="])[0].get_chemical_symbols() == ["Fe", "Fe"]


CRYST = "CRYST1   10.000   11.000   12.000  90.00  90.00  90.00 P 1\n"


def record(name, x, element="  "):
    return f"ATOM      1 {name} MOL     1    {x:8.3f}{0.0:8.3f}{0.0:8.3f}{1.0:6.2f}{0.0:6.2f}          {element}\n"


def test_models_of_pdb(write, caplog):
    models = [f"MODEL {k}\n{record(' O  ', 0.1 * k, ' O')}ENDMDL\n" for k in range(3)]
    write("md.pdb", CRYST + "".join(models) + "END\n")
    frames = ms.read("md.pdb")
    assert [atoms.positions[0, 0] for atoms in frames] == [0.0, 0.1, 0.2]
    assert [atoms.cell.lengths().tolist() for atoms in frames] == [[10, 11, 12]] * 3
    assert all(atoms.pbc.all() for atoms in frames)
    assert "models without a cell of their own are given that of the model before (2 frames" in caplog.text


def test_a_pdb_of_one_model(write):
    write("one.pdb", CRYST + record(" O  ", 1.0, " O"))
    [atoms] = ms.read("one.pdb")
    assert str(atoms.symbols) == "O"


def test_atoms_of_pdb_without_elements(write, caplog):
    names = [" CA ", "CA  ", " N  ", "HG11", "1HB ", "FE  ", " OW "]
    write("protein.pdb", CRYST + "".join(record(name, float(k)) for k, name in enumerate(names)) + "END\n")
    [atoms] = ms.read("protein.pdb")
    assert atoms.get_chemical_symbols() == ["C", "Ca", "N", "H", "H", "Fe", "O"]
    assert "no element in columns 77 and 78: taken from the first two columns of their names" in caplog.text
    [atoms] = ms.read("protein.pdb", species_map={"CA": "C", "OW": ""})
    assert atoms.get_chemical_symbols() == ["C", "C", "N", "H", "H", "Fe"]


@pytest.mark.parametrize("place", ["? ? ?", "0.5 . 0.5"])
def test_sites_without_coordinates_are_refused(write, place):
    write("a.cif", cif(["Na1 Na 0 0 0", f"Cl1 Cl {place}"]))
    with pytest.raises(StructureError, match=r"a\.cif, frame 0: .*site Cl1 has no coordinates, only '[?.]'"):
        ms.read("a.cif")
