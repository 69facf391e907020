"""
A pool that does not fit into memory
====================================

Features go to a folder on disk once, and are read piece by piece from there. Here the pool has two thousand structures;
with ten million the steps are the same.
"""

# %%
# The pool lies in a file, and ``featurize`` fills a store from it. A run that is stopped goes on where it was.

import shutil
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from ase.build import bulk

import mlipselect as ms
from mlipselect import plot

rng = np.random.default_rng(2)
folder = Path(tempfile.mkdtemp())


def frame(strain):
    """A strained, rattled cell of silicon."""
    atoms = bulk("Si", a=5.43)
    atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(scale=strain, size=(3, 3))), scale_atoms=True)
    atoms.positions += rng.normal(scale=0.05, size=(2, 3))
    atoms.info["config_type"] = "strained" if strain > 0.02 else "crystal"
    return atoms


ms.io.write_exact(folder / "pool.xyz", [frame(strain) for strain in [0.01] * 1600 + [0.04] * 400])
store = ms.featurize(
    folder / "pool.xyz", ms.ACE(["Si"], totaldegree=10), dtype="float32", store=folder / "pool.features", progress=False
)
print(store.shape, store.dtype)

# %%
# Only the chosen structures are read from the file. ``max_memory`` says what the selection may take.

selection = ms.select(store, n=15, score="energy", max_memory=100_000_000, progress=False)
selection

# %%

plot.map(selection)
plt.show()

# %%
# The store was only for this page.

shutil.rmtree(folder)
