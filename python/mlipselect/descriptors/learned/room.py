"""Vacuum for packages that take every structure for periodic, or for a cluster if it is not."""

from __future__ import annotations

import numpy as np
from ase import Atoms


def with_room(atoms: Atoms, cutoff: float) -> Atoms:
    """Return a copy that is periodic in all directions, with so much vacuum where it was not that nothing changes.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure.
    cutoff : float
        Distance in Å beyond which atoms do not see each other.

    Returns
    -------
    ase.Atoms
        Atoms, cell and periodicity only. Positions are shifted along directions that are not periodic.
    """
    out = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    if not atoms.pbc.all():
        out.set_cell(atoms.cell.complete())  # type: ignore[no-untyped-call]
        out.center(vacuum=cutoff, axis=np.flatnonzero(~atoms.pbc))  # type: ignore[no-untyped-call]
        out.pbc = True
    return out
