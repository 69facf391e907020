"""The deviation of a surrogate is that of its posterior, and its derivatives are those of finite differences."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111

import mlipselect as ms
from reference.gaussians import Gaussians
from reference.structures import rattled, rotation, scattered

ACE = ms.ACE(["Si"], totaldegree=6)


def differences(function, x, step=1e-3):
    """Differentiate by central differences of fourth order."""
    out = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        moved = []
        for steps in (-2, -1, 1, 2):
            at = x.copy()
            at[place] += steps * step
            moved.append(function(at))
        out[place] = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / (12 * step)
    return out


def moved(atoms, positions):
    out = atoms.copy()
    out.positions = positions
    return out


def strained(atoms, strain):
    """Strain a structure by the six numbers of Voigt's notation, with the shear in both triangles."""
    xx, yy, zz, yz, xz, xy = strain
    tensor = np.eye(3) + np.array([[xx, xy / 2, xz / 2], [xy / 2, yy, yz / 2], [xz / 2, yz / 2, zz]])
    out = atoms.copy()
    out.set_cell(np.asarray(atoms.cell) @ tensor, scale_atoms=False)
    out.positions = atoms.positions @ tensor
    return out


@pytest.fixture(scope="module")
def surrogate():
    return ms.Surrogate(ACE, core=[rattled(seed) for seed in range(6)])


def molecule():
    return scattered(np.random.default_rng(3), 7, ["Si"])


def slab():
    atoms = rattled(9)
    atoms.pbc = (True, True, False)
    atoms.cell[2] *= 2.0
    return atoms


STRUCTURES = {"bulk": rattled(7), "molecule": molecule(), "slab": slab()}


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_deviation_is_that_of_the_posterior(surrogate, name):
    atoms = STRUCTURES[name]
    total = ACE.features(atoms).sum(axis=0)
    expected = np.sqrt(total @ surrogate.posterior.covariance @ total)
    assert surrogate.deviation(atoms).sigma == pytest.approx(expected, rel=1e-9)
    assert surrogate.variance_per_atom(atoms) == pytest.approx((expected / len(atoms)) ** 2, rel=1e-8)


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_gradient_is_that_of_differences(surrogate, name):
    atoms = STRUCTURES[name]
    found = surrogate.deviation(atoms).gradient
    expected = differences(lambda x: surrogate.deviation(moved(atoms, x)).sigma, atoms.positions)
    assert np.abs(found - expected).max() < 1e-8 * np.abs(expected).max()


def test_the_virial_is_that_of_differences(surrogate):
    atoms = rattled(7)
    expected = -differences(lambda strain: surrogate.deviation(strained(atoms, strain)).sigma, np.zeros(6), 2e-5)
    assert np.abs(surrogate.deviation(atoms).virial - expected).max() < 1e-8 * np.abs(expected).max()


def test_a_descriptor_with_nothing_but_a_vjp_serves():
    atoms = molecule()
    surrogate = ms.Surrogate(Gaussians(), core=[scattered(np.random.default_rng(seed), 7, ["Si"]) for seed in range(4)])
    found = surrogate.deviation(atoms)
    expected = differences(lambda x: surrogate.deviation(moved(atoms, x)).sigma, atoms.positions)
    assert np.abs(found.gradient - expected).max() < 1e-6 * np.abs(expected).max()
    assert found.virial is None


def test_several_elements():
    core = [bulk("NaCl", "rocksalt", a=5.6, cubic=True) for _ in range(3)]
    for seed, atoms in enumerate(core):
        atoms.rattle(0.1, seed=seed)
    surrogate = ms.Surrogate(ms.ACE(totaldegree=4), core=core)
    atoms = core[0].copy()
    atoms.rattle(0.2, seed=9)
    expected = differences(lambda x: surrogate.deviation(moved(atoms, x)).sigma, atoms.positions)
    assert np.abs(surrogate.deviation(atoms).gradient - expected).max() < 1e-8 * np.abs(expected).max()


