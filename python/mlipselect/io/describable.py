"""The check of every structure before it is described."""

from __future__ import annotations

import math

import numpy as np
from ase import Atoms

from mlipselect.exceptions import StructureError


def check_structure(atoms: Atoms) -> None:
    """Refuse a structure that no descriptor can describe.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure.

    Raises
    ------
    StructureError
        No atoms; NaN or infinite positions or cell; periodic along a direction without a cell vector, or
        along vectors that are linearly dependent.
    """
    if _is_plainly_sound(atoms):
        return
    if len(atoms) == 0:
        raise StructureError("expected at least one atom, got an empty structure")
    finite = np.isfinite(atoms.positions)
    if not finite.all():
        atom = int(np.flatnonzero(~finite.all(axis=1))[0])
        raise StructureError(f"expected finite positions, got {atoms.positions[atom]} for atom {atom}")
    if not atoms.pbc.any():
        return
    periodic = np.asarray(atoms.cell)[atoms.pbc]
    if not np.isfinite(periodic).all():
        raise StructureError(f"expected finite cell vectors, got {periodic.tolist()}")
    lengths = np.linalg.norm(periodic, axis=1)
    directions = [name for name, is_periodic in zip("abc", atoms.pbc, strict=True) if is_periodic]
    if (lengths == 0.0).any():
        missing = ", ".join(name for name, length in zip(directions, lengths, strict=True) if length == 0.0)
        raise StructureError(f"pbc is set along {missing} but there is no cell vector; set a cell, or pbc to False")
    if np.linalg.matrix_rank(periodic / lengths[:, None], tol=1e-10) < len(periodic):
        raise StructureError(f"the periodic cell vectors {', '.join(directions)} are linearly dependent")


def _is_plainly_sound(atoms: Atoms) -> bool:
    """Tell most sound structures in a few operations: finite positions, and cell vectors that span a volume."""
    if len(atoms) == 0 or not math.isfinite(atoms.positions.sum()):
        return False
    (a, b, c), (d, e, f), (g, h, i) = atoms.cell.array.tolist()
    volume = a * (e * i - f * h) + b * (f * g - d * i) + c * (d * h - e * g)
    squares = (a * a + b * b + c * c) * (d * d + e * e + f * f) * (g * g + h * h + i * i)
    # The smallest singular value of three unit vectors is at least a third of the volume that they span.
    return math.isfinite(squares) and volume * volume > 1e-16 * squares
