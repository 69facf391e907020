"""Values that nobody computed: zeros that stand for a label that is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian, FixedLine, FixedPlane, FixScaled
from numpy.typing import NDArray

from mlipselect.io.frames import Frame
from mlipselect.io.notes import Notes
from mlipselect.labels.labels import Labels

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
    """Leave out energies that are zero in all of a file with forces; say it where all are another number."""
    energies = [known.energy for known in labels if known.energy is not None]
    if not energies or min(energies) < max(energies):
        return labels
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
    """Say it where all forces of a file are zero."""
    several = [(frame, known) for frame, known in zip(frames, labels, strict=True) if len(frame.atoms) > 1]
    forces = [known.forces for _, known in several if known.forces is not None]
    if len(forces) > 1 and not any(one.any() for one in forces):
        for frame, known in several:
            if known.forces is not None:
                _note(notes, frame, "all forces of the file are exactly 0, as if nobody had computed them")
    return labels


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
