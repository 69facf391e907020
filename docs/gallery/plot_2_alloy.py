"""
An alloy: which compositions are missing?
=========================================

A training set of pure copper and pure gold is to be extended by ordered and random alloys.
"""

# %%
# Structures are made with a lattice constant that follows the composition.

import matplotlib.pyplot as plt
import numpy as np
from ase.build import bulk

import mlipselect as ms
from mlipselect import plot

rng = np.random.default_rng(0)


def cell(share_of_gold):
    """A rattled cell of 32 atoms, some of which are gold."""
    atoms = bulk("Cu", "fcc", a=3.61 + 0.47 * share_of_gold, cubic=True) * 2
    n_gold = round(32 * share_of_gold)
    atoms.numbers[rng.choice(32, n_gold, replace=False)] = 79
    atoms.positions += rng.normal(scale=0.08, size=(32, 3))
    atoms.info["config_type"] = f"{100 * n_gold // 32} % Au"
    return atoms


core = [cell(share) for share in (0.0, 1.0) for _ in range(10)]
pool = [cell(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0) for _ in range(20)]

# %%
# Where structures differ in their composition, element fractions are further columns of the features.

selection = ms.select(pool, n=10, core=core, progress=False)
print(selection.features.composition)

# %%
# Pure metals are known, so hardly one is picked.

plot.composition(selection)
plt.show()

# %%
# Before, the training set had both elements, but never together.

plot.composition(selection, by="element")
plt.show()
