"""The check of every structure before it is described."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect.exceptions import StructureError
from mlipselect.io.flat import FlatArrays
from mlipselect.io.frame import Frame, errors_name, flat_frames


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


def check_frames(frames: Sequence[Frame]) -> None:
    """Refuse frames that no descriptor can describe; see `check_structure`.

    Raises
    ------
    StructureError
        Names the file and the frame.
    """
    for k in np.flatnonzero(~_are_plainly_sound(flat_frames(frames))).tolist():
        with errors_name(frames[k]):
            check_structure(frames[k].atoms)


def _are_plainly_sound(flat: FlatArrays) -> NDArray[np.bool_]:
    """Tell most sound structures in a few operations: finite positions, and cell vectors that span a volume."""
    not_finite = np.concatenate([[0], np.cumsum(~np.isfinite(flat.positions).all(axis=1))])
    has_numbers = (flat.sizes > 0) & (np.diff(not_finite[flat.offsets]) == 0)
    with np.errstate(over="ignore", invalid="ignore"):
        volumes = np.einsum("si,si->s", flat.cells[:, 0], np.cross(flat.cells[:, 1], flat.cells[:, 2]))
        squares = (flat.cells**2).sum(axis=2).prod(axis=1)
        # The smallest singular value of three unit vectors is at least a third of the volume that they span.
        spans: NDArray[np.bool_] = has_numbers & np.isfinite(squares) & (volumes**2 > 1e-16 * squares)
    return spans
