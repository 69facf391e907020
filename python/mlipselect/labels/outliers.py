"""Labels far from those of all other structures, such as the numbers 0 and 9999 that stand for a missing one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlipselect.io.frame import Frame
from mlipselect.io.notes import Notes
from mlipselect.labels.labels import Labels

FEWEST = 8
"""Fewest structures that tell what is usual."""

FAR, SPREADS = 20.0, 30.0
"""Distance in eV per atom, and in spreads of the usual energies, from which on an energy is told."""

LARGEST_FORCE = 1000.0
"""Force in eV/Å from which on it is told: atoms on top of each other have less."""


def tell_outliers(frames: Sequence[Frame], labels: Sequence[Labels], notes: Notes) -> None:
    """Note energies and forces that nobody can have meant, in structures and in marked isolated atoms.

    The usual energy is the sum over the elements that most structures come close to: least absolute deviations of
    energies per atom. Its spread is the median of the deviations. The only structure of an unusual composition decides
    the energy of its elements, and is not noted.

    Parameters
    ----------
    frames : sequence of Frame
        The structures.
    labels : sequence of Labels
        Their labels, isolated atoms marked.
    notes : Notes
        Takes what is found.
    """
    energies = {place: known.energy for place, known in enumerate(labels) if known.energy is not None}
    bound = [place for place in energies if not labels[place].is_free_atom]
    _tell_energies([frames[place] for place in bound], np.array([energies[place] for place in bound]), notes)
    for place, energy in energies.items():
        if labels[place].is_free_atom and energy == 0.0 and any(energies[other] for other in bound):
            _note(
                notes, frames[place],
                f"the isolated atom of {frames[place].atoms.symbols[0]} has the energy 0, which is right only where "
                "the other energies are those beyond free atoms; --reference-energy gives another",
            )  # fmt: skip
    for frame, known in zip(frames, labels, strict=True):
        largest = 0.0 if known.forces is None else float(np.abs(known.forces).max(initial=0.0))
        if largest > LARGEST_FORCE:
            _note(notes, frame, f"a component of the forces is above {LARGEST_FORCE:g} eV/Å, as if it stood for none")


def _tell_energies(frames: Sequence[Frame], energies: NDArray[np.float64], notes: Notes) -> None:
    if len(frames) < FEWEST:
        return
    n_atoms = np.array([len(frame.atoms) for frame in frames])
    deviations = np.abs(_beyond_elements(frames, energies / n_atoms))
    spread = float(np.median(deviations)) / 0.6745
    for frame, energy, deviation in zip(frames, energies, deviations, strict=True):
        is_placeholder = energy == 0.0 or _is_all_nines(float(energy))
        if deviation > SPREADS * spread + (0.0 if is_placeholder else FAR):
            what = (
                f"the energy is {energy:g} eV, as if nobody had computed it"
                if is_placeholder
                else (f"the energy is more than {FAR:g} eV per atom from what structures of its elements have")
            )
            _note(notes, frame, what)


def _beyond_elements(frames: Sequence[Frame], energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much energies per atom deviate from the sum over elements with least absolute deviations."""
    elements = sorted({number for frame in frames for number in frame.atoms.numbers.tolist()})
    shares = np.array([[np.mean(frame.atoms.numbers == number) for number in elements] for frame in frames])
    weights = np.ones(len(frames))
    deviations = energies - np.median(energies)
    for _ in range(50):
        fit = np.linalg.lstsq(shares * weights[:, None], energies * weights, rcond=1e-8)[0]
        deviations = energies - shares @ fit
        size = np.abs(deviations)
        weights = 1.0 / np.sqrt(np.maximum(size, 1e-6 * size.max() + 1e-12))
    return np.asarray(deviations)


def _is_all_nines(number: float) -> bool:
    digits = f"{abs(number):.10g}".replace(".", "").rstrip("0")
    return len(digits) >= 3 and set(digits) == {"9"}


def _note(notes: Notes, frame: Frame, remark: str) -> None:
    notes.place = (frame.source or "", frame.index)
    notes.add(remark)
