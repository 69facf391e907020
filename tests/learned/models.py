"""Small MACE models with random weights, and structures for them."""

from __future__ import annotations

import numpy as np
from ase import Atoms


def tiny_mace(channels: int = 8, layers: int = 2, seed: int = 0, **changes):
    """Make a MACE model of oxygen and silicon in double precision with random weights."""
    # Before e3nn, which needs what this sets.
    import mace.modules
    import torch
    from e3nn import o3

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(seed)
    residual = mace.modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    options = {
        "r_max": 4.0,
        "num_bessel": 8,
        "num_polynomial_cutoff": 5,
        "max_ell": 2,
        "interaction_cls": residual,
        "interaction_cls_first": residual,
        "num_interactions": layers,
        "num_elements": 2,
        "hidden_irreps": o3.Irreps(f"{channels}x0e+{channels}x1o"),
        "MLP_irreps": o3.Irreps("16x0e"),
        "atomic_energies": np.zeros(2),
        "avg_num_neighbors": 20.0,
        "atomic_numbers": [8, 14],
        "correlation": 2,
        "gate": torch.nn.functional.silu,
        "atomic_inter_scale": 1.0,
        "atomic_inter_shift": 0.0,
    }
    model = mace.modules.ScaleShiftMACE(**(options | changes))
    torch.set_default_dtype(before)
    return model


def structures() -> list[Atoms]:
    """Crystals, a slab, a molecule and a free atom, all a little out of order."""
    import ase.build

    crystal = ase.build.bulk("Si", cubic=True)
    slab = ase.build.diamond111("Si", (1, 1, 3), a=5.43, vacuum=6.0)
    oxide = ase.build.bulk("SiO", "zincblende", a=5.0)
    molecule = Atoms("OSiO", positions=[[0.0, 0.0, 0.0], [0.0, 0.3, 1.6], [0.9, 1.9, 2.0]])
    out = [crystal, ase.build.bulk("Si"), slab, oxide, molecule]
    for seed, atoms in enumerate(out):
        atoms.rattle(0.1, seed=seed)
    return [*out, Atoms("Si", cell=[20.0] * 3, pbc=True)]
