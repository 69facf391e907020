"""Small models of several packages with random weights: what they give is no physics, but what is promised holds."""

from __future__ import annotations

import numpy as np

ELEMENTS = ["H", "C", "O", "Na", "Si", "Cl", "Ni", "Cu"]


def nequip():
    """Make a NequIP model of three layers."""
    from mlipselect.descriptors.torch_settings import quiet_loading

    # nequip wants the process in a state of its own.
    with quiet_loading():
        from nequip.model import NequIPGNNModel
        from nequip.utils.global_state import set_global_state

        set_global_state()
        return _nequip(NequIPGNNModel).eval()


def _nequip(make):
    return make(
        seed=1,
        model_dtype="float32",
        r_max=4.5,
        type_names=ELEMENTS,
        num_layers=3,
        l_max=2,
        num_features=8,
        radial_mlp_width=16,
        avg_num_neighbors=20.0,
        per_type_energy_scales=1.0,
        per_type_energy_shifts=0.0,
    )


def matgl(kind: str):
    """Make a potential of MatGL."""
    import torch
    from matgl import models
    from matgl.apps.pes import Potential

    torch.manual_seed(0)
    options = {
        "TensorNet": {"units": 16, "nblocks": 2, "num_rbf": 8},
        "M3GNet": {"dim_node_embedding": 16, "dim_edge_embedding": 16, "units": 16, "nblocks": 2},
        "CHGNet": {"dim_atom_embedding": 16, "dim_bond_embedding": 16, "dim_angle_embedding": 16, "num_blocks": 3},
        "SO3Net": {"dim_node_embedding": 16, "units": 16, "nblocks": 2, "lmax": 2},
    }[kind]
    return Potential(getattr(models, kind)(element_types=tuple(ELEMENTS), is_intensive=False, **options))


def mattersim():
    """Make a MatterSim model."""
    import torch
    from mattersim.forcefield.m3gnet.m3gnet import M3Gnet

    torch.manual_seed(0)
    return M3Gnet(num_blocks=2, units=16, max_l=3, max_n=3, device="cpu")


def orb():
    """Make an ORB model with the architecture of version 3, smaller."""
    import torch
    from orb_models.forcefield import pretrained
    from orb_models.forcefield.atomic_system import SystemConfig

    torch.manual_seed(0)
    return pretrained.orb_v3_conservative_architecture(
        latent_dim=32,
        base_mlp_hidden_dim=32,
        head_mlp_hidden_dim=16,
        num_message_passing_steps=3,
        device="cpu",
        system_config=SystemConfig(radius=6.0, max_num_neighbors=120),
    )


def uma():
    """Make a UMA backbone with four experts and two tasks."""
    import torch
    from fairchem.core.models.uma.escn_moe import eSCNMDMoeBackbone

    torch.manual_seed(0)
    return eSCNMDMoeBackbone(
        num_experts=4,
        use_composition_embedding=True,
        max_num_elements=100,
        sphere_channels=16,
        lmax=2,
        mmax=2,
        otf_graph=True,
        cutoff=5.0,
        edge_channels=16,
        num_distance_basis=16,
        direct_forces=False,
        hidden_channels=16,
        num_layers=2,
        dataset_mapping={"omat": "omat", "omol": "omol"},
        always_use_pbc=False,
    )


def nep(path, neurons: int = 5):
    """Write a NEP of version 4 with radial, three-body and four-body functions."""
    rng = np.random.default_rng(0)
    n_radial, n_angular, basis = 4, 3, 6
    n_types = len(ELEMENTS)
    d = (n_radial + 1) + (n_angular + 1) * (4 + 1)
    lines = [
        f"nep4 {n_types} {' '.join(ELEMENTS)}",
        "cutoff 6 4 200 200",
        f"n_max {n_radial} {n_angular}",
        f"basis_size {basis} {basis}",
        "l_max 4 2 0",
        f"ANN {neurons} 0",
    ]
    n_weights = n_types * neurons * (d + 2) + 1 + n_types**2 * (n_radial + 1 + n_angular + 1) * (basis + 1)
    lines += [f"{value:.7e}" for value in rng.normal(scale=0.5, size=n_weights)]
    lines += [f"{value:.7e}" for value in rng.uniform(0.5, 2.0, size=d)]
    path.write_text("\n".join(lines) + "\n")
    return path
