"""Random structures for tests, as simple as they can be."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk


def scattered(rng, n, symbols, *, spacing=1.9, cell=None, pbc=False):
    """Atoms near the points of a cubic lattice, so that no two are close."""
    side = int(np.ceil(n ** (1 / 3)))
    places = np.array(list(np.ndindex(side, side, side)))[:n] * spacing
    positions = places + rng.uniform(-0.25, 0.25, (n, 3)) * spacing
    return Atoms(rng.choice(symbols, n).tolist(), positions, cell=cell, pbc=pbc)


def rotation(rng):
    """Rotation or reflection, uniformly."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


def rattled(seed: int, repeat: int = 1, element: str = "Si") -> Atoms:
    """Make a distorted crystal with an energy, forces, and odd numbers everywhere."""
    rng = np.random.default_rng(seed)
    atoms = bulk(element, "diamond", a=5.4, cubic=True) * (repeat, 1, 1)
    atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
    atoms.info = {"config_type": f"kind_{seed % 3}", "dft_energy": float(rng.normal()), "step": seed}
    atoms.arrays["dft_force"] = rng.normal(size=(len(atoms), 3))
    return atoms
