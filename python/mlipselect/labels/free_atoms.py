"""Energies of free atoms: from marked structures, from single atoms in large boxes, or from an average."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.geometry import minkowski_reduce

from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.frame import Frame
from mlipselect.io.frames import as_frames
from mlipselect.io.isolated import Isolated, is_spelling
from mlipselect.labels.labels import Labels
from mlipselect.utils.told import counted

_LOGGER = logging.getLogger("mlipselect")

LARGE_BOX = 10.0
"""Distance to its images, in Å, from which on a single atom without a mark is taken for a free one."""

CONTRADICTION = 1e-4
"""Difference, in eV, from which on two energies of one free atom contradict each other."""


def mark_free_atoms(frames: Sequence[Frame], labels: Sequence[Labels], marks: Sequence[Isolated]) -> list[Labels]:
    """Note in the labels which structures are marked as isolated atoms.

    Parameters
    ----------
    frames : sequence of Frame
        The structures.
    labels : sequence of Labels
        Their labels.
    marks : sequence of Isolated
        Marks besides ``config_type=isolated_atom`` and its spellings.

    Raises
    ------
    StructureError
        A structure of several atoms is marked.
    """
    return [
        replace(known, is_free_atom=True) if any(mark.matches(frame) for mark in (*marks, *_known(frame))) else known
        for frame, known in zip(frames, labels, strict=True)
    ]


def _known(frame: Frame) -> list[Isolated]:
    """Return the mark of the structure if it is a spelling of ``config_type=isolated_atom``."""
    value = str(frame.atoms.info.get("config_type", ""))
    return [Isolated("config_type", value)] if is_spelling(value) else []


def reference_energies(
    structures: Sequence[Atoms | Frame],
    labels: Sequence[Labels],
    given: Mapping[str, float],
    has_no_neighbours: Callable[[Atoms], bool],
    elements: Sequence[str] = (),
) -> dict[str, float]:
    """Find the energy of a free atom of each element.

    Parameters
    ----------
    structures : sequence of ase.Atoms or Frame
        Structures.
    labels : sequence of Labels
        Their labels.
    given : mapping of str to float
        Energies in eV that are taken whatever the structures say.
    has_no_neighbours : callable
        Tells whether a single atom has no neighbours, its images included.
    elements : sequence of str, optional
        Elements that may be given besides those of the structures.

    Returns
    -------
    dict of float
        Energies in eV: those given; for other elements those of structures that are marked as isolated atoms, then
        those of single atoms without neighbours whose images are 10 Å away or more; for the rest a least-squares fit
        to the energies per atom of the other structures.

    Raises
    ------
    InvalidInputError
        An energy is given for what is no element of the structures, or is not finite.
    StructureError
        Two marked atoms of one element have different energies.
    """
    frames = list(as_frames(structures))
    there = sorted({symbol for frame in frames for symbol in frame.atoms.symbols}, key=chemical_symbols.index)
    _check_given(given, {*there, *elements}, there)
    found = {symbol: float(energy) for symbol, energy in given.items()}
    marked = _marked(frames, labels)
    for place, _ in marked.values():
        if not has_no_neighbours(frames[place].atoms):
            _LOGGER.warning("%s: the isolated atom has its images as neighbours", frames[place].place)
    for symbol, (place, energy) in marked.items():
        if symbol in given and abs(energy - given[symbol]) > CONTRADICTION:
            _LOGGER.warning(
                "%s: the isolated atom of %s has %.10g eV, the given reference energy %.10g eV is taken",
                *(frames[place].place, symbol, energy, given[symbol]),
            )
        found.setdefault(symbol, energy)
    for symbol, energy in _in_large_boxes(frames, labels, set(found), has_no_neighbours).items():
        found.setdefault(symbol, energy)
    missing = [symbol for symbol in there if symbol not in found]
    if missing:
        found |= _averages(frames, labels, found, missing)
    return {symbol: found[symbol] for symbol in there}


def _check_given(given: Mapping[str, float], known: set[str], there: Sequence[str]) -> None:
    for symbol, energy in given.items():
        if symbol not in known:
            what = "the structures have" if symbol in chemical_symbols else "no element has this symbol; there are"
            raise InvalidInputError(
                f"reference energies: expected elements of the structures, got {symbol!r}: {what} {', '.join(there)}"
            )
        if not np.isfinite(energy):
            raise InvalidInputError(f"reference energies: expected a finite energy of {symbol}, got {energy}")


def _marked(frames: Sequence[Frame], labels: Sequence[Labels]) -> dict[str, tuple[int, float]]:
    """Return the place and the energy of the marked atom of each element."""
    found: dict[str, tuple[int, float]] = {}
    for place, (frame, known) in enumerate(zip(frames, labels, strict=True)):
        if not known.is_free_atom:
            continue
        symbol = frame.atoms.symbols[0]
        if known.energy is None:
            _LOGGER.warning("%s: the isolated atom of %s has no energy", frame.place, symbol)
            continue
        first, energy = found.setdefault(symbol, (place, known.energy))
        if abs(energy - known.energy) > CONTRADICTION:
            raise StructureError(
                f"it is an isolated atom of {symbol} of {known.energy:.10g} eV, that of {frames[first].place} has "
                f"{energy:.10g} eV: leave one out, or give the reference energy of {symbol}",
                frame.index,
                frame.source,
            )
    return found


def _in_large_boxes(
    frames: Sequence[Frame], labels: Sequence[Labels], known: set[str], has_no_neighbours: Callable[[Atoms], bool]
) -> dict[str, float]:
    """Return the energies of single atoms that are far from their images; of several that in the largest box."""
    atoms: dict[str, list[tuple[float, int, float]]] = {}
    expanded: list[int] = []
    for place, (frame, label) in enumerate(zip(frames, labels, strict=True)):
        symbol = frame.atoms.symbols[0] if len(frame.atoms) == 1 else None
        if symbol is None or symbol in known or label.energy is None or label.is_free_atom:
            continue
        distance = distance_of_images(frame.atoms)
        if distance >= LARGE_BOX and has_no_neighbours(frame.atoms):
            atoms.setdefault(symbol, []).append((distance, -place, label.energy))
        elif has_no_neighbours(frame.atoms):
            expanded.append(place)
    if expanded:
        is_one, first = len(expanded) == 1, frames[expanded[0]].place
        _LOGGER.warning(
            "%s without neighbours %s: %s; --isolated KEY=VALUE marks those that are",
            counted(len(expanded), "single atom"),
            f"{'is' if is_one else 'are'} closer than {LARGE_BOX:g} Å to {'its' if is_one else 'their'} images, "
            f"{first if is_one else f'such as {first}'}",
            "it is not taken for a free atom" if is_one else "they are not taken for free atoms",
        )
    for symbol, found in atoms.items():
        energies = [energy for _, _, energy in found]
        if max(energies) - min(energies) > CONTRADICTION:
            taken = max(found)
            _LOGGER.warning(
                "%d single atoms of %s have energies from %.10g to %.10g eV: that in the largest box is the reference "
                "energy, %.10g eV of %s",
                *(len(found), symbol, min(energies), max(energies), taken[2], frames[-taken[1]].place),
            )
    return {symbol: max(found)[2] for symbol, found in atoms.items()}


def distance_of_images(atoms: Atoms) -> float:
    """Return the distance of an atom to the nearest of its periodic images, in Å; infinite without them."""
    repeated = atoms.pbc & np.any(atoms.cell, axis=1)
    if not repeated.any():
        return float("inf")
    reduced = minkowski_reduce(np.asarray(atoms.cell), repeated)[0][repeated]  # type: ignore[no-untyped-call]
    return float(np.linalg.norm(reduced, axis=1).min())


def _averages(
    frames: Sequence[Frame], labels: Sequence[Labels], known: Mapping[str, float], missing: Sequence[str]
) -> dict[str, float]:
    """Fit the energies of the missing elements to the energies per atom of structures."""
    rows, targets = [], []
    for frame, label in zip(frames, labels, strict=True):
        if label.energy is not None and not label.is_free_atom:
            symbols = list(frame.atoms.symbols)
            rest = label.energy - sum(known[symbol] for symbol in symbols if symbol in known)
            rows.append([symbols.count(symbol) / len(symbols) for symbol in missing])
            targets.append(rest / len(symbols))
    if not rows:
        _LOGGER.info("reference energies of %s: 0, as there are no energies", ", ".join(missing))
        return dict.fromkeys(missing, 0.0)
    solution, _, rank, _ = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=1e-8)
    if rank < len(missing):
        _LOGGER.warning(
            "reference energies of %s are not determined, as the compositions do not vary enough: the smallest that "
            "fit are taken; --reference-energy SYMBOL=ENERGY gives others",
            ", ".join(missing),
        )
    else:
        _LOGGER.info("reference energies of %s: an average over all structures", ", ".join(missing))
    return dict(zip(missing, solution.tolist(), strict=True))
