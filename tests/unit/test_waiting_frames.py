"""Structures of plain files are made when somebody looks at them, and are then what a reader makes at once."""

from __future__ import annotations

import pickle

import ase.build
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

import mlipselect as ms
from mlipselect.io import Structures, plain_extxyz
from mlipselect.io.flat import flat_arrays
from mlipselect.io.frame import FrameStructures, flat_frames
from mlipselect.io.raw_frames import raw_frames

N = 40


@pytest.fixture
def pool(tmp_path):
    """Small cells of two elements with labels."""
    rng = np.random.default_rng(0)
    path = tmp_path / "pool.xyz"
    for k in range(N):
        atoms = ase.build.bulk("NaCl", "rocksalt", a=5.6, cubic=True)
        atoms.positions += rng.normal(scale=0.1, size=(8, 3))
        atoms.numbers[0] = 11 if k % 3 else 19
        atoms.info.update(group=f"g{k % 2}", step=k)
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0 * k, forces=rng.normal(size=(8, 3)))
        ase.io.write(path, atoms, format="extxyz", append=True)
    return str(path)


def waiting(path):
    """Frames of a file, most of them without structures."""
    return [raw.frame() for raw in raw_frames(path, wait=True)]


@pytest.fixture
def made(monkeypatch):
    """Numbers of atoms of the structures that are made."""
    sizes = []
    make = plain_extxyz.make_atoms

    def counted(numbers, *others):
        sizes.append(len(numbers))
        return make(numbers, *others)

    monkeypatch.setattr(plain_extxyz, "make_atoms", counted)
    return sizes


def test_survey_and_features_make_one_structure_for_each_layout_and_each_example(pool, made, tmp_path):
    structures = Structures(pool, group_by=["group", "composition"]).survey()
    # The first structure has the layout of all others, and all elements.
    assert len(made) == 1
    assert structures.groups["group"] == ["g0", "g1"] * (N // 2)
    assert set(structures.groups["composition"]) == {"ClNa", "Cl4KNa3"}
    assert structures.elements == ("Na", "Cl", "K")
    assert structures.several_compositions
    made.clear()
    ms.featurize(pool, ms.ACE(["Na", "Cl", "K"], totaldegree=4), composition=["Na", "Cl", "K"], progress=False)
    ms.featurize(pool, ms.ACE(["Na", "Cl", "K"], totaldegree=4), store=tmp_path / "store", progress=False)
    assert len(made) <= 6


def test_picks_alone_are_made(pool, made):
    picked = ms.select(pool, n=3, descriptor=ms.ACE(["Na", "Cl", "K"], totaldegree=4), progress=False)
    assert len(picked.structures) == 3
    assert len(made) <= 5


def test_flat_arrays_of_any_frames_are_those_of_their_structures(pool):
    frames = waiting(pool)
    chosen = [frames[k] for k in (5, 6, 7, 3, 39, 0, 1, 20, 20)]
    frames[6].atoms.positions += 1.0  # A structure that was looked at counts as it is now.
    expected = flat_arrays([frame.atoms for frame in waiting(pool)])
    found = flat_frames(chosen)
    for k, frame in enumerate(chosen):
        part = found.part(k, k + 1)
        shift = 1.0 if frame is frames[6] else 0.0
        np.testing.assert_array_equal(part.positions, expected.part(frame.index, frame.index + 1).positions + shift)
        np.testing.assert_array_equal(part.numbers, expected.part(frame.index, frame.index + 1).numbers)
    assert len(flat_frames([]).offsets) == 1


def test_a_sequence_of_waiting_structures_is_a_sequence(pool):
    frames = waiting(pool)
    structures = FrameStructures(frames)
    assert len(structures) == N
    assert [len(atoms) for atoms in structures] == [8] * N
    assert structures[3] is frames[3].atoms
    assert [atoms.info["step"] for atoms in structures[10:12]] == [10, 11]


def test_frames_that_wait_pickle(pool):
    frame = waiting(pool)[7]
    copy = pickle.loads(pickle.dumps(frame))
    assert (copy.source, copy.index) == (frame.source, 7)
    assert copy.atoms == frame.atoms


def test_what_is_assumed_of_waiting_frames_is_told_once(tmp_path, caplog):
    path = tmp_path / "open.xyz"
    path.write_text('1\nLattice="4 0 0 0 4 0 0 0 4" a=1\nSi 0 0 0\n' * 5)
    structures = ms.read(path)
    assert all(atoms.pbc.all() for atoms in structures)
    assert [record.getMessage().count("5 frames") for record in caplog.records if "pbc" in record.getMessage()] == [1]
