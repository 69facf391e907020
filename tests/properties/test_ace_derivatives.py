"""Derivatives of ACE: against differences of explicit sums, and what they must obey whatever the structure."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlipselect import ACE
from mlipselect.testing import check_descriptor
from reference import ace as reference
from reference.structures import rotation, scattered

SILICON = ACE(["Si"], totaldegree=12)
OXIDE = ACE(["O", "Si"], totaldegree=[9, 8, 7])
VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
seeds = st.integers(0, 2**32 - 1)


def oxide(seed, n=9, pbc=None):
    rng = np.random.default_rng(seed)
    cell = np.diag([6.0, 6.5, 7.0]) + rng.uniform(-1, 1, (3, 3))
    return scattered(rng, n, ["O", "Si"], cell=cell, pbc=rng.random(3) < 0.5 if pbc is None else pbc), rng


def assert_close(values, expected, rtol=1e-12):
    np.testing.assert_allclose(values, expected, rtol=0, atol=rtol * max(1.0, np.abs(expected).max(initial=0.0)))


def slope(f, h=3e-4):
    """Central difference of sixth order."""
    steps, weights = np.array([1, 2, 3]), np.array([45, -9, 1]) / 60
    return sum(w * (f(k * h) - f(-k * h)) for k, w in zip(steps, weights, strict=True)) / h


def summed_by_reference(atoms, positions, cell, descriptor, r0):
    numbers = sorted(set(Atoms(descriptor.elements).numbers.tolist()))
    return reference.site_features(
        positions,
        atoms.numbers.tolist(),
        cell,
        atoms.pbc,
        elements=numbers,
        totaldegree=descriptor.totaldegree,
        rcut=descriptor.rcut,
        r0=r0,
    ).sum(axis=0)


@settings(deadline=None, max_examples=10)
@given(
    seed=seeds,
    degrees=st.lists(st.integers(2, 24).map(lambda d: d / 2), min_size=1, max_size=3),
    rcut=st.floats(2.5, 5.0),
    lengths=st.tuples(st.floats(0.9, 3.0), st.floats(0.9, 3.0)),
    symbols=st.sampled_from([["Si"], ["O"], ["O", "Si"]]),
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_rows_are_slopes_of_explicit_sums(seed, degrees, rcut, lengths, symbols, pbc):
    """Along a random displacement of all atoms and along a random strain."""
    rng = np.random.default_rng(seed)
    if len(symbols) == 2:
        degrees = [min(degree, 6.5) for degree in degrees]
    if len(degrees) == 3:
        degrees[2] = min(degrees[2], 9.0)
    cell = np.diag([4.5, 5.5, 6.0]) + rng.uniform(-0.8, 0.8, (3, 3))
    atoms = scattered(rng, 4, symbols, cell=cell, pbc=pbc)
    # Second derivatives jump at the cutoff, and differences across it are worse than their order.
    distances = neighbor_list("d", atoms, rcut + 0.1)
    assume(not len(distances) or np.abs(distances - rcut).min() > 0.02)
    by_symbol = dict(zip(["O", "Si"], lengths, strict=True))
    descriptor = ACE(symbols, order=len(degrees), totaldegree=degrees, rcut=rcut, r0=by_symbol)
    own = np.array([by_symbol[symbol] for symbol in descriptor.elements])
    r0 = (own[:, None] + own[None, :]) / 2
    design = descriptor.design(atoms)

    direction = rng.normal(size=(4, 3)) / 3

    def moved(h):
        return summed_by_reference(atoms, atoms.positions + h * direction, atoms.cell.array, descriptor, r0)

    expected = slope(moved)
    assert_close(-direction.ravel() @ design.forces, expected, 2e-9)
    strain = rng.normal(size=(3, 3)) / 10
    strain = (strain + strain.T) / 2

    def strained(h):
        deformation = np.eye(3) + h * strain
        positions, cell = atoms.positions @ deformation, atoms.cell.array @ deformation
        return summed_by_reference(atoms, positions, cell, descriptor, r0)

    expected = slope(strained)
    assert_close(-(strain[VOIGT] * [1, 1, 1, 2, 2, 2]) @ design.virial, expected, 2e-9)


def test_the_conformance_kit_passes():
    check_descriptor(ACE(["Si"], totaldegree=16))
    check_descriptor(OXIDE, [oxide(1)[0], oxide(2, 12, True)[0], Atoms("OSi")[:1]])


@settings(deadline=None)
@given(seeds)
def test_forces_add_up_to_nothing(seed):
    """In sum for each feature, and in torque for a cluster."""
    atoms, _ = oxide(seed)
    forces = OXIDE.design(atoms).forces.reshape(len(atoms), 3, -1)
    assert_close(forces.sum(axis=0) / np.abs(forces).max(), np.zeros_like(forces[0]))
    atoms, _ = oxide(seed, pbc=False)
    forces = OXIDE.design(atoms).forces.reshape(len(atoms), 3, -1)
    torque = np.cross(atoms.positions[:, :, None], forces, axisa=1, axisb=1, axisc=1).sum(axis=0)
    assert_close(torque / np.abs(forces).max(), np.zeros_like(torque), 1e-11)


@settings(deadline=None)
@given(seeds)
def test_forces_turn_with_the_structure(seed):
    atoms, rng = oxide(seed)
    turn = rotation(rng)
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn)
    turned.positions = atoms.positions @ turn
    before, after = OXIDE.design(atoms), OXIDE.design(turned)
    forces = before.forces.reshape(len(atoms), 3, -1)
    assert_close(after.forces.reshape(forces.shape), np.einsum("nax,ab->nbx", forces, turn))
    tensors = []
    for virial in (before.virial, after.virial):
        tensor = np.empty((3, 3, virial.shape[1]))
        tensor[VOIGT] = tensor[VOIGT[::-1]] = virial
        tensors.append(tensor)
    assert_close(tensors[1], np.einsum("abx,ac,bd->cdx", tensors[0], turn, turn))


@settings(deadline=None)
@given(seeds)
def test_predictions_are_designs_times_weights(seed):
    atoms, rng = oxide(seed)
    w = rng.normal(size=OXIDE.n_features)
    design, prediction = OXIDE.design(atoms), OXIDE.predict(atoms, w)
    assert_close(prediction.energy, design.energy @ w)
    assert_close(prediction.forces.ravel(), design.forces @ w)
    assert_close(prediction.virial, design.virial @ w)
    assert_close(prediction.site_energies, OXIDE.features(atoms) @ w)
    np.testing.assert_array_equal(OXIDE.vjp(atoms, w), -prediction.forces)


@settings(deadline=None)
@given(seeds)
def test_designs_of_an_extended_system(seed):
    """Twice the cell has the rows of the cell, twice, and twice its energy and virial."""
    atoms = oxide(seed, 4, True)[0]
    double = atoms.repeat((1, 2, 1))
    one, two = OXIDE.design(atoms), OXIDE.design(double)
    assert_close(two.energy, 2 * one.energy)
    assert_close(two.forces, np.tile(one.forces, (2, 1)))
    assert_close(two.virial, 2 * one.virial)


def test_a_left_handed_cell():
    atoms = bulk("Si", a=5.43)
    atoms.rattle(0.1, seed=3)
    mirrored = atoms.copy()
    mirrored.set_cell(atoms.cell.array[[1, 0, 2]])
    for part in ("energy", "forces", "virial"):
        assert_close(getattr(SILICON.design(mirrored), part), getattr(SILICON.design(atoms), part))


def test_an_isolated_atom_has_no_force():
    design = SILICON.design(Atoms("Si", cell=[20] * 3, pbc=True))
    assert design.forces.shape == (3, 211)
    assert not design.energy.any()
    assert not design.forces.any()
    assert not design.virial.any()
    prediction = SILICON.predict(Atoms("Si"), np.ones(211))
    assert prediction.energy == 0.0
    assert not prediction.forces.any()
    # Nor does it change others.
    atoms, far = bulk("Si", cubic=True), Atoms("Si", [[60.0, 0.0, 0.0]])
    atoms.pbc = False
    alone, together = SILICON.design(atoms), SILICON.design(atoms + far)
    np.testing.assert_array_equal(together.forces[-3:], 0.0)
    assert_close(together.forces[:-3], alone.forces)
    assert_close(together.energy, alone.energy)


def test_gradients_vanish_linearly_at_the_cutoff():
    def force(delta):
        """Force on an atom that only the centre sees."""
        cluster = [[0, 0, 0], [1.9, 0.8, 0.7], [-1.1, 1.4, 1.2], [0, 0, delta - 5.0]]
        return SILICON.design(Atoms("Si4", cluster)).forces[9:]

    near, far = force(1e-3), force(2e-3)
    for part in (slice(0, 12), slice(12, None)):
        assert np.linalg.norm(far[:, part]) == pytest.approx(2 * np.linalg.norm(near[:, part]), rel=0.05)
        assert np.linalg.norm(near[:, part]) > 0
    assert not force(0.0).any()


def test_threads_and_batches_change_nothing():
    structures = [oxide(seed, n)[0] for seed, n in enumerate([3, 150, 1, 65, 64, 8])]
    w = np.random.default_rng(0).normal(size=OXIDE.n_features)
    alone = [OXIDE.design(atoms) for atoms in structures]
    predicted = [OXIDE.predict(atoms, w) for atoms in structures]
    for n_threads in (1, 2, 5):
        for max_memory in (0, 10**7, 10**9):
            designs = list(OXIDE.designs(iter(structures), max_memory=max_memory, n_threads=n_threads))
            for one, other in zip(alone, designs, strict=True):
                for part in ("energy", "forces", "virial"):
                    np.testing.assert_array_equal(getattr(other, part), getattr(one, part))
        for one, other in zip(predicted, OXIDE.predictions(structures, w, n_threads), strict=True):
            assert other.energy == one.energy
            np.testing.assert_array_equal(other.forces, one.forces)
            np.testing.assert_array_equal(other.virial, one.virial)
