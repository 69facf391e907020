"""Values that nobody computed: zeros that stand for a label that is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian, FixedLine, FixedPlane, FixScaled
from numpy.typing import NDArray

from mlipselect._core import neighbor_list
from mlipselect.io.frame import Frame
from mlipselect.io.notes import Notes
from mlipselect.labels.labels import Labels

SYMMETRIC = 1e-3
"""Largest sum of directions to neighbours that counts as none, as positions are rounded."""

_HOLDING = (FixAtoms, FixCartesian, FixedLine, FixedPlane, FixScaled)


def leave_out_placeholders(frames: Sequence[Frame], labels: Sequence[Labels], notes: Notes) -> list[Labels]:
    """Leave out zeros that stand for labels which are missing.

    Each file is judged by itself, as one program wrote it.

    Parameters
    ----------
    frames : sequence of Frame
        The structures.
    labels : sequence of Labels
        Their labels.
    notes : Notes
        Takes what is left out.
    """
    files: dict[str | None, list[int]] = {}
    for index, frame in enumerate(frames):
        files.setdefault(frame.source, []).append(index)
    out = list(labels)
    for members in files.values():
        inside = [frames[index] for index in members]
        kept = [out[index] for index in members]
        for leave_out in (_zero_energies, _zero_virials, _forces_of_held_atoms, _zero_forces):
            kept = leave_out(inside, kept, notes)
        for index, known in zip(members, kept, strict=True):
            out[index] = known
    return out


def _zero_energies(frames: Sequence[Frame], labels: list[Labels], notes: Notes) -> list[Labels]:
    """Leave out energies of exactly zero beside forces; say it where all of a file are another number."""
    energies = [known.energy for known in labels if known.energy is not None]
    if not energies:
        return labels
    if min(energies) < max(energies):
        return [_without_zero_energy(frame, known, notes) for frame, known in zip(frames, labels, strict=True)]
    if energies[0] == 0.0 and any(_is_nonzero(known.forces) for known in labels):
        for frame, known in zip(frames, labels, strict=True):
            if known.energy is not None:
                _note(notes, frame, "the energy was left out, as it is exactly 0 beside forces in all of the file")
        return [replace(known, energy=None) for known in labels]
    if len(energies) > 1 and any(_differ(frames[0].atoms, frame.atoms) for frame in frames[1:]):
        for frame in frames:
            _note(
                notes,
                frame,
                f"the energy is exactly {energies[0]:.10g} in all of the file, as if nobody had computed it",
            )
    return labels


def _without_zero_energy(frame: Frame, known: Labels, notes: Notes) -> Labels:
    """Leave out an energy of exactly zero beside forces, where other structures of the file have other energies."""
    if known.energy != 0.0 or not _is_nonzero(known.forces):
        return known
    _note(notes, frame, "the energy was left out, as it is exactly 0 beside forces")
    return replace(known, energy=None)


def _zero_virials(frames: Sequence[Frame], labels: list[Labels], notes: Notes) -> list[Labels]:
    """Leave out virials of exactly zero beside forces, or in all of a file with forces or several structures."""
    virials = [known.virial for known in labels if known.virial is not None]
    has_none = not any(virial.any() for virial in virials)
    all_are_out = has_none and (len(virials) > 1 or any(_is_nonzero(known.forces) for known in labels))
    out = []
    for frame, known in zip(frames, labels, strict=True):
        is_zero = known.virial is not None and not known.virial.any()
        if is_zero and (all_are_out or _is_nonzero(known.forces)):
            _note(notes, frame, "a virial or stress was left out, as it is exactly 0")
            known = replace(known, virial=None)
        out.append(known)
    return out


def _forces_of_held_atoms(frames: Sequence[Frame], labels: list[Labels], notes: Notes) -> list[Labels]:
    """Leave out forces of exactly zero on held atoms, unless other held atoms of the file have forces."""
    held = [
        held_components(frame.atoms) if frame.atoms.constraints and known.forces is not None else None
        for frame, known in zip(frames, labels, strict=True)
    ]
    pairs = [(known.forces, fixed) for known, fixed in zip(labels, held, strict=True)]
    if any(forces is not None and fixed is not None and forces[fixed].any() for forces, fixed in pairs):
        return labels
    out = []
    for frame, known, fixed in zip(frames, labels, held, strict=True):
        if fixed is not None and fixed.any():
            _note(notes, frame, "forces of atoms held by constraints were left out, as they are exactly 0")
            known = replace(known, forces_count=~fixed)
        out.append(known)
    return out


def _zero_forces(frames: Sequence[Frame], labels: list[Labels], notes: Notes) -> list[Labels]:
    """Leave out forces that are all exactly zero among others; say it where all forces of a file are zero."""
    several = [(frame, known) for frame, known in zip(frames, labels, strict=True) if len(frame.atoms) > 1]
    forces = [known.forces for _, known in several if known.forces is not None]
    if not any(one.any() for one in forces):
        for frame, known in several if len(forces) > 1 else ():
            if known.forces is not None:
                _note(notes, frame, "all forces of the file are exactly 0, as if nobody had computed them")
        return labels
    out = []
    for frame, known in zip(frames, labels, strict=True):
        is_zero = known.forces is not None and not known.forces.any()
        counted = known.forces_count is None or bool(known.forces_count.any())
        if is_zero and counted and not forces_vanish_by_symmetry(frame.atoms):
            _note(notes, frame, "the forces were left out, as all are exactly 0 and the symmetry does not make them so")
            known = replace(known, forces=None, forces_count=None)
        out.append(known)
    return out


def forces_vanish_by_symmetry(atoms: Atoms, cutoff: float = 6.0) -> bool:
    """Tell whether the neighbours of each atom pull it equally in all directions, whatever the pair potential.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure.
    cutoff : float
        Distance in Å up to which atoms are neighbours.
    """
    a, b, c = map(bool, atoms.pbc)
    i, j, shifts = neighbor_list(atoms.positions, atoms.cell.array, (a, b, c), cutoff)
    vectors = atoms.positions[j] - atoms.positions[i] + shifts @ atoms.cell.array
    distances = np.linalg.norm(vectors, axis=1, keepdims=True)
    smooth = (1.0 - distances / cutoff) ** 2
    for power in (0.0, 1.0, 2.0):
        # Elements pull differently.
        pulls = smooth * vectors / distances ** (power + 1.0) * np.sqrt(atoms.numbers[j])[:, None]
        sums = np.zeros((len(atoms), 3))
        np.add.at(sums, i, pulls)
        if np.abs(sums).max(initial=0.0) > SYMMETRIC:
            return False
    return True


def held_components(atoms: Atoms) -> NDArray[np.bool_]:
    """Mark the Cartesian components of forces that constraints set to zero, shape (n_atoms, 3)."""
    forces = np.random.default_rng(0).uniform(1.0, 2.0, size=(len(atoms), 3))
    for constraint in atoms.constraints:
        if isinstance(constraint, _HOLDING):
            constraint.adjust_forces(atoms, forces)
    return np.abs(forces) < 1e-12


def _note(notes: Notes, frame: Frame, remark: str) -> None:
    notes.place = (frame.source or "", frame.index)
    notes.add(remark)


def _is_nonzero(forces: NDArray[np.float64] | None) -> bool:
    return forces is not None and bool(forces.any())


def _differ(first: Atoms, second: Atoms) -> bool:
    return len(first) != len(second) or bool(
        (first.numbers != second.numbers).any()
        or (first.positions != second.positions).any()
        or (np.asarray(first.cell) != np.asarray(second.cell)).any()
    )
