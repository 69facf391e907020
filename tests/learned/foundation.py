"""Structures for the tests of models that know most elements."""

from __future__ import annotations

import ase.build
import numpy as np
from ase import Atoms


def structures() -> list[Atoms]:
    """Crystals, an alloy, a slab, molecules in a box and free, isolated atoms; all a little out of order."""
    alloy = ase.build.bulk("Cu", cubic=True) * (2, 1, 1)
    alloy.symbols[::3] = "Ni"
    slab = ase.build.diamond111("Si", (1, 1, 3), a=5.43, vacuum=6.0)
    boxed = ase.build.molecule("CH3CH2OH", vacuum=6.0)
    boxed.pbc = True
    out = [
        ase.build.bulk("Si"),
        ase.build.bulk("Si", cubic=True),
        ase.build.bulk("NaCl", "rocksalt", a=5.6),
        alloy,
        slab,
        boxed,
        ase.build.molecule("CH3CH2OH"),
    ]
    for seed, atoms in enumerate(out):
        atoms.rattle(0.05, seed=seed)
    atom = Atoms("Si", cell=[20.0] * 3, pbc=True)
    pair = Atoms("Si2", positions=[[1.0, 1.0, 1.0], [1.0, 1.0, 13.0]], cell=[25.0] * 3, pbc=True)
    return [*out, atom, Atoms("Si"), pair, ase.build.bulk("Cu")]


def assert_physical(descriptor) -> None:
    """Check what holds for every right model: structures that are the same in other words have the same rows."""
    found = [descriptor.features(atoms) for atoms in structures()]
    size = max(np.abs(rows).max() for rows in found)

    def same(rows, others):
        np.testing.assert_allclose(rows, others, atol=1e-5 * size)

    # All together, in an order of its own, is each alone.
    same(descriptor.site_features(structures()[::-1]), np.concatenate(found[::-1]))
    # A slab with vacuum is periodic or not along it; a molecule is free or in a large box.
    slab = structures()[4]
    slab.pbc = True
    same(descriptor.features(slab), found[4])
    same(found[6], descriptor.features(_boxed(structures()[6])))
    # An isolated atom is one of a pair that is far apart.
    same(found[8], found[7])
    same(found[9], np.concatenate([found[7], found[7]]))
    # A supercell repeats the rows of its cell.
    for k in (0, 3, 10):
        same(descriptor.features(structures()[k] * (2, 1, 2)), np.tile(found[k], (4, 1)))
    # The two atoms of perfect silicon are equivalent.
    first, second = descriptor.features(ase.build.bulk("Si"))
    same(first, second)


def _boxed(atoms: Atoms) -> Atoms:
    boxed = atoms.copy()
    boxed.center(vacuum=8.0)
    boxed.pbc = True
    return boxed


def slope_along(descriptor, atoms: Atoms, w, direction, step: float) -> float:
    """Differentiate the weighted sum of features along a direction by differences of fourth order."""

    def total(h):
        moved = atoms.copy()
        moved.positions += h * direction
        return (descriptor.features(moved).astype(float) @ w).sum()

    return (8 * (total(step) - total(-step)) - (total(2 * step) - total(-2 * step))) / (12 * step)


def assert_differentiable(descriptor, places=(1, 3, 4, 6), step: float = 5e-3, rtol: float = 2e-3) -> None:
    """Compare `vjp` with differences along random directions; no force is left over on the whole structure."""
    for k in places:
        rng, atoms = np.random.default_rng(k), structures()[k]
        w, direction = rng.normal(size=descriptor.n_features), rng.normal(size=(len(atoms), 3))
        slope = slope_along(descriptor, atoms, w, direction, step)
        tolerance = rtol * np.linalg.norm(w)
        np.testing.assert_allclose((descriptor.vjp(atoms, w) * direction).sum(), slope, rtol=rtol, atol=tolerance)
        slopes = descriptor.vjps(atoms, rng.normal(size=(2, descriptor.n_features)))
        np.testing.assert_allclose(slopes.sum(axis=1), 0.0, atol=1e-4 * np.abs(slopes).max() * len(atoms))


def assert_leaves_no_trace(make) -> None:
    """Check that making a descriptor and describing with it moves no generator and no setting."""
    import random

    import torch

    def state():
        numbers = torch.rand(1).item(), np.random.rand(), random.random()  # noqa: NPY002
        return *numbers, torch.get_default_dtype(), torch.get_float32_matmul_precision()

    def seed():
        torch.manual_seed(3)
        np.random.seed(3)  # noqa: NPY002
        random.seed(3)

    seed()
    expected = state()
    seed()
    make().features(structures()[0])
    assert state() == expected
