"""Systems to explore, each with a fast potential that stands in for density functional theory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk, fcc100, fcc111
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from benches.hal import TEMPERATURES

import mlipselect as ms
from mlipselect.demo import silicon_core, silicon_pool
from mlipselect.demo.potentials import label as label_silicon
from mlipselect.demo.tersoff import silicon_tersoff
from mlipselect.hal.dynamics import LangevinDynamics, thermalize
from mlipselect.hal.geometry import bare


@dataclass(frozen=True)
class System:
    """What is explored.

    Attributes
    ----------
    core : list of ase.Atoms
        Training set, with labels.
    starts : list of ase.Atoms
        Where walkers begin.
    test : list of ase.Atoms
        What potentials are judged by, with labels.
    label : callable
        Computes labels.
    descriptor : ACE
        The descriptor of the potentials.
    references : dict
        Energies of free atoms, in eV.
    """

    core: list[Atoms]
    starts: list[Atoms]
    test: list[Atoms]
    label: Callable[[Sequence[Atoms]], list[Atoms]]
    descriptor: ms.ACE
    references: dict[str, float]


def silicon(seed: int) -> System:
    """Surfaces of silicon from bulk, by the potential of Tersoff; judged by slabs and by frames of its dynamics."""
    pool = silicon_pool(seed)
    starts = [pool[k] for k in (3, 36, 69, 102, 135, 168)]
    frames = _frames(starts, silicon_tersoff, np.random.default_rng([seed, 2]), n_steps=20)
    return System(
        core=label_silicon(silicon_core(seed)[::3]),
        starts=starts,
        test=label_silicon([*pool[10:200:20], *frames]),
        label=label_silicon,
        descriptor=ms.ACE(["Si"], totaldegree=12),
        references={"Si": 0.0},
    )


def copper_gold(seed: int) -> System:
    """Surfaces and other compositions of copper and gold from ordered bulk, by effective medium theory."""
    rng = np.random.default_rng(seed)
    core = [_shaken(_alloy(bulk("Cu", a=3.8, cubic=True) * (2, 1, 1), 0.5, rng), rng, 0.08) for _ in range(20)]
    slabs = [fcc111("Cu", (2, 2, 4), a=3.8, vacuum=6.0), fcc100("Cu", (2, 2, 4), a=3.8, vacuum=6.0)]
    for slab in slabs:
        slab.pbc = True
    cells = [*slabs, bulk("Cu", a=3.8, cubic=True) * (2, 2, 1)]
    fractions = (0.25, 0.5, 0.75)
    starts = [_alloy(cell, fraction, rng) for cell, fraction in zip(cells, fractions, strict=True)]
    test = [_shaken(_alloy(cells[k % 3], fractions[k // 3 % 3], rng), rng, 0.12) for k in range(9)]
    test += _frames(starts, EMT, rng, n_steps=100)
    return System(
        core=label_emt(core),
        starts=starts,
        test=label_emt(test),
        label=label_emt,
        descriptor=ms.ACE(["Cu", "Au"], totaldegree=6),
        references={"Cu": 0.0, "Au": 0.0},
    )


SYSTEMS: dict[str, Callable[[int], System]] = {"silicon": silicon, "copper-gold": copper_gold}


def label_emt(structures: Sequence[Atoms]) -> list[Atoms]:
    """Label copies by effective medium theory."""
    out = []
    for atoms in structures:
        copy = atoms.copy()
        copy.calc = EMT()
        results = {"energy": copy.get_potential_energy(), "forces": copy.get_forces(), "stress": copy.get_stress()}
        copy.calc = SinglePointCalculator(copy, **results)
        out.append(copy)
    return out


def _frames(
    starts: Sequence[Atoms], make_calculator: Callable[[], object], rng: np.random.Generator, n_steps: int
) -> list[Atoms]:
    """Run the true potential from each start, at temperatures in turn; return three frames of each trajectory."""
    out = []
    for number, start in enumerate(starts):
        temperature = TEMPERATURES[number % len(TEMPERATURES)]
        atoms = bare(start)
        thermalize(atoms, temperature, rng)
        atoms.calc = make_calculator()
        dynamics = LangevinDynamics(2.0, 0.02)(atoms, temperature, rng)
        for _ in range(3):
            dynamics.run(n_steps)
            out.append(bare(atoms))
    return out


def _alloy(atoms: Atoms, fraction: float, rng: np.random.Generator) -> Atoms:
    """Turn a fraction of the atoms, drawn at random, into gold."""
    out = atoms.copy()
    out.numbers[:] = 29
    out.numbers[rng.choice(len(out), round(fraction * len(out)), replace=False)] = 79
    return out


def _shaken(atoms: Atoms, rng: np.random.Generator, scale: float) -> Atoms:
    out = atoms.copy()
    out.positions += rng.normal(scale=scale, size=out.positions.shape)
    return out
