"""Structures in databases and trajectories, through ASE and its extensions."""

from __future__ import annotations

import importlib.util

import ase.db
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

import mlipselect as ms
from mlipselect.exceptions import StructureError
from mlipselect.io.frames import read_frames
from reference.structures import rattled


def structures():
    made = [rattled(seed) for seed in range(5)]
    for seed, atoms in enumerate(made):
        atoms.calc = SinglePointCalculator(atoms, energy=float(seed), forces=atoms.positions)
    return made


@pytest.mark.parametrize("name", ["pool.traj", "pool.db", "pool.json"])
def test_formats_of_ase(tmp_path, name):
    path = str(tmp_path / name)
    ase.io.write(path, structures())
    found = ms.read(path)
    assert len(found) == 5
    for atoms, expected in zip(found, structures(), strict=True):
        np.testing.assert_allclose(atoms.positions, expected.positions, rtol=0, atol=1e-12)
        assert atoms.get_potential_energy() == expected.get_potential_energy()
    assert read_frames(path, [3])[3].atoms.get_potential_energy() == 3.0


def test_lmdb(tmp_path):
    pytest.importorskip("ase_db_backends", reason="ase-db-backends, the extra lmdb, is not installed")
    path = str(tmp_path / "pool.aselmdb")
    with ase.db.connect(path) as database:
        for atoms in structures():
            database.write(atoms)
    database.close()
    found = ms.read(path)
    assert [atoms.get_potential_energy() for atoms in found] == [0.0, 1.0, 2.0, 3.0, 4.0]


@pytest.mark.skipif(importlib.util.find_spec("ase_db_backends") is not None, reason="ase-db-backends is installed")
def test_the_extra_for_lmdb_is_named(tmp_path):
    path = tmp_path / "pool.aselmdb"
    path.write_bytes(b"x")
    with pytest.raises(StructureError, match=r"cannot be read as database: .*pip install 'mlipselect\[lmdb\]'"):
        ms.read(path)
