"""Frames that are not sound are told, with what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import mlipselect as ms
from mlipselect.hal.guards import Guards, kind_of


def silicon():
    atoms = bulk("Si", a=5.43, cubic=True)
    atoms.set_momenta(np.zeros((8, 3)))
    return atoms


def problem(atoms, forces=0.0, guards=None, temperature=300.0):
    return (guards or Guards()).problem(atoms, np.full((len(atoms), 3), forces), temperature, silicon())


def test_a_crystal_is_sound():
    assert problem(silicon()) is None


def test_atoms_that_are_too_close():
    atoms = silicon()
    atoms.positions[1] = atoms.positions[0] + [1.0, 0.0, 0.0]
    assert "Si 0 and Si 1 are 1 Å apart" in problem(atoms)
    assert kind_of(problem(atoms)) == "atoms too close"
    assert problem(atoms, guards=Guards(min_bond=0.4)) is None


def test_what_cannot_be_described():
    atoms = silicon()
    atoms.positions[3, 1] = np.nan
    assert "finite positions" in problem(atoms)
    assert kind_of(problem(atoms)) == "a structure that cannot be described"


@pytest.mark.parametrize("force", [40.0, np.nan])
def test_large_forces(force):
    assert "eV/Å on atom 0 (Si), above 50" in problem(silicon(), force)
    assert kind_of(problem(silicon(), force)) == "a force too large"


def test_heat():
    atoms = silicon()
    atoms.set_momenta(np.full((8, 3), 5.0))
    assert "K, above 5 times 300 K" in problem(atoms)
    assert kind_of(problem(atoms)) == "too hot"


@pytest.mark.parametrize("factor", [1.3, 0.75])
def test_volume(factor):
    atoms = silicon()
    atoms.set_cell(atoms.cell * factor, scale_atoms=True)
    assert "times the volume of the start" in problem(atoms)
    assert kind_of(problem(atoms)) == "too large a change of the volume"


def test_a_molecule_has_no_volume():
    atoms = Atoms("Si2", [[0, 0, 0], [2.3, 0, 0]])
    assert Guards().problem(atoms, np.zeros((2, 3)), 300.0, atoms) is None


@pytest.mark.parametrize(
    "wrong", [{"min_bond": -1.0}, {"max_force": 0.0}, {"max_heat": np.nan}, {"max_volume_change": 0.5}]
)
def test_limits_out_of_their_range(wrong):
    with pytest.raises(ms.InvalidInputError, match=next(iter(wrong))):
        Guards(**wrong)
