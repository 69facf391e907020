"""What leaves the ACE descriptor unchanged, and where it must vanish."""

import itertools
from math import sqrt

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, make_supercell
from hypothesis import given, settings
from hypothesis import strategies as st

from mlipselect import ACE
from reference import ace as reference
from reference.structures import rotation, scattered

SILICON = ACE(["Si"], totaldegree=12)
OXIDE = ACE(["O", "Si"], totaldegree=[9, 8, 7])
seeds = st.integers(0, 2**32 - 1)


def assert_same(values, expected):
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12 * max(1.0, np.abs(expected).max()))


def oxide(seed, n=9):
    rng = np.random.default_rng(seed)
    cell = np.diag([6.0, 6.5, 7.0]) + rng.uniform(-1, 1, (3, 3))
    return scattered(rng, n, ["O", "Si"], cell=cell, pbc=rng.random(3) < 0.5), rng


@settings(deadline=None)
@given(seeds)
def test_rotation_and_reflection(seed):
    atoms, rng = oxide(seed)
    turn = rotation(rng)
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn)
    turned.positions = atoms.positions @ turn
    assert_same(OXIDE.features(turned), OXIDE.features(atoms))


@settings(deadline=None)
@given(seeds)
def test_order_of_the_atoms(seed):
    atoms, rng = oxide(seed)
    order = rng.permutation(len(atoms))
    assert_same(OXIDE.features(atoms[order]), OXIDE.features(atoms)[order])


