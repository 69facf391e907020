"""Silicon structures built by ASE: bulk as a core, and slabs as a pool.

The pool is typical: many frames of one slab that hardly differ, and a few of each other kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk, surface

LATTICE_CONSTANT = 5.43
"""Lattice constant of diamond silicon, in Å."""


@dataclass(frozen=True)
class Slabs:
    """A series of slabs that differ only in strain and random displacements.

    Attributes
    ----------
    plane : tuple of int
        Miller indices of the surface.
    layers : int
        Thickness, in units of the lattice.
    repeat : tuple of int
        Repetitions along the surface.
    count : int
        Number of slabs.
    rattle : float
        Standard deviation of the displacements, in Å.
    strain : float
        Largest strain along the surface.
    snapshots : int
        Near-duplicates that follow each slab, as frames of a slow trajectory would.
    """

    plane: tuple[int, int, int]
    layers: int
    repeat: tuple[int, int]
    count: int
    rattle: float
    strain: float
    snapshots: int = 0


POOL = (
    Slabs((1, 0, 0), 2, (2, 2), 10, 0.05, 0.01, snapshots=6),
    Slabs((1, 0, 0), 3, (2, 1), 20, 0.08, 0.02),
    Slabs((1, 0, 0), 4, (1, 1), 14, 0.15, 0.04),
    Slabs((1, 1, 0), 2, (2, 1), 6, 0.05, 0.01, snapshots=3),
    Slabs((1, 1, 0), 3, (2, 2), 24, 0.10, 0.03),
    Slabs((1, 1, 1), 2, (2, 1), 6, 0.05, 0.01, snapshots=3),
    Slabs((1, 1, 1), 3, (1, 1), 24, 0.12, 0.03),
)
SNAPSHOT_RATTLE = 0.005
VACUUM = 8.0


def silicon_core(random_state: int = 0) -> list[Atoms]:
    """Build strained and rattled bulk diamond silicon.

    Parameters
    ----------
    random_state : int, default=0
        Seed of strains and displacements.

    Returns
    -------
    list of ase.Atoms
        Cells of 2, 8 and 16 atoms, 20 of each, marked ``config_type=bulk``.
    """
    rng = np.random.default_rng([random_state, 0])
    primitive, cubic = bulk("Si", a=LATTICE_CONSTANT), bulk("Si", a=LATTICE_CONSTANT, cubic=True)
    core = []
    for cell in (primitive, cubic, primitive * (2, 2, 2)):
        for _ in range(20):
            atoms = cell.copy()
            _deform(atoms, rng, strain=0.03, rattle=rng.uniform(0.01, 0.12))
            atoms.info["config_type"] = "bulk"
            core.append(atoms)
    return core


def silicon_pool(random_state: int = 0) -> list[Atoms]:
    """Build (100), (110) and (111) slabs of several sizes, strained and rattled, some of them near-duplicates.

    Parameters
    ----------
    random_state : int, default=0
        Seed of strains and displacements.

    Returns
    -------
    list of ase.Atoms
        About 200 slabs. Their ``config_type`` is ``surface_100``, ``surface_110`` or ``surface_111``, and
        ``near_duplicate`` says whether a slab is a snapshot of the one before it.
    """
    rng = np.random.default_rng([random_state, 1])
    cubic = bulk("Si", a=LATTICE_CONSTANT, cubic=True)
    pool = []
    for series in POOL:
        ideal = surface(cubic, series.plane, series.layers, vacuum=VACUUM, periodic=True)  # type: ignore[no-untyped-call]
        ideal *= (*series.repeat, 1)
        name = "surface_" + "".join(map(str, series.plane))
        for _ in range(series.count):
            slab = ideal.copy()
            _deform(slab, rng, series.strain, series.rattle, along_surface=True)
            slab.info = {"config_type": name, "near_duplicate": False}
            pool.append(slab)
            for _ in range(series.snapshots):
                snapshot = slab.copy()
                snapshot.positions += rng.normal(scale=SNAPSHOT_RATTLE, size=snapshot.positions.shape)
                snapshot.info["near_duplicate"] = True
                pool.append(snapshot)
    return pool


def _deform(
    atoms: Atoms, rng: np.random.Generator, strain: float, rattle: float, *, along_surface: bool = False
) -> None:
    """Apply a random symmetric strain, then random displacements."""
    tensor = rng.uniform(-strain, strain, size=(3, 3))
    tensor = (tensor + tensor.T) / 2
    if along_surface:
        tensor[2, :] = tensor[:, 2] = 0.0
    atoms.set_cell(np.asarray(atoms.cell) @ (np.eye(3) + tensor), scale_atoms=True)  # type: ignore[no-untyped-call]
    atoms.positions += rng.normal(scale=rattle, size=atoms.positions.shape)
