"""Sampled variances of forces with MACE features."""

import numpy as np
from ase.build import bulk

import mlipselect as ms


def test_samples_share_a_pass_forward_and_agree_with_rows_of_all_forces(model):
    descriptor = ms.MACE(model)
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    posterior = ms.Posterior(descriptor.n_features, np.linspace(0.1, 1.0, descriptor.n_features))
    exact = posterior.variance(descriptor.design(atoms).forces).reshape(-1, 3)
    variance, error = ms.force_variance(descriptor, atoms, posterior, n_samples=2000)
    assert (np.abs(variance - exact) < 4.5 * error).all()

    class OneByOne:
        features, vjp = descriptor.features, descriptor.vjp

    single, _ = ms.force_variance(OneByOne(), atoms, posterior, n_samples=5)
    together, _ = ms.force_variance(descriptor, atoms, posterior, n_samples=5)
    np.testing.assert_allclose(together, single, rtol=1e-9)
