"""Energies, forces and virials that structures carry, and the keys under which they are found."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError, StructureError

_LOGGER = logging.getLogger("mlipselect")

CALCULATOR = "calculator"
"""Key of the results of a calculator, where ASE puts ``energy``, ``forces`` and ``stress`` of a file."""

ABSENT = "none"
"""Key of labels that are not used."""


@dataclass(frozen=True)
class LabelKeys:
    """Keys of labels: of `Atoms.info` (energy, virial) and `Atoms.arrays` (forces), ``"calculator"`` or ``"none"``."""

    energy: str
    forces: str
    virial: str

    @classmethod
    def guess(
        cls,
        structures: Sequence[Atoms],
        energy: str | None = None,
        forces: str | None = None,
        virial: str | None = None,
    ) -> LabelKeys:
        """Find the keys that are not given, and log all keys.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            Structures with labels, not necessarily all of them.
        energy, forces, virial : str, optional
            Given keys.

        Raises
        ------
        InvalidInputError
            Several keys are possible, no structure has a given key, or there are no labels at all.
        """
        keys = cls(
            energy or _only("energy", _counts(structures, "info", "energy", ("energy",))),
            forces or _only("forces", _counts(structures, "arrays", "forces", ("force", "forces"))),
            virial or _only("virial", _counts(structures, "info", "stress", ("virial",))),
        )
        numbers = keys.count(structures)
        for name, given in (("energy", energy), ("forces", forces), ("virial", virial)):
            if given not in (None, ABSENT) and numbers[name] == 0:
                raise InvalidInputError(f"{name}_key: none of {len(structures)} structures has {given!r}")
        if not any(numbers.values()):
            raise InvalidInputError(f"expected energies, forces or virials, but {len(structures)} structures have none")
        _LOGGER.info(
            "labels of %d structures: %s",
            len(structures),
            ", ".join(f"{name} of {number} ({getattr(keys, name)})" for name, number in numbers.items()),
        )
        return keys

    def count(self, structures: Sequence[Atoms]) -> dict[str, int]:
        """Count the structures with an energy, with forces and with a virial.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            Structures with labels.

        Raises
        ------
        StructureError
            A label of the wrong shape, or one that is not finite.
        """
        found = [labels_of(atoms, self, index) for index, atoms in enumerate(structures)]
        return {
            "energy": sum(labels.energy is not None for labels in found),
            "forces": sum(labels.forces is not None for labels in found),
            "virial": sum(labels.virial is not None for labels in found),
        }


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
    """

    energy: float | None
    forces: NDArray[np.float64] | None
    virial: NDArray[np.float64] | None


def labels_of(atoms: Atoms, keys: LabelKeys, index: int | None = None) -> Labels:
    """Read the labels of a structure.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure.
    keys : LabelKeys
        Keys of the labels.
    index : int, optional
        Index of the structure, for messages.

    Raises
    ------
    StructureError
        A label of the wrong shape, or one that is not finite.
    """
    results = getattr(atoms.calc, "results", {})
    energy = results.get("energy") if keys.energy == CALCULATOR else atoms.info.get(keys.energy)
    forces = results.get("forces") if keys.forces == CALCULATOR else atoms.arrays.get(keys.forces)
    if keys.virial == CALCULATOR:
        stress = results.get("stress")
        virial = None if stress is None else -abs(atoms.cell.volume) * np.asarray(stress, dtype=float)
    else:
        virial = atoms.info.get(keys.virial)
    return Labels(
        energy=None if energy is None else float(_checked(energy, [()], keys.energy, index)),
        forces=None if forces is None else _checked(forces, [(len(atoms), 3)], keys.forces, index),
        virial=None if virial is None else _voigt(_checked(virial, [(6,), (9,), (3, 3)], keys.virial, index)),
    )


def _checked(value: Any, shapes: list[tuple[int, ...]], key: str, index: int | None) -> NDArray[np.float64]:
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise StructureError(f"{key}: expected numbers, got {value!r}", index) from None
    if array.shape not in shapes:
        expected = " or ".join(str(shape) for shape in shapes)
        raise StructureError(f"{key}: expected an array of shape {expected}, got {array.shape}", index)
    if not np.isfinite(array).all():
        raise StructureError(f"{key}: expected finite numbers", index)
    return array


def _voigt(virial: NDArray[np.float64]) -> NDArray[np.float64]:
    full = voigt_6_to_full_3x3_stress(virial) if virial.shape == (6,) else virial.reshape(3, 3)  # type: ignore[no-untyped-call]
    both = (full + full.T) / 2
    return np.array([both[0, 0], both[1, 1], both[2, 2], both[1, 2], both[0, 2], both[0, 1]])


def _counts(structures: Sequence[Atoms], where: str, result: str, endings: tuple[str, ...]) -> Counter[str]:
    """Count the structures that have each possible key of a label."""
    counts: Counter[str] = Counter()
    for atoms in structures:
        names = (str(name) for name in getattr(atoms, where))
        counts.update(name for name in names if name.lower().endswith(endings) and not name.startswith("mlipselect_"))
        counts.update([CALCULATOR] if result in getattr(atoms.calc, "results", {}) else [])
    return counts


def _only(name: str, counts: Counter[str]) -> str:
    if len(counts) > 1:
        raise InvalidInputError(
            f"{name}_key: expected it to be given, as several may be meant: "
            + ", ".join(f"{key} ({count} structures)" for key, count in sorted(counts.items()))
        )
    return next(iter(counts), ABSENT)
