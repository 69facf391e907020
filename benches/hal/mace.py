"""Steps biased by the features of a MACE model, and updates after many structures, beside the committee of ase-uhal.

It needs mace and, for the comparison, ``pip install ase-uhal==0.1.0`` in the same environment.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
from ase import Atoms
from ase.build import bulk
from benches.hal.cost import times

import mlipselect as ms
from mlipselect.hal import MacePotential
from mlipselect.report.table import text_table

MEMBERS = 20
"""Members of the committee."""
TAKEN = 200
"""Structures of 64 atoms that were taken, with energy and forces, before the update that is timed."""


def model(channels: int) -> object:
    """Make a MACE model of silicon in double precision with random weights, of the size of small foundation models."""
    import mace.modules
    import torch
    from e3nn import o3

    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    block = mace.modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    return mace.modules.ScaleShiftMACE(
        r_max=5.0, num_bessel=8, num_polynomial_cutoff=5, max_ell=3, interaction_cls=block, interaction_cls_first=block,
        num_interactions=2, num_elements=1, hidden_irreps=o3.Irreps(f"{channels}x0e+{channels}x1o"),
        MLP_irreps=o3.Irreps("16x0e"), atomic_energies=np.zeros(1), avg_num_neighbors=20.0, atomic_numbers=[14],
        correlation=3, gate=torch.nn.functional.silu, atomic_inter_scale=1.0, atomic_inter_shift=0.0,
    )  # fmt: skip


def silicon() -> Atoms:
    """Return 64 atoms, a little out of order."""
    atoms = bulk("Si", a=5.43, cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    return atoms


def step_of(calculator: object) -> Callable[[], object]:
    """Return a step: atoms move a little, and forces are computed."""
    atoms = silicon()
    atoms.calc = calculator

    def step() -> object:
        atoms.positions += 1e-6
        return atoms.get_forces()

    return step


def plain_of(potential: MacePotential) -> Callable[[], object]:
    """Return the same step with a potential that is no calculator."""
    atoms = silicon()

    def step() -> object:
        atoms.positions += 1e-6
        return potential.predict(atoms)

    return step


def run(channels: int, repeats: int) -> str:
    """Measure a model with some channels, on one thread; all steps take turns."""
    import torch
    from mace.calculators import MACECalculator

    torch.set_num_threads(1)
    of_mace = MACECalculator(models=[model(channels)], device="cpu", default_dtype="float64")
    potential = MacePotential(model(channels), n_threads=1)
    core = [silicon() for _ in range(3)]
    for seed, atoms in enumerate(core):
        atoms.rattle(0.05, seed=10 + seed)
    surrogate = ms.Surrogate(potential.descriptor, core=core, n_threads=1)
    steps = {
        "MACECalculator, plain": step_of(of_mace),
        "MacePotential, plain": plain_of(potential),
        "MacePotential, biased": step_of(ms.BiasedCalculator(potential, surrogate, 0.1)),
        "MACECalculator, biased by the same features": step_of(ms.BiasedCalculator(of_mace, surrogate, 0.1)),
    }
    updates = [("mlipselect", update_of(surrogate, potential.descriptor.n_features))]
    if importlib.util.find_spec("ase_uhal") is not None:
        step, update = of_committee(channels)
        steps[f"MACECalculator, biased by ase-uhal with {MEMBERS} members"] = step
        updates.append(("ase-uhal", update))
    taken = times(list(steps.values()), repeats)
    plain = dict(zip(steps, taken, strict=True))["MACECalculator, plain"]
    own = dict(zip(steps, taken, strict=True))["MacePotential, plain"]
    rows = [[name, f"{ms_:.1f}", f"{ms_ / plain:.2f}", f"{ms_ / own:.2f}"]
            for name, ms_ in zip(steps, taken, strict=True)]  # fmt: skip
    table = text_table(["step of 64 atoms", "ms", "over MACECalculator", "over MacePotential"], rows, left=[0])
    of_updates = times([update for _, update in updates], 3)
    rows = [[name, f"{ms_:.1f}", f"{ms_ / of_updates[0]:.1f}"]
            for (name, _), ms_ in zip(updates, of_updates, strict=True)]  # fmt: skip
    header = [f"update after {TAKEN} structures with forces", "ms", "over mlipselect"]
    n_features = potential.descriptor.n_features
    return f"{channels} channels, {n_features} features\n{table}\n\n{text_table(header, rows, left=[0])}"


def update_of(surrogate: ms.Surrogate, n_features: int) -> Callable[[], object]:
    """Return an update by one structure, given its rows, of a posterior that has seen many."""
    rng = np.random.default_rng(0)
    posterior = surrogate.posterior.copy()
    for _ in range(TAKEN):
        posterior.update(rng.normal(size=(193, n_features)), n_threads=1)
    rows = rng.normal(size=(193, n_features))

    def update() -> object:
        after = posterior.copy()
        after.update(rows, n_threads=1)
        return after.deviation(rows[0])

    return update


def of_committee(channels: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return a step biased by a committee, and the drawing of its members after many structures, given their rows."""
    import torch
    from ase_uhal.bias_calculators import HALBiasCalculator
    from ase_uhal.committee_calculators import MACEHALCalculator
    from mace.calculators import MACECalculator

    base = MACECalculator(models=[model(channels)], device="cpu", default_dtype="float64")
    own = MACECalculator(models=[model(channels)], device="cpu", default_dtype="float64")
    committee = MACEHALCalculator(own, MEMBERS, 1e-2, energy_weight=1.0, forces_weight=1.0, random_seed=0)
    generator = torch.Generator().manual_seed(0)
    for kind, count in (("energy", 1), ("forces", 192)):
        for _ in range(TAKEN):
            committee.likelihood[kind].append(torch.randn((count, committee.n_desc), generator=generator))
    committee.resample_committee()
    bias = HALBiasCalculator(base, committee)
    bias.tau = 0.1
    return step_of(bias), committee.resample_committee
