"""The labels of structures, read and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray

from mlipselect.labels.names import Kind

COUNTED = ("energy", "forces", "virial")
"""Labels of a structure, in the order of reports; a stress has become a virial."""

_PLURALS = {"energy": "energies", "forces": "forces", "virial": "virials"}


@dataclass(frozen=True)
class Labels:
    """Labels of one structure; None for a label that it does not have.

    Attributes
    ----------
    energy : float or None
        Total energy in eV.
    forces : ndarray of shape (n_atoms, 3) or None
        Forces in eV/Å.
    virial : ndarray of shape (6,) or None
        Minus the derivative of the energy by strain, in eV: xx, yy, zz, yz, xz, xy.
    forces_count : ndarray of bool of shape (n_atoms, 3) or None
        Components of the forces that were computed; None for all of them.
    is_free_atom : bool
        Whether the structure is marked as an isolated atom: its energy is a reference energy, and nothing is fitted to
        it.
    keys : dict of str
        The keys of its labels by what they are: ``"energy"``, ``"forces"``, ``"virial"``, or ``"stress"`` for a virial
        that was made of a stress.
    """

    energy: float | None = None
    forces: NDArray[np.float64] | None = None
    virial: NDArray[np.float64] | None = None
    forces_count: NDArray[np.bool_] | None = None
    is_free_atom: bool = False
    keys: dict[Kind, str] = field(default_factory=dict)

    @property
    def is_labelled(self) -> bool:
        """Whether something can be fitted to it: a label, and no mark of an isolated atom."""
        return not self.is_free_atom and any(getattr(self, kind) is not None for kind in COUNTED)


@dataclass(frozen=True)
class LabelSet(Sequence[Labels]):
    """The labels of a sequence of structures, and the keys under which they were found.

    Attributes
    ----------
    labels : list of Labels
        One for each structure.
    found : dict of Counter
        For ``"energy"``, ``"forces"`` and ``"virial"``: under which key how many structures had the label, those
        included whose label was left out.
    """

    labels: list[Labels]
    found: dict[str, Counter[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> Labels: ...
    @overload
    def __getitem__(self, index: slice) -> list[Labels]: ...
    def __getitem__(self, index: int | slice) -> Labels | list[Labels]:
        return self.labels[index]

    def __iter__(self) -> Iterator[Labels]:
        return iter(self.labels)

    def counts(self) -> dict[str, int]:
        """Count the structures with an energy, with forces and with a virial."""
        return {kind: sum(getattr(labels, kind) is not None for labels in self.labels) for kind in COUNTED}

    def summary(self) -> str:
        """Say how many structures have each label, and under which keys."""
        parts = []
        for kind, number in self.counts().items():
            keys = self.found.get(kind, Counter())
            names = [key if len(keys) == 1 else f"{key} of {n}" for key, n in keys.items()]
            parts.append(f"{_PLURALS[kind]} of {number}" + (f" ({', '.join(names)})" if names else ""))
        return ", ".join(parts)
