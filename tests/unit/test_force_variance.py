"""Sampled variances of forces against exact ones."""

import numpy as np
import pytest
from ase.build import bulk

import mlipselect as ms

ACE = ms.ACE(["Si"], totaldegree=6)


@pytest.fixture(scope="module")
def crystal():
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.2, seed=0)
    return atoms


@pytest.fixture(scope="module")
def posterior(crystal):
    known = ms.Posterior(ACE.n_features, np.linspace(0.1, 1.0, ACE.n_features))
    known.update(ACE.features(crystal)[:4])
    return known


@pytest.fixture(scope="module")
def exact(crystal, posterior):
    return posterior.variance(np.ascontiguousarray(ACE.design(crystal).forces)).reshape(-1, 3)


def test_many_samples_come_as_close_as_the_error_says(crystal, posterior, exact):
    variance, error = ms.force_variance(ACE, crystal, posterior, n_samples=20_000)
    np.testing.assert_allclose(error, variance / 100.0, rtol=1e-12)
    assert np.abs(variance - exact).max() < 4.5 * error.max()
    assert (np.abs(variance - exact) < 4.5 * error).all()


def test_the_error_is_the_spread_of_estimates_and_there_is_no_bias(crystal, posterior, exact):
    estimates = np.array(
        [ms.force_variance(ACE, crystal, posterior, n_samples=8, random_state=seed)[0] for seed in range(600)]
    )
    # Of 600: the mean is known to 2 % and the spread to 5 %.
    np.testing.assert_allclose(estimates.mean(axis=0), exact, rtol=0.1)
    np.testing.assert_allclose(estimates.std(axis=0), exact * 0.5, rtol=0.25)


def test_the_seed_settles_the_estimate(crystal, posterior):
    first, again, other = (ms.force_variance(ACE, crystal, posterior, random_state=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_what_cannot_be_worked_with_is_refused(crystal, posterior):
    with pytest.raises(ms.InvalidInputError, match="expected a descriptor with `vjp`, but function has none"):
        ms.force_variance(lambda atoms: atoms.positions, crystal, posterior)
    with pytest.raises(ms.InvalidInputError, match="n_samples: expected at least 2, got 1"):
        ms.force_variance(ACE, crystal, posterior, n_samples=1)
    with pytest.raises(ms.InvalidInputError, match="one per feature"):
        ms.force_variance(ACE, crystal, ms.Posterior(3, 1.0))
