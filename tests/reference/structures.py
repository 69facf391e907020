"""Random structures for property tests, as simple as they can be."""

from __future__ import annotations

import numpy as np
from ase import Atoms


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
