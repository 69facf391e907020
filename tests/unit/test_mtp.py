"""The `.cfg` of MLIP: structures and labels are those of its text, and damage is named by frame and line."""

from __future__ import annotations

import ase.build
import ase.io
import numpy as np
import pytest

import mlipselect as ms
from mlipselect.exceptions import StructureError
from mlipselect.io.raw_frames import raw_frames
from mlipselect.io.reading import Reading

FRAME = """\
BEGIN_CFG
 Size
    3
 Supercell
         3.0      0.5      0.0
         0.0      4.0      0.0
         0.0      0.0      5.0
 AtomData:  id type       cartes_x      cartes_y      cartes_z           fx          fy          fz
             1    1      0.1    0.2    0.3     1.0    -2.0     3.0
             2    0      1.5    1.6    1.7    -0.5     1.0    -1.5
             3    1      2.5    2.6    2.7    -0.5     1.0    -1.5
 Energy
        -7.125
 PlusStress:  xx          yy          zz          yz          xz          xy
     6.0    12.0   -18.0   24.0   30.0   36.0
 Feature   EFS_by       VASP 5.4
 Feature   mindist      1.25
 Feature   conf_id      17
END_CFG
"""


def read(path, **options):
    reading = Reading(**{"species": ["Si", "O"], **options})
    return [raw.build_usable() for raw in raw_frames(str(path), reading)], reading.notes.pending()


@pytest.fixture
def written(tmp_path):
    def write(text, name="train.cfg"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["train.cfg", "pool.mtp", "pool"])
def test_structures_and_labels_are_those_of_the_text(written, name):
    (first, second), notes = read(written(FRAME + "\n" + FRAME.replace("-7.125", "-6.5"), name))
    assert notes == []
    assert first.get_chemical_symbols() == ["O", "Si", "O"]
    assert first.pbc.all()
    assert first.cell.tolist() == [[3.0, 0.5, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 5.0]]
    assert first.positions.tolist() == [[0.1, 0.2, 0.3], [1.5, 1.6, 1.7], [2.5, 2.6, 2.7]]
    assert (first.get_potential_energy(), second.get_potential_energy()) == (-7.125, -6.5)
    assert first.get_forces().tolist() == [[1.0, -2.0, 3.0], [-0.5, 1.0, -1.5], [-0.5, 1.0, -1.5]]
    # the virial in eV, divided by the volume of 60 Å^3, with the other sign
    np.testing.assert_allclose(first.get_stress(), [-0.1, -0.2, 0.3, -0.4, -0.5, -0.6], rtol=1e-14)
    assert first.info == {"EFS_by": "VASP 5.4", "mindist": 1.25, "conf_id": 17}


def test_components_in_another_order(written):
    text = FRAME.replace("yy          zz          yz          xz          xy", "yy zz xy xz yz")
    (atoms,), _ = read(written(text))
    np.testing.assert_allclose(atoms.get_stress(), [-0.1, -0.2, 0.3, -0.6, -0.5, -0.4], rtol=1e-14)
    with pytest.raises(StructureError, match=r"frame 0: .*line 14: expected PlusStress: xx yy zz yz xz xy, got"):
        read(written(FRAME.replace("xz          xy", "xz          yx")))


def test_direct_coordinates_and_further_columns(written):
    text = FRAME.replace("cartes_", "direct_").replace("fz\n", "fz  site_en\n").replace("3.0\n  ", "3.0 -2.5\n  ")
    text = text.replace("-1.5\n", "-1.5 -2.25\n")
    (atoms,), _ = read(written(text))
    np.testing.assert_allclose(atoms.positions[0], [0.1 * 3.0, 0.1 * 0.5 + 0.2 * 4.0, 0.3 * 5.0], rtol=1e-14)
    assert atoms.arrays["site_en"].tolist() == [-2.5, -2.25, -2.25]


@pytest.mark.parametrize("n_vectors", [0, 1, 2])
def test_cells_with_fewer_vectors(written, n_vectors):
    lines = FRAME.splitlines()
    lines[4 + n_vectors : 7] = []
    if n_vectors == 0:
        lines.remove(" Supercell")
    (atoms,), notes = read(written("\n".join(lines)))
    assert atoms.pbc.tolist() == [row < n_vectors for row in range(3)]
    assert atoms.cell.rank == n_vectors
    assert set(atoms.calc.results) == {"energy", "forces"}
    assert "PlusStress is not read where the Supercell has not three vectors (frame 0)" in notes[0]


def test_frames_without_labels_or_types(written):
    lines = FRAME.splitlines()
    text = "\n".join(
        [*lines[:7], " AtomData:  id cartes_x cartes_y cartes_z", "1 0 0 0", "2 0 0 1", "3 0 0 2", "END_CFG"]
    )
    (atoms,), _ = read(written(text))
    assert atoms.calc is None
    assert atoms.get_chemical_symbols() == ["Si", "Si", "Si"]


def test_unknown_parts_are_told(written):
    text = FRAME.replace(" PlusStress:", " Stress:")
    (atoms,), notes = read(written(text))
    assert "stress" not in atoms.calc.results
    assert "the part 'Stress:' is not read (frame 0)" in notes[0]


def test_types_need_elements(written):
    path = written(FRAME)
    with pytest.raises(StructureError, match=r"train.cfg, frame 0: .*names no elements: .*--species Si O"):
        ms.read(path)
    problem = "line 9: type 1: types count from 0, and --species names the elements of 1 types"
    with pytest.raises(StructureError, match=rf"train.cfg, frame 0: .*{problem}"):
        read(path, species=["Si"])


def test_files_of_atomeye_are_left_to_ase(tmp_path):
    atoms = ase.build.bulk("Si", cubic=True)
    ase.io.write(tmp_path / "atomeye.cfg", atoms)
    np.testing.assert_allclose(ms.read(tmp_path / "atomeye.cfg")[0].positions, atoms.positions, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("    3\n Super", "    x\n Super", "line 22: expected the number of atoms, got 'x'"),
        (
            "    3\n Super",
            "    4\n Super",
            "line 31: expected the 8 columns id type .* of one of 4 atoms, got 'Energy'",
        ),
        ("4.0      0.0", "4.0", "line 25: expected a vector of the cell, got '0.0 4.0'"),
        ("1.6    1.7", "1.6    1.7x", "line 29: expected the 8 columns id type .* of one of 3 atoms, got '2 0 1.5"),
        ("-7.125", "nan", "line 32: expected the energy in eV, got 'nan'"),
        ("30.0   36.0", "30.0", "line 34: expected the 6 components of PlusStress, got"),
        ("END_CFG\n", "", r"line 37: the frame that begins in line 20 has no end; the file may be truncated"),
        ("    3\n Super", "    2\n Super", "line 30: expected the name of a part of a frame, got '3 1 2.5"),
        (" AtomData:", " AtomDatum:", "line 38: the frame ends without AtomData"),
        ("cartes_x", "x", "line 27: expected the columns cartes_x cartes_y cartes_z"),
    ],
)
def test_damage_is_named_by_frame_and_line(written, old, new, problem):
    assert old in FRAME
    with pytest.raises(StructureError, match=f"train.cfg, frame 1: .*{problem}"):
        read(written(FRAME + FRAME.replace(old, new)))
