"""The formats that mlipselect reads by itself, by name; all others are left to ASE.

A new format is one file in this folder with a `Format`, and one line here.
"""

from __future__ import annotations

from mlipselect.io.formats.cif import CIF
from mlipselect.io.formats.cp2k import CP2K
from mlipselect.io.formats.database import DATABASE
from mlipselect.io.formats.deepmd import DEEPMD
from mlipselect.io.formats.format import Format
from mlipselect.io.formats.lammps_data import LAMMPS_DATA
from mlipselect.io.formats.lammps_dump import LAMMPS_DUMP
from mlipselect.io.formats.ml_ab import ML_AB
from mlipselect.io.formats.mtp import MTP
from mlipselect.io.formats.pdb import PDB
from mlipselect.io.formats.poscar import POSCAR
from mlipselect.io.formats.pymatgen import PYMATGEN

#: Asked in this order which of them a file is.
FORMATS: dict[str, Format] = {
    known.name: known
    for known in (
        CP2K,
        LAMMPS_DUMP,
        LAMMPS_DATA,
        CIF,
        PDB,
        POSCAR,
        ML_AB,
        MTP,
        PYMATGEN,
        DATABASE,
        DEEPMD,
    )
}
