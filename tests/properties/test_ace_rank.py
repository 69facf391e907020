"""No function of the basis is a combination of the others."""

import numpy as np
import pytest
from ase import Atoms

from mlipselect import ACE


@pytest.mark.parametrize("degree", [12, 16, 19])
def test_the_functions_are_independent(degree):
    descriptor = ACE(["Si"], totaldegree=degree)
    rng = np.random.default_rng(degree)

    def environment(n_neighbours):
        directions = rng.normal(size=(n_neighbours, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        positions = np.vstack([np.zeros(3), directions * rng.uniform(1.0, 4.9, (n_neighbours, 1))])
        return Atoms(f"Si{n_neighbours + 1}", positions)

    d = descriptor.n_features
    structures = [environment(2 + k % 4) for k in range(int(1.6 * d))]
    first = np.cumsum([0, *(len(atoms) for atoms in structures[:-1])])
    rows = descriptor.site_features(structures)[first]
    rows /= np.linalg.norm(rows, axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    singular_values = np.linalg.svd(rows, compute_uv=False)
    assert singular_values[-1] > 1e-8 * singular_values[0]