def test_translations_and_rotations_change_nothing(surrogate):
    atoms, turn = rattled(7), rotation(np.random.default_rng(1))
    other = atoms.copy()
    other.set_cell(np.asarray(atoms.cell) @ turn.T, scale_atoms=False)
    other.positions = atoms.positions @ turn.T + [0.3, -4.0, 11.0]
    before, after = surrogate.deviation(atoms), surrogate.deviation(other)
    assert after.sigma == pytest.approx(before.sigma, rel=1e-9)
    assert np.allclose(after.gradient, before.gradient @ turn.T, rtol=0, atol=1e-8 * np.abs(before.gradient).max())


def test_an_atom_alone_has_no_deviation_and_no_gradient(surrogate):
    found = surrogate.deviation(Atoms("Si"))
    assert found.sigma == 0.0
    assert (found.gradient == 0.0).all()
    assert (found.virial == 0.0).all()


def test_a_committee_agrees_within_its_error(surrogate):
    atoms, n = rattled(7), 10_000
    rng = np.random.default_rng(0)
    members = rng.multivariate_normal(np.zeros(surrogate.posterior.dim), surrogate.posterior.covariance, size=n)
    design = ACE.design(atoms)
    energies, forces = members @ design.energy, members @ design.forces.T
    deviation = np.sqrt((energies**2).mean())
    found = surrogate.deviation(atoms)
    # The standard error of a sampled deviation is sigma / sqrt(2 n).
    assert abs(deviation - found.sigma) < 5 * found.sigma / np.sqrt(2 * n)
    terms = -(energies[:, None] * forces) / found.sigma
    error = terms.std(axis=0) / np.sqrt(n)
    assert (np.abs(terms.mean(axis=0) - found.gradient.ravel()) < 5 * error).all()


def test_the_posterior_of_a_core_is_that_of_select(surrogate):
    pool = [rattled(seed) for seed in range(20, 30)]
    core = [rattled(seed) for seed in range(6)]
    X, X_core = ms.featurize(pool, ACE), ms.featurize(core, ACE)
    selector = ms.BayesianSelector(1, score="energy", posterior=surrogate.posterior).fit(X)
    variances = [surrogate.variance_per_atom(atoms) for atoms in pool]
    assert selector.selected_idx_[0] == np.argmax(variances)
    assert selector.scores_[0] == pytest.approx(max(variances), rel=1e-9)
    by_hand = ms.BayesianSelector(1, score="energy").fit(X_core, core=None)
    assert by_hand.n_features_in_ == surrogate.posterior.dim


def test_a_potential_gives_electronvolts():
    from mlipselect.demo import silicon_core
    from mlipselect.demo.potentials import label

    potential = ms.LinearPotential(ms.ACE(["Si"], totaldegree=6)).fit(label(silicon_core()[::6]))
    surrogate = ms.Surrogate(potential)
    atoms = rattled(3)
    assert surrogate.unit == "eV"
    assert surrogate.deviation(atoms).sigma == pytest.approx(potential.energy_std(atoms), rel=1e-6)
    assert np.sqrt(surrogate.forces_variance(atoms)) == pytest.approx(potential.forces_std(atoms), rel=1e-9)


def test_a_pickled_surrogate_says_the_same(surrogate):
    atoms = rattled(5)
    again = pickle.loads(pickle.dumps(surrogate))
    assert again.core_features is None
    assert again.deviation(atoms).sigma == surrogate.deviation(atoms).sigma
    assert (again.deviation(atoms).gradient == surrogate.deviation(atoms).gradient).all()


def test_the_number_of_threads_changes_nothing():
    core = [rattled(seed) for seed in range(6)]
    one, four = (ms.Surrogate(ACE, core=core, n_threads=n).deviation(rattled(8)) for n in (1, 4))
    assert one.sigma == four.sigma
    assert (one.gradient == four.gradient).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "core: expected the training set, a posterior or a potential"),
        ({"posterior": ms.Posterior(3, 1.0), "ridge": 1e-3}, "ridge and scale: expected neither"),
    ],
)
def test_what_does_not_go_together_is_refused(given, message):
    with pytest.raises(ms.InvalidInputError, match=message):
        ms.Surrogate(ACE, **given)


def test_a_descriptor_without_derivatives_is_refused():
    with pytest.raises(ms.InvalidInputError, match="vjp"):
        ms.Surrogate(lambda atoms: np.ones((len(atoms), 2)), core=[fcc111("Al", (2, 2, 2), vacuum=5.0)])
