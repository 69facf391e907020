"""Relaxed surface energies of silicon with any calculator."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np
from ase import Atoms
from ase.lattice.cubic import Diamond
from ase.optimize.precon import PreconLBFGS
from ase.units import J, m

LATTICE_CONSTANT = 5.46
REPEATS = 10
VACUUM = 10.0
FMAX, MAX_STEPS = 3e-3, 100

#: Cell directions of one surface unit, in which no reconstruction fits. The last one is the normal.
DIRECTIONS = {
    "100": [[1, -1, 0], [1, 1, 0], [0, 0, 1]],
    "111": [[1, -1, 0], [0, 1, -1], [1, 1, 1]],
}


def bulk_cell(plane: str) -> Atoms:
    """Build the crystal with a surface plane normal to its last cell vector, cut at the widest gap between layers.

    Parameters
    ----------
    plane : {"100", "111"}
        The plane.

    Returns
    -------
    ase.Atoms
        Ten repeats of the lattice along the normal, one surface unit across. The (111) plane is cut between the widely
        spaced double layers, through one bond per atom.
    """
    atoms: Atoms = Diamond("Si", DIRECTIONS[plane], size=(1, 1, REPEATS), latticeconstant=LATTICE_CONSTANT)
    height = atoms.cell[2, 2]
    layers = np.unique(np.round(atoms.positions[:, 2] % height, 6))
    gaps = np.diff(np.append(layers, layers[0] + height))
    # Half way into the first of the widest gaps.
    cut = layers[int(np.argmax(gaps > gaps.max() - 1e-4))] + gaps.max() / 2
    atoms.positions[:, 2] = (atoms.positions[:, 2] - cut) % height
    return atoms


def surface_energy(plane: str, calculator: Any) -> float:
    """Compute the surface energy: the energy of a relaxed slab less that of the bulk, per area of its two surfaces.

    Parameters
    ----------
    plane : {"100", "111"}
        The plane.
    calculator : ase.calculators.calculator.Calculator
        Calculator of energies and forces.

    Returns
    -------
    float
        Surface energy in J/m^2; NaN if the relaxation does not converge.
    """
    bulk = bulk_cell(plane)
    slab: Atoms = bulk.copy()  # type: ignore[no-untyped-call]
    slab.cell[2, 2] += VACUUM
    bulk.calc = slab.calc = calculator
    before = bulk.get_potential_energy()  # type: ignore[no-untyped-call]
    # A preconditioner gains nothing in cells as small as these.
    optimizer = PreconLBFGS(slab, precon=None, logfile=None)  # type: ignore[no-untyped-call]
    # With a poor potential the relaxation fails, and the line search warns at every step.
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore", UserWarning)
        if not optimizer.run(fmax=FMAX, steps=MAX_STEPS):  # type: ignore[no-untyped-call]
            return float("nan")
    area = np.linalg.norm(np.cross(slab.cell[0], slab.cell[1]))
    return float((slab.get_potential_energy() - before) / (2.0 * area) / (J / m**2))  # type: ignore[no-untyped-call]
