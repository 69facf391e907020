"""A descriptor with derivatives that can be checked by eye: sums over neighbours of a few smooth functions."""

from __future__ import annotations

import numpy as np
from ase.neighborlist import neighbor_list

from mlipselect.descriptors.base import Design


class Pairs:
    """For each atom the sums of ``(1 - r / cutoff)^k`` over its neighbours, k = 2, 3, ..."""

    def __init__(self, n_features: int = 4, cutoff: float = 5.0):
        self.powers = np.arange(2, 2 + n_features)
        self.cutoff = cutoff

    def features(self, atoms):
        """Rows of the atoms."""
        i, r = neighbor_list("id", atoms, self.cutoff)
        rows = np.zeros((len(atoms), len(self.powers)))
        np.add.at(rows, i, (1 - r[:, None] / self.cutoff) ** self.powers)
        return rows

    def design(self, atoms):
        """Rows for energy, forces and virial."""
        i, j, d, D = neighbor_list("ijdD", atoms, self.cutoff)
        slopes = -self.powers / self.cutoff * (1 - d[:, None] / self.cutoff) ** (self.powers - 1)
        gradient = slopes[:, None, :] * (D / d[:, None])[:, :, None]
        forces = np.zeros((len(atoms), 3, len(self.powers)))
        np.add.at(forces, i, gradient)
        np.add.at(forces, j, -gradient)
        strain = -np.einsum("nad,nb->abd", gradient, D)
        virial = np.stack([strain[0, 0], strain[1, 1], strain[2, 2], strain[1, 2], strain[0, 2], strain[0, 1]])
        return Design(self.features(atoms).sum(axis=0), forces.reshape(-1, len(self.powers)), virial)
