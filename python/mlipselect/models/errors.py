"""Errors of a potential against labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from mlipselect.labels import LabelOptions, Labels, read_labels
from mlipselect.models.linear import LinearPotential


@dataclass(frozen=True)
class Errors:
    """Root mean square errors; NaN for a quantity without labels.

    Attributes
    ----------
    energy : float
        Error of energies, in eV per atom.
    forces : float
        Error of force components, in eV/Å.
    virial : float
        Error of virial components, in eV per atom.
    """

    energy: float
    forces: float
    virial: float


def prediction_errors(
    potential: LinearPotential, structures: Sequence[Atoms], labels: Sequence[Labels] | LabelOptions | None = None
) -> Errors:
    """Compare a potential with the labels of structures.

    Parameters
    ----------
    potential : LinearPotential
        The fitted potential.
    structures : sequence of ase.Atoms
        Structures; each is compared in the quantities that it has labels for. Those marked as isolated atoms are passed
        over.
    labels : sequence of Labels or LabelOptions, optional
        The labels, as `mlipselect.labels.read_labels` returns them, or the keys to read them under. By default keys are
        guessed.

    Raises
    ------
    InvalidInputError
        No labels, or missing or ambiguous keys.
    StructureError
        A structure that cannot be described, or a label that cannot be used.
    """
    if labels is None or isinstance(labels, LabelOptions):
        labels = read_labels(structures, labels)
    energies, forces, virials = [], [np.empty(0)], [np.empty(0)]
    for atoms, known, found in zip(structures, labels, potential.predictions(structures), strict=True):
        if known.is_free_atom:
            continue
        if known.energy is not None:
            energies.append((found.energy - known.energy) / len(atoms))
        if known.forces is not None:
            counted = slice(None) if known.forces_count is None else known.forces_count
            forces.append((found.forces - known.forces)[counted].ravel())
        if known.virial is not None:
            virials.append((found.virial - known.virial) / len(atoms))
    return Errors(*(_rms(values) for values in (np.array(energies), np.concatenate(forces), np.concatenate(virials))))


def _rms(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
