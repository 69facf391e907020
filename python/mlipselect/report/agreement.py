"""Labels beside what a potential predicts, with the standard deviations that it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.special import ndtri  # type: ignore[import-untyped]

from mlipselect.exceptions import InvalidInputError
from mlipselect.labels import Labels, read_labels
from mlipselect.models import LinearPotential

#: Probabilities of the intervals that are counted.
PROBABILITIES = np.linspace(0.05, 0.95, 19)
UNITS = {"energy": "eV/atom", "forces": "eV/Å"}


@dataclass(frozen=True)
class Agreement:
    """Labels and predictions of one kind.

    Attributes
    ----------
    kind : str
        ``"energy"``, in eV per atom, or ``"forces"``, components in eV/Å.
    labels, predicted : ndarray of shape (n,)
        What the structures have, and what the potential says.
    deviations : ndarray of shape (n,)
        Standard deviation of the difference that the potential predicts, with noise, as it is calibrated.
    """

    kind: str
    labels: NDArray[np.float64]
    predicted: NDArray[np.float64]
    deviations: NDArray[np.float64]

    @property
    def rmse(self) -> float:
        """Root mean square of the differences."""
        return float(np.sqrt(np.mean((self.predicted - self.labels) ** 2)))

    @property
    def within(self) -> NDArray[np.float64]:
        """Fractions of the labels within the intervals of `PROBABILITIES`."""
        ratios = np.abs(self.predicted - self.labels) / self.deviations
        return np.array([float(np.mean(ratios <= ndtri(0.5 + p / 2.0))) for p in PROBABILITIES])


def agreement_of(
    potential: LinearPotential,
    structures: Sequence[Atoms],
    labels: Sequence[Labels] | None = None,
    kind: Literal["energy", "forces"] = "energy",
) -> Agreement:
    """Predict the labels of structures.

    Parameters
    ----------
    potential : LinearPotential
        The fitted potential.
    structures : sequence of ase.Atoms
        Labelled structures; isolated atoms are passed over.
    labels : sequence of Labels, optional
        Their labels, as `mlipselect.labels.read_labels` returns them, or guessed.
    kind : {"energy", "forces"}, default="energy"
        Which labels.

    Raises
    ------
    InvalidInputError
        No labels of that kind, or another kind.
    """
    if kind not in UNITS:
        raise InvalidInputError(f"kind: expected 'energy' or 'forces', got {kind!r}")
    known = read_labels(structures) if labels is None else labels
    parts: list[tuple[Any, Any, Any]] = []
    for atoms, own, found in zip(structures, known, potential.predictions(structures), strict=True):
        if own.is_free_atom or getattr(own, kind) is None:
            continue
        if kind == "energy":
            n = len(atoms)
            std = potential.energy_std(atoms, noise=True)
            parts.append(([own.energy / n], [found.energy / n], [std / n]))  # type: ignore[operator]
        else:
            counted = slice(None) if own.forces_count is None else own.forces_count
            spreads = potential.forces_std(atoms, noise=True)
            parts.append(tuple(np.asarray(a)[counted].ravel() for a in (own.forces, found.forces, spreads)))  # type: ignore[arg-type]
    if not parts:
        raise InvalidInputError(f"kind: expected structures with labels of the kind {kind}, got none")
    return Agreement(kind, *(np.concatenate(each) for each in zip(*parts, strict=True)))
