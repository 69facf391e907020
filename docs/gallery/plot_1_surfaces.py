"""
Silicon surfaces, given bulk
============================

A training set of bulk silicon knows nothing of surfaces. Which of 200 slabs are worth a calculation?
"""

# %%
# The pool is typical: many frames of one slab that hardly differ, and a few of each other kind.

import textwrap
from collections import Counter

import matplotlib.pyplot as plt

import mlipselect as ms
from mlipselect import plot
from mlipselect.demo import silicon_core, silicon_pool

core, pool = silicon_core(), silicon_pool()
print(Counter(atoms.info["config_type"] for atoms in pool))

# %%
# Picks lower the uncertainty of a linear model over the whole pool. No label is needed.

selection = ms.select(pool, n=20, core=core, progress=False)
selection

# %%
# Core and pool have nothing in common; picks are spread over all kinds of slabs.

plot.map(selection)
plt.show()

# %%
# What is left uncertain falls with every pick. As the mean still falls at the end, more picks would pay.

plot.curve(selection)
plt.show()

# %%
# Each pick has a reason.

for reason in selection.reasons[:3]:
    print(textwrap.fill(reason, 90), end="\n\n")

# %%
# Farthest point sampling goes by distance alone; its picks have another composition.
# :doc:`/explanation/evidence` has what picks of all methods are worth.

others = ms.select(pool, n=20, core=core, method="fps", progress=False)
fig, axes = plt.subplots(2, 1, figsize=(7, 6), layout="constrained")
for ax, (name, chosen) in zip(axes, {"bayesian": selection, "fps": others}.items(), strict=True):
    plot.composition(chosen, ax=ax)
    ax.set_title(name)
plt.show()
