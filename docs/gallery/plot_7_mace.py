"""
The features of a MACE model
============================

A MACE model has learned which environments of atoms differ. Its features describe a pool as those of ACE do.

This page is run where ``pip install 'mlipselect[mace]'`` was. If no output is below the code, the site was built
without it.
"""

# %%
# A model with random weights stands in for a trained one, which would be a file: ``ms.MACE("si.model")``. It has two
# layers of eight channels.

import mace.modules
import matplotlib.pyplot as plt
import numpy as np
import torch
from e3nn import o3

import mlipselect as ms
from mlipselect import plot
from mlipselect.demo import silicon_core, silicon_pool

torch.manual_seed(0)
block = mace.modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
model = mace.modules.ScaleShiftMACE(
    r_max=4.0,
    num_bessel=8,
    num_polynomial_cutoff=5,
    max_ell=2,
    interaction_cls=block,
    interaction_cls_first=block,
    num_interactions=2,
    num_elements=1,
    hidden_irreps=o3.Irreps("8x0e + 8x1o"),
    MLP_irreps=o3.Irreps("16x0e"),
    atomic_energies=np.zeros(1),
    avg_num_neighbors=20.0,
    atomic_numbers=[14],
    correlation=2,
    gate=torch.nn.functional.silu,
    atomic_inter_scale=1.0,
    atomic_inter_shift=0.0,
)
descriptor = ms.MACE(model)
print(descriptor.n_features, "features that rotations do not change")

# %%
# Nothing else is different from a selection with ACE.

core, pool = silicon_core()[::3], silicon_pool()[::4]
selection = ms.select(pool, n=10, core=core, descriptor=descriptor, progress=False)
selection

# %%

plot.map(selection)
plt.show()

# %%
# How many of the picks does ACE choose, too? :doc:`/explanation/evidence` has what the features of trained models are
# worth.

ace = ms.select(pool, n=10, core=core, progress=False)
print(len({*selection.indices} & {*ace.indices}), "of 10")
