"""The check of every structure before it is described."""

from __future__ import annotations

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
