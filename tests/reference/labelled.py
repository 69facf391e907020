"""Crystals with the energies, forces and stresses of a Morse potential, and a potential to fit to them."""

from __future__ import annotations

import ase.build
import numpy as np
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator

import mlipselect as ms
from reference.pairs import Pairs

SCALES = np.array([1.0, 3.0, 2.0, 5.0])


def labelled(n=12, seed=0, repeat=(1, 1, 1)):
    """Rattled crystals of copper with their labels as results of a calculator."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.6) * repeat
        atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
        atoms.calc = MorsePotential(r0=2.6, epsilon=0.4, rho0=5.0, rcut1=3.0, rcut2=4.8)
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        out.append(atoms)
    return out


def renamed(atoms, energy="energy", forces="forces", stress=None, virial=None, factors=(1.0, 1.0, 1.0)):
    """Copy with the labels in info and arrays, under other keys; `factors` are of energy, forces and stress."""
    known, out = atoms.calc.results, atoms.copy()
    out.info[energy] = known["energy"] * factors[0]
    out.arrays[forces] = known["forces"] * factors[1]
    xx, yy, zz, yz, xz, xy = known["stress"]
    full = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if stress is not None:
        out.info[stress] = full * factors[2]
    if virial is not None:
        out.info[virial] = -atoms.get_volume() * full
    return out


def potential(**how):
    """Make a potential of few features, not yet fitted."""
    return ms.LinearPotential(Pairs(), prior_scales=SCALES, reference_energies={"Cu": -3.0}, **how)
