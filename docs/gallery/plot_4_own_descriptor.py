"""
A descriptor of your own
========================

Whatever turns a structure into one row of numbers per atom can describe a pool.
"""

# %%
# Here a row has the distances of an atom to its four nearest neighbours. A function is enough.

import matplotlib.pyplot as plt
import numpy as np

import mlipselect as ms
from mlipselect import plot
from mlipselect.demo import silicon_core, silicon_pool


def nearest(atoms):
    """Distances to the four nearest neighbours in Å, shape (n_atoms, 4)."""
    return np.sort(atoms.get_all_distances(mic=True), axis=1)[:, 1:5]


core, pool = silicon_core()[20:], silicon_pool()
selection = ms.select(pool, n=6, core=core, descriptor=nearest, progress=False)
selection

# %%
# Four numbers are soon known: the information hardly grows after a few picks.

plot.curve(selection, show="information")
plt.show()

# %%
# ACE tells the same slabs apart by many more.

plot.curve(ms.select(pool, n=6, core=core, progress=False), show="information")
plt.show()
