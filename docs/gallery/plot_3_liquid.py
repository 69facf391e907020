"""
A liquid among crystals
=======================

Frames of a hot trajectory differ from each other more than crystals do. Quotas say how many of each kind are wanted,
and a smallest distance passes near-duplicates over.
"""

# %%
# Crystals, and cells that are so disordered that they might be molten. Every other crystal is nearly a copy of the one
# before.

from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
from ase.build import bulk

import mlipselect as ms
from mlipselect import plot

rng = np.random.default_rng(1)


def rattled(scale, kind):
    """A cell of 64 atoms of silicon that are displaced by a scale."""
    atoms = bulk("Si", a=5.43, cubic=True) * 2
    atoms.positions += rng.normal(scale=scale, size=atoms.positions.shape)
    atoms.info["config_type"] = kind
    return atoms


crystals = [rattled(0.05, "crystal") for _ in range(30)]
copies = [atoms.copy() for atoms in crystals]
for atoms in copies:
    atoms.positions += rng.normal(scale=1e-4, size=atoms.positions.shape)
liquid = [rattled(0.35, "liquid") for _ in range(20)]
pool = crystals + copies + liquid

# %%
# Without limits nearly all picks are liquid: each of its frames tells something new.

free = ms.select(pool, n=12, progress=False, min_bond=0)
print(Counter(atoms.info["config_type"] for atoms in free.structures))

# %%
# At least five of each kind, and no near-duplicates.

selection = ms.select(pool, n=12, groups="config_type", min_per_group=5, min_distance=0.05, progress=False, min_bond=0)
print(Counter(atoms.info["config_type"] for atoms in selection.structures))

# %%

plot.map(selection)
plt.show()
