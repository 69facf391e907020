"""Read the labels of a set of structures: choose them, check them, leave out what nobody computed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from ase import Atoms

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.frame import Frame
from mlipselect.io.frames import as_frames
from mlipselect.io.notes import Notes
from mlipselect.labels.choice import Choice, Chosen, same_values
from mlipselect.labels.convergence import unconverged
from mlipselect.labels.free_atoms import mark_free_atoms
from mlipselect.labels.labels import COUNTED, Labels, LabelSet
from mlipselect.labels.names import Kind
from mlipselect.labels.options import LabelOptions
from mlipselect.labels.outliers import tell_outliers
from mlipselect.labels.placeholders import leave_out_placeholders
from mlipselect.labels.values import Array, Candidate, Labelled, has_volume
from mlipselect.utils.told import counted

_LOGGER = logging.getLogger("mlipselect")


class NoLabelsError(InvalidInputError):
    """No structure has a label.

    Parameters
    ----------
    problem : str
        What was expected and what was given.
    unused : str
        Keys that look like labels and are none that can be guessed.
    """

    def __init__(self, problem: str, unused: str):
        super().__init__(problem)
        self.unused = unused


def read_labels(structures: Iterable[Atoms | Frame], options: LabelOptions | None = None, data: str = "") -> LabelSet:
    """Read the labels of structures.

    Parameters
    ----------
    structures : iterable of ase.Atoms or Frame
        Structures with energies, forces, virials or stresses, each with some of them. They are one set: what its labels
        are called, and which of them are placeholders, is decided from all of them.
    options : LabelOptions, optional
        Keys of the labels and what else can be chosen. By default all keys are guessed.
    data : str, optional
        Name of the set for messages, such as ``"test"``.

    Returns
    -------
    LabelSet
        The labels, one for each structure.

    Raises
    ------
    InvalidInputError
        No labels, given keys that no structure has, or guesses that are ambiguous.
    StructureError
        A label that is not finite, no number, of the wrong shape, in an unknown unit, or older than the positions; a
        virial and a stress that disagree.

    Notes
    -----
    Keys are guessed from their words. One word is the label: ``energy``, ``free_energy``, ``total_energy`` or
    ``potential_energy``; ``force`` or ``forces``; ``virial`` or ``virials``; ``stress``. The other words are the mark
    of a method, before or after it: ``dft_energy``, ``forces_REF``. All guesses for a structure have the same mark. It
    is a known one, such as ``dft``, ``ref`` or ``pbe``, or none, or one that two different labels share. Words such as
    ``formation``, ``kinetic`` or ``per_atom`` make another quantity, which is never taken. Units in the key or beside
    it (``stress_GPa``, ``energy-unit=Hartree``) are converted. Three columns ``fx``, ``fy`` and ``fz`` are forces, with
    the key ``"fx fy fz"``.

    What is left out, with a warning that counts it: labels of NaN alone, virials and stresses of structures that are
    not periodic in three directions, stresses of exactly zero beside forces, energies of exactly zero beside forces
    where others are none or all are zero, forces of exactly zero of atoms that are held in place, forces that are all
    exactly zero in a structure whose symmetry does not make them so, and all labels of structures whose electronic
    steps did not converge. Energies and forces far from all others are told and used.
    """
    options = options or LabelOptions()
    frames = list(as_frames(structures))
    found = [Labelled(frame) for frame in frames]
    choice, notes = Choice(found, options, data), Notes()
    names: dict[str, Counter[str]] = {kind: Counter() for kind in COUNTED}
    labels = []
    for structure, chosen in zip(found, choice.chosen, strict=True):
        labels.append(_labels(structure, chosen, notes))
        for kind, values in chosen.items():
            if kind != "stress":
                names[kind][values[0].name.key] += 1
            elif "virial" not in chosen:
                names["virial"][values[0].name.key] += 1
    _compare_free_energies(found, choice.chosen, data)
    labels = leave_out_placeholders(frames, labels, notes)
    if options.unconverged == "drop":
        labels = [Labels() if out else known for out, known in zip(unconverged(frames, notes), labels, strict=True)]
    marks = options.marks()
    labels = mark_free_atoms(frames, labels, marks)
    tell_outliers(frames, labels, notes)
    labelled = LabelSet(labels, names)
    if not data:
        for mark in marks:
            if not any(mark.matches(frame) for frame in frames):
                _LOGGER.warning("no structure has %s=%s: it marks no isolated atom", mark.key, mark.value)
    _say(labelled, choice, notes, options, data)
    return labelled


def _labels(structure: Labelled, chosen: Chosen, notes: Notes) -> Labels:
    """Read the labels of one structure."""
    notes.place = (structure.frame.source or "", structure.frame.index)
    values: dict[Kind, Array] = {}
    for kind, candidates in chosen.items():
        read = [(candidate, structure.read(candidate)) for candidate in candidates]
        for candidate, value in read[1:]:
            if not same_values(value, read[0][1]):
                both = " and ".join(f"{one.place}[{one.name.key!r}]" for one in (read[0][0], candidate))
                raise structure.error(f"{both} are two different values of its {kind}: give {kind}_key (--{kind}-key)")
        if read[0][1] is None:
            notes.add(f"{read[0][0].name.key} is NaN and was left out")
        else:
            values[kind] = read[0][1]
    if {"virial", "stress"} & values.keys() and not has_volume(structure.frame):
        notes.add("a virial or stress was left out, as the structure is not periodic in three directions")
        values = {kind: value for kind, value in values.items() if kind in ("energy", "forces")}
    keys = {kind: chosen[kind][0].name.key for kind in values if kind != "stress" or "virial" not in values}
    if "stress" in values:
        volume = float(structure.frame.atoms.get_volume())  # type: ignore[no-untyped-call]
        of_stress = -volume * values.pop("stress")
        if "virial" in values:
            _check_agreement(structure, chosen, values["virial"], of_stress, 1e-5 + 1e-6 * volume)
        values.setdefault("virial", of_stress)
    energy = values.get("energy")
    return Labels(None if energy is None else float(energy), values.get("forces"), values.get("virial"), keys=keys)


def _check_agreement(structure: Labelled, chosen: Chosen, virial: Array, of_stress: Array, rounding: float) -> None:
    """Refuse a virial and a stress of one structure that differ by more than 0.1 % and a rounding in eV."""
    if np.allclose(virial, of_stress, rtol=0.0, atol=rounding + 1e-3 * float(np.abs(virial).max())):
        return
    virial_key, stress_key = chosen["virial"][0].name.key, chosen["stress"][0].name.key
    raise structure.error(
        f"{virial_key} and {stress_key} disagree: minus {stress_key} times the volume is {_told(of_stress)} eV, "
        f"{virial_key} is {_told(virial)} eV: give --virial-key {virial_key} or --stress-key {stress_key}"
    )


def _told(values: Array) -> str:
    return "[" + " ".join(f"{value:.4g}" for value in values) + "]"


def _compare_free_energies(found: Sequence[Labelled], chosen: Sequence[Chosen], data: str) -> None:
    """Say which energy was taken where energies and free energies differ."""
    largest, count, names = 0.0, 0, ("", "")
    for structure, values in zip(found, chosen, strict=True):
        for taken in values.get("energy", [])[:1]:
            other = _other_energy(structure, taken)
            first, second = structure.read(taken), None if other is None else structure.read(other)
            if first is not None and second is not None and not same_values(first, second):
                count += 1
                largest = max(largest, abs(float(first - second)) / len(structure.frame.atoms))
                names = (taken.name.key, other.name.key)  # type: ignore[union-attr]
    if count:
        prefix = f"{data}: " if data else ""
        _LOGGER.warning(
            "%s%s of %d structures differs from %s, by up to %.3g eV an atom: %s was taken; forces are derivatives of "
            "the free energy (--energy-key %s takes the other)",
            *(prefix, names[0], count, names[1], largest, names[0], names[1]),
        )


def _other_energy(structure: Labelled, taken: Candidate) -> Candidate | None:
    """Return the free energy beside an energy of the same method, or the energy beside a free energy."""
    if taken.name.total not in ("", "free"):
        return None
    other = "" if taken.name.total else "free"
    names = (one for one in structure.candidates if one.name.kind == "energy" and one.name.is_label)
    return next((one for one in names if (one.name.mark, one.name.total) == (taken.name.mark, other)), None)


def _say(labelled: LabelSet, choice: Choice, notes: Notes, options: LabelOptions, data: str) -> None:
    """Log what was found, what was left out and what was not used; refuse a set without labels."""
    notes.tell()
    prefix = f"{data}: " if data else ""
    unused = ", ".join(f"{key} ({counted(count, 'structure')})" for key, count in choice.unused.items())
    if unused and any(labelled.counts().values()):
        _LOGGER.warning(
            "%snot used, though they look like labels: %s; --energy-key, --forces-key, --virial-key and --stress-key "
            "name what is meant",
            *(prefix, unused),
        )
    if not any(labelled.counts().values()):
        hint = f"; these look like labels, and can be named with `energy_key` and so on: {unused}"
        among = counted(len(labelled), "structure")
        have = "has" if len(labelled) == 1 else "have"
        raise NoLabelsError(
            f"{prefix}expected {_asked_for(options)}, but {among} {have} none{hint if unused else ''}", unused
        )
    _LOGGER.info("%slabels of %d structures: %s", prefix, len(labelled), labelled.summary())


def _asked_for(options: LabelOptions) -> str:
    """Name the labels that are not left out by their keys."""
    kinds: dict[str, tuple[Kind, ...]] = {
        "energies": ("energy",),
        "forces": ("forces",),
        "virials": ("virial", "stress"),
    }
    asked = [name for name, keys in kinds.items() if any(options.keys(kind) != () for kind in keys)]
    return " or ".join([", ".join(asked[:-1]), asked[-1]] if len(asked) > 1 else asked or ["labels"])
