"""What a learned descriptor is asked when it is made: structures of two and three atoms, in less than a second."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError

# Differences relative to the largest feature: rounding of float32 is below the first; a model that is invariant up to
# rounding is below the second.
_ROUNDING, _TURNING = 1e-4, 1e-3
Describe = Callable[[Sequence[Atoms]], NDArray[Any]]
"""Returns one row per atom, structure after structure."""


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes
    ----------
    dtype : str
        Type of the rows.
    n_features : int
        Length of a row.
    turning : float
        Change of the rows of a turned structure, relative to the largest feature.
    refused : dict
        Reasons why structures cannot be described, by ``"partial"`` (periodic along some directions only) and
        ``"free"`` (along none).
    """

    dtype: str
    n_features: int
    turning: float
    refused: dict[str, str] = field(default_factory=dict)


def examine(name: str, describe: Describe, symbol: str, *, may_turn: bool = False) -> Examination:
    """Check a descriptor of a learned potential.

    Parameters
    ----------
    name : str
        Name of the descriptor, for messages.
    describe : callable
        Describes structures together, without further checks.
    symbol : str
        An element that it knows.
    may_turn : bool, default=False
        Whether features that turn with the structure were asked for, and are not told.

    Returns
    -------
    Examination
        What was found.

    Raises
    ------
    InvalidInputError
        It does not give one finite row for each atom, two calls differ, or structures described together get other
        rows than alone.

    Warns
    -----
    UserWarning
        Rows turn with the structure, or those of an isolated atom are zero.
    """
    crystal, molecule = example_crystal(symbol), _molecule(symbol)
    rows = describe([crystal])
    _check_rows(name, rows, crystal)
    if _difference(describe([crystal]), rows) > _ROUNDING:
        raise InvalidInputError(f"{name}: expected the same rows on a second call, got others")
    free_of_cell = _refusal(describe, molecule)
    other = crystal * (2, 1, 1) if free_of_cell else molecule
    alone = np.concatenate([rows, describe([other])])
    together = describe([crystal, other])
    if together.shape != alone.shape or _difference(together, alone) > _ROUNDING:
        raise InvalidInputError(
            f"{name}: expected the same rows for two structures together as for each alone, got a difference of "
            f"{100 * _difference(together, alone):.2f} %"
        )
    turning = max(
        _difference(describe([turned_by(atoms, random_rotations(2)[1])]), describe([atoms]))
        for atoms in (crystal, other)
    )
    if turning > _TURNING and not may_turn:
        warnings.warn(
            f"{name}: features turn with the structure, by {100 * turning:.1f} % of the largest for one rotation: "
            "equal structures in different orientations look different to a selection",
            stacklevel=3,
        )
    _tell_isolated(name, describe, symbol)
    return Examination(str(rows.dtype), rows.shape[1], turning, _refused(describe, crystal, rows, free_of_cell))


def _check_rows(name: str, rows: NDArray[Any], atoms: Atoms) -> None:
    if rows.ndim != 2 or len(rows) != len(atoms):
        raise InvalidInputError(f"{name}: expected {len(atoms)} rows, one per atom, got an array of shape {rows.shape}")
    if rows.dtype not in (np.float32, np.float64):
        raise InvalidInputError(f"{name}: expected rows of float32 or float64, got {rows.dtype}")
    if not np.isfinite(rows).all():
        raise InvalidInputError(f"{name}: expected finite rows, got NaN or infinity")


def _refused(describe: Describe, crystal: Atoms, rows: NDArray[Any], free_of_cell: str) -> dict[str, str]:
    """Tell what of the periodicity a model ignores, on a cell smaller than any cutoff."""
    slab, cluster = _with_pbc(crystal, (True, True, False)), _with_pbc(crystal, (False, False, False))
    advice = "leave vacuum and set pbc to True in all directions"
    if free_of_cell:
        free = f"the model fails on a structure without a cell ({free_of_cell}): put it into a box with pbc True"
    elif _difference(describe([cluster]), rows) <= _ROUNDING:
        free = f"the model takes it for periodic: {advice}"
    else:
        free = ""
    failure = _refusal(describe, slab)
    if failure:
        partial = f"the model fails on it ({failure}): {advice}"
    elif _difference(describe([slab]), rows) <= _ROUNDING:
        partial = f"the model takes it for periodic in all directions: {advice}"
    elif not _refusal(describe, cluster) and _difference(describe([slab]), describe([cluster])) <= _ROUNDING:
        partial = f"the model takes it for a cluster: {advice}"
    else:
        partial = ""
    return {kind: reason for kind, reason in (("partial", partial), ("free", free)) if reason}


def _tell_isolated(name: str, describe: Describe, symbol: str) -> None:
    atom = Atoms(symbol, cell=[30.0] * 3, pbc=True)
    if not _refusal(describe, atom) and not describe([atom]).any():
        warnings.warn(
            f"{name}: the features of an isolated atom are zeros, whatever its element: its score is 0",
            stacklevel=4,
        )


def _refusal(describe: Describe, atoms: Atoms) -> str:
    """Return the error of a structure that cannot be described, empty if it can be."""
    try:
        describe([atoms])
    except Exception as error:
        return f"{type(error).__name__}: {error}".strip()
    return ""


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the largest difference relative to the largest feature; infinity for other shapes."""
    if found.shape != expected.shape:
        return np.inf
    size = max(float(np.abs(expected).max(initial=0.0)), float(np.finfo(np.float32).tiny))
    return float(np.abs(found - expected).max(initial=0.0)) / size


def example_crystal(symbol: str) -> Atoms:
    """Make a cell of two atoms, distorted so that nothing vanishes by symmetry."""
    bond = 2 * covalent_radii[atomic_numbers[symbol]]
    edge = 2 * bond / np.sqrt(3)
    cell = edge * np.array([[1.05, 0.1, 0.0], [0.0, 0.97, 0.05], [0.02, 0.0, 1.0]])
    return Atoms(f"{symbol}2", scaled_positions=[[0.0, 0.0, 0.0], [0.48, 0.53, 0.51]], cell=cell, pbc=True)


def _molecule(symbol: str) -> Atoms:
    bond = 2 * covalent_radii[atomic_numbers[symbol]]
    return Atoms(f"{symbol}3", positions=bond * np.array([[0.0, 0.0, 0.0], [0.0, 0.1, 1.0], [0.4, 0.9, 1.3]]))


def random_rotations(count: int) -> NDArray[np.float64]:
    """Return rotations, always the same: first none, then uniform draws from all."""
    normal = np.random.default_rng(0).normal(size=(count, 3, 3))
    normal[0] = np.eye(3)
    turns, triangles = np.linalg.qr(normal)
    turns *= np.sign(np.einsum("kii->ki", triangles))[:, None, :]
    # A reflection in three dimensions is minus a rotation.
    found: NDArray[np.float64] = turns * np.linalg.det(turns)[:, None, None]
    return found


def turned_by(atoms: Atoms, rotation: NDArray[np.float64]) -> Atoms:
    """Turn a structure and its cell; `rotation` is applied to rows of positions from the right."""
    turned: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    if atoms.cell.rank:
        turned.set_cell(np.asarray(atoms.cell) @ rotation)  # type: ignore[no-untyped-call]
    turned.positions = atoms.positions @ rotation
    return turned


def _with_pbc(atoms: Atoms, pbc: tuple[bool, bool, bool]) -> Atoms:
    changed: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    changed.pbc = pbc
    return changed
