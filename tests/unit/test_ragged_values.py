"""Ragged lists in `info`, which databases and JSON files hold, stop nothing that looks at values."""

from __future__ import annotations

import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

import mlipselect as ms
from mlipselect.exceptions import StructureError
from mlipselect.labels.read import read_labels

RAGGED = [None, [1, 2]]


@pytest.fixture
def structures():
    rng = np.random.default_rng(0)
    made = []
    for _ in range(6):
        atoms = ase.build.bulk("Si", cubic=True)
        atoms.rattle(0.05, rng=rng)
        atoms.info["energy_terms"] = RAGGED
        atoms.calc = SinglePointCalculator(atoms, energy=float(rng.normal()), forces=rng.normal(size=(8, 3)))
        made.append(atoms)
    return made


@pytest.mark.parametrize("name", ["pool.json", "pool.db", "pool.traj"])
def test_pools_with_them_are_read_and_selected_from(structures, tmp_path, name):
    ase.io.write(tmp_path / name, structures)
    pool = ms.read(tmp_path / name)
    assert [len(atoms) for atoms in pool] == [8] * 6
    assert len(ms.select(tmp_path / name, n=2, progress=False).structures) == 2


def test_they_are_no_labels(structures):
    assert [known.energy for known in read_labels(structures)] == [atoms.get_potential_energy() for atoms in structures]


def test_one_that_is_asked_for_as_a_label_is_named(structures):
    with pytest.raises(StructureError, match="energy_terms: expected numbers, got "):
        ms.LinearPotential(ms.ACE(["Si"], totaldegree=6)).fit(structures, energy_key="energy_terms")
