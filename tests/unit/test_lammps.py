"""Dumps and data files of LAMMPS: elements are named, never guessed from the numbers of types."""

from __future__ import annotations

import numpy as np
import pytest
from ase.io.formats import ioformats

import mlipselect as ms
from mlipselect.exceptions import StructureError

HEAD = "ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n3\nITEM: BOX BOUNDS pp pp ff\n1.0 5.0\n2.0 8.0\n0.0 7.0\n"
ROWS = [
    # id, type, element, mass, x y z, fx fy fz
    (2, 2, "O", 15.999, (2.0, 3.0, 4.0), (0.5, 0.0, -0.5)),
    (1, 1, "Si", 28.085, (1.0, 2.0, 0.0), (1.0, 2.0, 3.0)),
    (3, 1, "Si", 28.085, (3.0, 5.0, 3.5), (-1.5, -2.0, -2.5)),
]


def dump(columns, steps=2, elements=None):
    """Write frames with some columns; atoms are out of order."""
    text = ""
    for step in range(steps):
        text += HEAD.format(step=10 * step) + f"ITEM: ATOMS {columns}\n"
        for number, kind, element, mass, position, force in ROWS:
            known = {"id": number, "type": kind, "element": (elements or {}).get(element, element), "mass": mass}
            known |= dict(zip("xyz", position, strict=True)) | dict(zip(("fx", "fy", "fz"), force, strict=True))
            scaled = np.divide(np.subtract(position, (1.0, 2.0, 0.0)), (4.0, 6.0, 7.0)).tolist()
            known |= dict(zip(("xs", "ys", "zs"), scaled, strict=True))
            text += " ".join(str(known[column]) for column in columns.split()) + "\n"
    return text


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read_text(text, name="md.lammpstrj", **options):
        (tmp_path / name).write_text(text)
        return ms.read(name, **options)

    return read_text


@pytest.mark.parametrize("name", ["md.lammpstrj", "dump.atom", "traj.xyz.dump", "anything"])
def test_a_column_of_elements(read, name):
    frames = read(dump("id type element x y z fx fy fz"), name)
    assert len(frames) == 2
    atoms = frames[1]
    assert atoms.get_chemical_symbols() == ["Si", "O", "Si"]
    assert atoms.positions.tolist() == [[1, 2, 0], [2, 3, 4], [3, 5, 3.5]]
    assert atoms.cell.lengths().tolist() == [4, 6, 7]
    assert atoms.pbc.tolist() == [True, True, False]
    assert atoms.get_forces().tolist() == [[1, 2, 3], [0.5, 0, -0.5], [-1.5, -2, -2.5]]
    assert "energy" not in atoms.calc.results
    assert atoms.info["timestep"] == 10
    assert atoms.get_celldisp().shape == (3, 1)


def test_scaled_positions_are_those_of_the_displaced_cell(read):
    [scaled] = read(dump("id element xs ys zs", steps=1))
    [plain] = read(dump("id element x y z", steps=1))
    np.testing.assert_allclose(scaled.positions, plain.positions, atol=1e-12)
    assert scaled.get_celldisp().ravel().tolist() == plain.get_celldisp().ravel().tolist() == [1, 2, 0]


def test_types_need_elements(read):
    text = dump("id type x y z")
    with pytest.raises(StructureError, match=r"^md.lammpstrj, frame 0: .*types of its atoms \(1, 2\).*--species Si O"):
        read(text)
    assert read(text, species=["Si", "O"])[0].get_chemical_symbols() == ["Si", "O", "Si"]
    with pytest.raises(StructureError, match="has atoms of type 2, --species names the elements of 1 types"):
        read(text, species=["Si"])


def test_elements_of_the_file_are_taken_before_those_of_types(read):
    assert read(dump("id type element x y z"), species=["H", "He"])[0].get_chemical_symbols() == ["Si", "O", "Si"]


def test_masses_tell_elements(read, caplog):
    assert read(dump("id type mass x y z"))[0].get_chemical_symbols() == ["Si", "O", "Si"]
    assert "elements were found from the masses of the atoms (2 frames" in caplog.text
    with pytest.raises(StructureError, match="no element has the mass 72 u"):
        read(dump("id type mass x y z").replace("28.085", "72.0"))


def test_kinds_are_mapped_and_dropped(read):
    text = dump("id element x y z fx fy fz", elements={"O": "O1"})
    with pytest.raises(StructureError, match=r"'O1' is no chemical element: .*--species-map O1=O"):
        read(text)
    assert read(text, species_map={"O1": "O"})[0].get_chemical_symbols() == ["Si", "O", "Si"]
    dropped = read(text, species_map={"O1": ""})[0]
    assert dropped.get_chemical_symbols() == ["Si", "Si"]
    assert dropped.get_forces().tolist() == [[1, 2, 3], [-1.5, -2, -2.5]]


def test_truncated_dumps_name_the_frame(read):
    text = dump("id element x y z")
    with pytest.raises(StructureError, match=r"frame 1: .*truncated: it ends after 2 of the 3 atoms"):
        read(text[: text.rindex("3 Si")])


DATA = """comment

3 atoms
2 atom types

0.0 4.0 xlo xhi
0.0 6.0 ylo yhi
0.0 7.0 zlo zhi

{sections}Atoms # atomic

2 2 2.0 3.0 4.0
1 1 1.0 2.0 0.0
3 1 3.0 5.0 3.5
"""


@pytest.mark.parametrize(
    "sections",
    [
        "Masses\n\n1 28.0855\n2 15.999\n\n",
        "Masses\n\n1 1.0  # Si\n2 1.0  # O\n\n",
        "Atom Type Labels\n\n1 Si\n2 O\n\n",
    ],
)
def test_data_files_that_tell_elements(read, sections):
    [atoms] = read(DATA.format(sections=sections), "slab.data")
    assert atoms.get_chemical_symbols() == ["Si", "O", "Si"]
    assert atoms.positions.tolist() == [[1, 2, 0], [2, 3, 4], [3, 5, 3.5]]
    assert atoms.cell.lengths().tolist() == [4, 6, 7]


def test_data_files_of_types_only(read):
    text = DATA.format(sections="")
    with pytest.raises(StructureError, match=r"^slab.data, frame 0: .*the 2 types .*--species Si O"):
        read(text, "slab.data")
    [atoms] = read(text, "slab.data", species=["Si", "O"])
    assert atoms.get_chemical_symbols() == ["Si", "O", "Si"]


@pytest.mark.skipif("runnerdata" not in ioformats, reason="this ASE does not read files of RuNNer")
def test_data_of_runner_is_still_read(read):
    text = (
        "begin\ncomment x\nlattice 10 0 0\nlattice 0 10 0\nlattice 0 0 10\natom 0 0 0 Si 0 0 0 0 0\nenergy -1\n"
        "charge 0\nend\n"
    )
    [atoms] = read(text, "input.data")
    assert str(atoms.symbols) == "Si"