@settings(deadline=None)
@given(seeds)
def test_translation_and_periodic_images(seed):
    atoms, rng = oxide(seed)
    moved = atoms.copy()
    images = rng.integers(-3, 4, (len(atoms), 3)) * atoms.pbc
    moved.positions += images @ atoms.cell.array + rng.uniform(-20, 20, 3)
    assert_same(OXIDE.features(moved), OXIDE.features(atoms))


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_another_cell_of_the_same_crystal(seed):
    rng = np.random.default_rng(seed)
    atoms = bulk("Si", a=5.43)
    atoms.rattle(0.2, rng=rng)
    transformation = rng.integers(-2, 3, (3, 3))
    if abs(np.linalg.det(transformation)) < 0.5:
        transformation = np.diag(rng.integers(1, 4, 3))
    if np.linalg.det(transformation) < 0:
        transformation[0] *= -1
    supercell = make_supercell(atoms, transformation, order="atom-major")
    rows = SILICON.features(atoms)
    assert_same(SILICON.features(supercell), np.repeat(rows, len(supercell) // 2, axis=0))
    assert_same(SILICON.structure_features([supercell]), SILICON.structure_features([atoms]))


def test_a_left_handed_cell():
    atoms = bulk("Si", a=5.43)
    atoms.rattle(0.1, seed=3)
    mirrored = atoms.copy()
    mirrored.set_cell(atoms.cell.array[[1, 0, 2]])
    assert np.linalg.det(mirrored.cell) * np.linalg.det(atoms.cell) < 0
    assert_same(SILICON.features(mirrored), SILICON.features(atoms))


def test_vacuum_is_no_periodicity():
    slab = fcc111("Al", (2, 2, 4), vacuum=10.0)
    aluminium = ACE(["Al"], totaldegree=10)
    periodic = slab.copy()
    periodic.pbc = True
    assert_same(aluminium.features(periodic), aluminium.features(slab))
    slab.cell[2] = 0.0
    assert_same(aluminium.features(periodic), aluminium.features(slab))


def test_no_neighbour_is_a_row_of_zeros():
    assert np.all(SILICON.features(Atoms("Si")) == 0.0)
    assert np.all(SILICON.features(Atoms("Si", cell=[20] * 3, pbc=True)) == 0.0)


@given(st.floats(0.5, 4.99))
def test_one_neighbour_makes_pair_functions_only(r):
    row = SILICON.features(Atoms("Si2", [[0, 0, 0], [0.0, 0.6 * r, 0.8 * r]]))[0]
    assert np.abs(row[12:]).max() < 1e-14 * max(1.0, np.abs(row[:12]).max())
    assert np.abs(row[:12]).max() > 0


def test_values_vanish_quadratically_at_the_cutoff():
    def change(delta):
        cluster = [[0, 0, 0], [1.9, 0.8, -0.7], [-1.1, 1.4, 1.2], [0, 0, 5.0 - delta]]
        rows = [SILICON.features(Atoms("Si4", cluster))[0], SILICON.features(Atoms("Si3", cluster[:3]))[0]]
        return rows[0] - rows[1]

    near, far = change(1e-3), change(2e-3)
    for part in (slice(0, 12), slice(12, None)):
        assert np.linalg.norm(far[part]) == pytest.approx(4 * np.linalg.norm(near[part]), rel=0.02)
    assert np.abs(near).max() < 1e-4
    assert np.all(change(0.0) == 0.0)


def test_threads_change_nothing():
    structures = [oxide(seed, n)[0] for seed, n in enumerate([3, 200, 1, 65, 64, 8])]
    sites, means = OXIDE.site_features(structures), OXIDE.structure_features(structures)
    for n_threads in (1, 2, 5):
        np.testing.assert_array_equal(OXIDE.site_features(structures, n_threads=n_threads), sites)
        np.testing.assert_array_equal(OXIDE.structure_features(structures, n_threads=n_threads), means)
    ends = np.cumsum([len(atoms) for atoms in structures])[:-1]
    for mean, rows, atoms in zip(means, np.split(sites, ends), structures, strict=True):
        assert_same(mean, rows.mean(axis=0))
        np.testing.assert_array_equal(OXIDE.features(atoms), rows)


@given(seeds)
def test_one_element_among_several(seed):
    """Columns of silicon among silicon are those of the one-element descriptor; the others are zero."""
    rng = np.random.default_rng(seed)
    atoms = scattered(rng, 6, ["Si"])
    degrees, r0 = (8, 8, 8), {"O": 1.3, "Si": 2.4}
    one = ACE(["Si"], totaldegree=8).features(atoms)
    two = ACE(["O", "Si"], totaldegree=8, r0=r0).features(atoms)
    labels = [None] * (8 * 3)
    labels[16:24] = range(8)
    blocks = [block for order in (2, 3) for block in reference.blocks(order, 1, degrees)]
    column = {block: 8 + k for k, block in enumerate(blocks)}
    for centre in (0, 1):
        for block in [block for order in (2, 3) for block in reference.blocks(order, 2, degrees)]:
            silicon = centre == 1 and all(z == 1 for z, _, _ in block)
            labels.append(column[tuple((0, n, l) for _, n, l in block)] if silicon else None)
    is_silicon = np.array([label is not None for label in labels])
    assert_same(two[:, is_silicon], one[:, [label for label in labels if label is not None]])
    assert np.all(two[:, ~is_silicon] == 0.0)


@given(seeds)
def test_elements_that_are_alike(seed):
    """With equal r0, a one-element function is the sum over how elements can be given to its factors."""
    atoms = scattered(np.random.default_rng(seed), 7, ["O", "Si"])
    atoms.symbols[0] = "O"
    alike = atoms.copy()
    alike.symbols[:] = "Si"
    degrees = (7, 7, 7)
    one = ACE(["Si"], totaldegree=7, r0=2.0).features(alike)[0][7:]
    two = ACE(["O", "Si"], totaldegree=7, r0=2.0).features(atoms)[0][3 * 7 :]
    column = {block: k for k, block in enumerate(b for order in (2, 3) for b in reference.blocks(order, 2, degrees))}
    for value, block in zip(one, (b for order in (2, 3) for b in reference.blocks(order, 1, degrees)), strict=True):
        total = 0.0
        for elements in itertools.product((0, 1), repeat=len(block)):
            given_elements = tuple(sorted((z, n, l) for z, (_, n, l) in zip(elements, block, strict=True)))
            total += two[column[given_elements]] / sqrt(reference.n_symmetries(given_elements))
        assert value / sqrt(reference.n_symmetries(block)) == pytest.approx(total, rel=1e-11, abs=1e-11)
