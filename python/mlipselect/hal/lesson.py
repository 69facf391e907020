"""What a structure that is taken tells the posterior, before it is calculated."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.surrogate import Surrogate
from mlipselect.models.rows import KINDS

Update: TypeAlias = Literal["structure", "forces", "labels"]
"""What a pick adds to the posterior; see `lesson`."""


def settled_update(update: Update | None, surrogate: Surrogate) -> Update:
    """Return the update that a surrogate has by default: that of its labels if it has a potential.

    Raises
    ------
    InvalidInputError
        Labels without a potential, whose noises are not known, or forces without `design`.
    """
    if update is None:
        return "structure" if surrogate.potential is None else "labels"
    if update not in ("structure", "forces", "labels"):
        raise InvalidInputError(f"update: expected 'structure', 'forces' or 'labels', got {update!r}")
    if update == "labels" and surrogate.potential is None:
        raise InvalidInputError(
            "update: 'labels' needs the noises of a fitted LinearPotential: take one as the base, or update='forces'"
        )
    return update


def lesson(surrogate: Surrogate, atoms: Atoms, row: NDArray[np.float64], update: Update) -> NDArray[np.float64]:
    """Return the rows that a structure adds to the posterior.

    Parameters
    ----------
    surrogate : Surrogate
        The surrogate.
    atoms : ase.Atoms
        The structure.
    row : ndarray of shape (d,)
        The row of its energy per atom.
    update : {"structure", "forces", "labels"}
        Its energy per atom; that and its forces, as the updates of `BayesianSelector`; or all labels that the potential
        was fitted to, each with its noise, as the next fit will have them.

    Returns
    -------
    ndarray of shape (m, d)
        Rows in units of the noise of the posterior.
    """
    if update == "structure":
        return row[None]
    design = surrogate.design(atoms)
    if update == "forces" or surrogate.potential is None:
        return np.ascontiguousarray(np.concatenate([row[None], design.forces]))
    noise = surrogate.potential.noises_of(atoms)
    root = len(atoms) ** 0.5
    blocks = {"energy": design.energy[None] / root, "forces": design.forces, "virial": design.virial / root}
    # The posterior of a potential has the noise of its first kind of label.
    unit = surrogate.posterior.noise_precision**-0.5
    kinds = [kind for kind in KINDS if kind in noise and (kind != "virial" or atoms.cell.rank == 3)]
    return np.ascontiguousarray(np.concatenate([blocks[kind] * (unit / noise[kind]) for kind in kinds]))
