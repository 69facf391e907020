"""Positions, momenta and cell of a structure as numbers that JSON keeps to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms

#: Arrays of a start that its frames keep; others, such as labels, hold for the start only.
KEPT_ARRAYS = ("numbers", "positions", "initial_magmoms", "initial_charges", "masses", "tags")


def bare(atoms: Atoms, *arrays: str) -> Atoms:
    """Copy a structure without what holds for its positions only: labels, results and momenta.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure.
    *arrays : str
        Names of further arrays to keep.

    Returns
    -------
    ase.Atoms
        Atoms, cell, periodicity, constraints, the ``config_type``, and arrays that belong to the atoms.
    """
    out: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    out.calc = None
    out.info = {key: value for key, value in atoms.info.items() if key == "config_type"}
    for name in [name for name in out.arrays if name not in (*KEPT_ARRAYS, *arrays)]:
        del out.arrays[name]
    return out


def geometry_of(atoms: Atoms) -> dict[str, Any]:
    """Return positions, momenta if there are any, and cell, ready for JSON."""
    kept = {"positions": atoms.positions.tolist(), "cell": atoms.cell.array.tolist()}
    return kept | ({"momenta": atoms.arrays["momenta"].tolist()} if "momenta" in atoms.arrays else {})


def with_geometry(atoms: Atoms, geometry: Mapping[str, Any]) -> Atoms:
    """Copy a structure, with the positions, momenta and cell that `geometry_of` returned."""
    out: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    out.calc = None
    out.cell[:] = np.array(geometry["cell"])
    out.positions[:] = np.array(geometry["positions"], dtype=np.float64).reshape(-1, 3)
    out.arrays.pop("momenta", None)
    if "momenta" in geometry:
        out.arrays["momenta"] = np.array(geometry["momenta"], dtype=np.float64).reshape(-1, 3)
    return out


def looked_at(atoms: Atoms, **told: int | float) -> Atoms:
    """Return a frame for the trajectory, with what is known of it in `info` under keys that begin with ``hal_``."""
    out: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    out.info |= {f"hal_{name}": value for name, value in told.items()}
    return out
