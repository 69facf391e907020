"""A placeholder or an outlier among sound frames is left out or told, and sound ones are not."""

from __future__ import annotations

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms
from hypothesis import given
from hypothesis import strategies as st

from mlipselect.io.frames import as_frames
from mlipselect.io.notes import Notes
from mlipselect.labels import Labels, read_labels
from mlipselect.labels.outliers import tell_outliers
from mlipselect.labels.placeholders import forces_vanish_by_symmetry
from reference.labelled import labelled, renamed


def crystals(n=12):
    out = [renamed(atoms, "REF_energy", "REF_forces", "REF_stress") for atoms in labelled(n)]
    for atoms in out:
        atoms.info["REF_energy"] -= 250.0 * len(atoms)
    return out


def kept(structures):
    return [(known.energy is not None, known.forces is not None) for known in read_labels(structures)]


def test_sound_labels_are_not_told(caplog):
    assert kept(crystals()) == [(True, True)] * 12
    assert not caplog.text


def test_forces_of_zero_in_one_frame(caplog):
    structures = crystals()
    structures[4].arrays["REF_forces"][:] = 0.0
    assert kept(structures) == [(True, k != 4) for k in range(12)]
    assert "the forces were left out, as all are exactly 0 and the symmetry does not make them so" in caplog.text
    assert "(frame 4)" in caplog.text


def test_forces_of_zero_that_are_right_stay():
    perfect = ase.build.bulk("Cu", cubic=True)
    perfect.info["REF_energy"], perfect.arrays["REF_forces"] = -1000.0, np.zeros((4, 3))
    held = crystals(1)[0]
    held.arrays["REF_forces"][:] = 0.0
    held.set_constraint(FixAtoms(range(4)))
    assert kept([*crystals(), perfect, held])[-2:] == [(True, True)] * 2


@pytest.mark.parametrize(
    "name", ["diamond", "fcc", "zincblende", "rocksalt", "hcp-like", "rattled", "alloy", "molecule"]
)
def test_symmetry_that_makes_forces_zero(name):
    made = {
        "diamond": (ase.build.bulk("Si"), True),
        "fcc": (ase.build.bulk("Cu") * (2, 1, 1), True),
        "zincblende": (ase.build.bulk("GaAs", "zincblende", a=5.65), True),
        "rocksalt": (ase.build.bulk("NaCl", "rocksalt", a=5.64), True),
        "hcp-like": (ase.build.fcc111("Cu", (1, 1, 3), vacuum=8.0), False),
        "rattled": (ase.build.bulk("Cu", cubic=True), False),
        "alloy": (ase.build.bulk("Cu", cubic=True) * (3, 1, 1), False),
        "molecule": (ase.build.molecule("H2O"), False),
    }
    atoms, vanish = made[name]
    if name == "rattled":
        atoms.rattle(0.05, seed=1)
    if name == "alloy":
        atoms.numbers[[0, 5]] = 79
    assert forces_vanish_by_symmetry(atoms) is vanish


def test_an_energy_of_zero_in_one_frame(caplog):
    structures = crystals()
    structures[3].info["REF_energy"] = 0.0
    assert kept(structures) == [(k != 3, True) for k in range(12)]
    assert "the energy was left out, as it is exactly 0 beside forces (frame 3)" in caplog.text


def test_an_energy_of_zero_without_forces_is_told(caplog):
    structures = crystals()
    for atoms in structures:
        del atoms.arrays["REF_forces"]
    structures[3].info["REF_energy"] = 0.0
    assert kept(structures) == [(True, False)] * 12
    assert "the energy is 0 eV, as if nobody had computed it (frame 3)" in caplog.text


@pytest.mark.parametrize("number", [9999.0, -9999.0, 999.0, 99999.9, 1e10, -123456.7])
def test_an_energy_far_from_all_others_is_told(number, caplog):
    structures = crystals()
    structures[7].info["REF_energy"] = number
    assert kept(structures) == [(True, True)] * 12
    assert "(frame 7)" in caplog.text
    assert caplog.text.count("the energy is ") == 1


def test_forces_that_stand_for_none(caplog):
    structures = crystals()
    structures[2].arrays["REF_forces"][:] = 9999.0
    read_labels(structures)
    assert "a component of the forces is above 1000 eV/Å, as if it stood for none (frame 2)" in caplog.text


def test_the_energy_of_a_free_atom_that_is_zero(caplog):
    atom = Atoms("Cu", cell=np.eye(3) * 20.0, pbc=True, info={"config_type": "isolated_atom", "REF_energy": 0.0})
    read_labels([*crystals(), atom])
    assert "the isolated atom of Cu has the energy 0" in caplog.text
    assert "(frame 12)" in caplog.text
    caplog.clear()
    atom.info["REF_energy"] = -240.0
    read_labels([*crystals(), atom])
    assert not caplog.text


@given(st.integers(0, 10_000), st.floats(0.001, 3.0), st.integers(10, 60))
def test_energies_of_any_compositions_and_a_usual_spread_are_not_told(seed, spread, n):
    rng = np.random.default_rng(seed)
    own = {"Mo": -10000.0, "Ni": -4000.0, "H": -13.0}
    frames, labels = [], []
    for place in range(n):
        # The first one is no composition at the edge of the others: the fit would follow its energy wherever it goes.
        symbols = list(own) if place == 0 else rng.choice(list(own), size=rng.integers(2, 9))
        frames.append(Atoms(symbols))
        energy = sum(own[symbol] for symbol in symbols) + len(symbols) * rng.normal(scale=spread)
        labels.append(Labels(energy))
    notes = Notes()
    tell_outliers(list(as_frames(frames)), labels, notes)
    assert not notes.pending()
    labels[0] = Labels(labels[0].energy + 400.0 * len(frames[0]))
    tell_outliers(list(as_frames(frames)), labels, notes)
    assert len(notes.pending()) == 1
