"""
Explore with biased dynamics
============================

Without a pool, biased molecular dynamics makes candidates: walkers are pushed towards what the potential is uncertain
about.
"""

# %%
# Labels are those of Tersoff's silicon, which stands in for density functional theory.

import matplotlib.pyplot as plt

import mlipselect as ms
from mlipselect import plot
from mlipselect.demo import silicon_core, silicon_pool
from mlipselect.demo.potentials import label

train, test = label(silicon_core()[::3]), label(silicon_core()[1::6])
potential = ms.LinearPotential(ms.ACE(["Si"], totaldegree=10)).fit(train).calibrate(train)
potential

# %%
# Do its standard deviations hold on structures that it has not seen?

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
plot.parity(potential, test, kind="forces", ax=left)
plot.calibration(potential, test, ax=right)
plt.show()

# %%
# Two walkers begin with slabs, which the potential does not know.

surrogate = ms.Surrogate(potential, core=train)
run = ms.Hal(silicon_pool()[100:180:40], potential, surrogate, n=5, temperature=[300, 600])
selection = run.run()
run

# %%
# What was taken lies far from the training set.

plot.map(selection, color="rank")
plt.show()
