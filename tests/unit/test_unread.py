"""Files that nobody here reads are refused with what they are and what converts them."""

from __future__ import annotations

import pytest

import mlipselect as ms
from mlipselect.exceptions import StructureError

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(64)
CP2K = b" DBCSR| CPU Multiplication driver BLAS\n\n CP2K| version string: CP2K version 2024.1\n"
TABLE = """\
 POSITION                                       TOTAL-FORCE (eV/Angst){0}
 -----------------------------------------------------------------------------------
      0.00000      0.00000      0.00000         0.000000      0.000000      0.000000{1}
 -----------------------------------------------------------------------------------
"""
HEADER = """\
 vasp.6.4.2 20Jul23 (build) complex
 POTCAR:    PAW_PBE Cu 22Jun2005
 POTCAR:    PAW_PBE Cu 22Jun2005
   ISPIN  =      1    spin polarized calculation?
   ions per type =               1
      direct lattice vectors                 reciprocal lattice vectors
     3.600000000  0.000000000  0.000000000     0.277777778  0.000000000  0.000000000
     0.000000000  3.600000000  0.000000000     0.000000000  0.277777778  0.000000000
     0.000000000  0.000000000  3.600000000     0.000000000  0.000000000  0.277777778
--------------------------------------- Iteration      1(   1)  ---------------------------------------
"""
ENERGY = """\
{0}FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy {1} TOTEN  =        -3.73000000 eV

  {0}energy  without entropy=       -3.73000000  {0}energy(sigma->0) =       -3.73000000
"""


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("vaspout.h5", HDF5, "it is VASP's output in HDF5, which is not read: read the vasprun.xml of the same run"),
        ("data.hdf5", HDF5, r"if DeePMD-kit wrote it, dpdata .* dpdata .*data.hdf5 -i deepmd/hdf5 -o deepmd/npy"),
        ("md.out", CP2K, r"the output of CP2K, .* NAME-pos-1.xyz .* dpdata .*md.out -i cp2k/output -o deepmd/npy"),
        ("pool.xyz.zst", b"\x28\xb5\x2f\xfd" + bytes(20), r"compressed as .zst, which is not read; .* `zstd -d`"),
    ],
)
def test_what_converts_a_file_is_named(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StructureError, match=f"{name}: cannot be read: .*{problem}"):
        ms.read(tmp_path / name)


def test_steps_of_a_force_field_in_an_outcar(tmp_path):
    text = HEADER + TABLE.format(" (ML)", "") + ENERGY.format("ML ", "ML")
    (tmp_path / "OUTCAR").write_text(text)
    with pytest.raises(StructureError, match=r"OUTCAR, frame 0: .*machine-learned force field.* ML_ABN .* vasprun.xml"):
        ms.read(tmp_path / "OUTCAR")


def test_columns_without_van_der_waals_in_an_outcar(tmp_path):
    text = HEADER + ENERGY.format("", " ") + TABLE.format("   (w/o vdW)", "   ********")
    (tmp_path / "OUTCAR").write_text(text)
    with pytest.raises(StructureError, match=r"OUTCAR, frame 0: .*; read the vasprun.xml of the same run instead"):
        ms.read(tmp_path / "OUTCAR")
