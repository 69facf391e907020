"""Which values of structures are their labels: those under given keys, else those that belong to one method."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from mlipselect.exceptions import InvalidInputError
from mlipselect.labels.names import (
    KINDS,
    RESULTS,
    Kind,
    Name,
    resembles_atomic_energies,
    resembles_atomic_stresses,
    resembles_energy,
    resembles_forces,
    resembles_pressure,
    understand,
)
from mlipselect.labels.options import CALCULATOR, LabelOptions
from mlipselect.labels.values import Candidate, Labelled
from mlipselect.utils.as_array import as_array
from mlipselect.utils.told import counted

_LOGGER = logging.getLogger("mlipselect")

Chosen: TypeAlias = dict[Kind, list[Candidate]]
"""The values of each label; several values of one label must agree."""


class Choice:
    """Choose the labels of each of a set of structures.

    Given keys are taken as they are. For other labels the words of a key beside ``energy``, ``forces``, ``virial`` and
    ``stress`` are the mark of a method, such as ``dft`` in ``dft_energy`` and ``forces_dft``. All labels of a structure
    have one mark: that of the given keys, or the only one there is. Marks count that are known names of methods, and
    other words that two different labels share. Structures of one set may have different marks.

    Parameters
    ----------
    structures : sequence of Labelled
        The structures.
    options : LabelOptions
        The given keys.
    data : str, optional
        Name of the set for messages.

    Attributes
    ----------
    unused : Counter of str
        Keys that look like labels and are not used, with the number of structures.
    """

    def __init__(self, structures: Sequence[Labelled], options: LabelOptions, data: str = ""):
        self._prefix = f"{data}: " if data else ""
        self._given = {kind: options.keys(kind) for kind in KINDS}
        self._marks = _acceptable_marks(structures)
        self._marks_of_methods = {
            one.name.mark for each in structures for one in each.candidates if one.name.kind in ("energy", "forces")
        }
        self._free_energies = _only_free_energies_are_everywhere(structures)
        self.unused: Counter[str] = Counter()
        self._conflicts: dict[Kind, Counter[str]] = {kind: Counter() for kind in KINDS}
        self.chosen = [self._choose(structure) for structure in structures]
        self._check_conflicts()
        self._check_given(structures)

    def _choose(self, structure: Labelled) -> Chosen:
        chosen: Chosen = {}
        for kind, keys in self._given.items():
            chosen |= {kind: found} if (found := _given(structure, kind, keys)) else {}
        if "stress" not in chosen and self._given["virial"] is not None and CALCULATOR in self._given["virial"]:
            chosen |= {"stress": found} if (found := _given(structure, "stress", (CALCULATOR,))) else {}
        chosen |= self._guess(structure, chosen)
        self._count_unused(structure, chosen)
        return chosen

    def _guess(self, structure: Labelled, chosen: Chosen) -> Chosen:
        """Guess the labels for which no key is given."""
        wanted = {kind for kind, keys in self._given.items() if keys is None}
        if chosen.keys() & {"virial", "stress"}:
            wanted -= {"virial", "stress"}
        allowed = self._allowed_marks(chosen)
        by_mark: dict[str, Chosen] = {}
        for candidate in structure.candidates:
            name = candidate.name
            if name.is_label and name.kind in wanted and name.mark in self._marks & (allowed or self._marks):
                by_mark.setdefault(name.mark, {}).setdefault(name.kind, []).append(candidate)
        for values in by_mark.values():
            if "energy" in values:
                values["energy"] = self._energies(structure, values["energy"])
        if len(by_mark) <= 1:
            return next(iter(by_mark.values()), {})
        methods = sorted(by_mark.values(), key=len, reverse=True)
        if not all(_agree(structure, first, second) for first, second in combinations(methods, 2)):
            for kind in KINDS:
                keys = {candidate.name.key for method in methods for candidate in method.get(kind, [])}
                self._conflicts[kind].update(keys)
        merged: Chosen = {}
        for method in methods:
            for kind, candidates in method.items():
                merged.setdefault(kind, []).extend(candidates)
        return merged

    def _allowed_marks(self, chosen: Chosen) -> set[str] | None:
        """Return the marks that go with the given keys; None where these say nothing."""
        keys = [candidate.name.key for values in chosen.values() for candidate in values]
        keys = keys or [key for given in self._given.values() for key in given or ()]
        names = [name for key in keys if (name := understand("energy" if key == CALCULATOR else key)) is not None]
        return {
            name.mark
            for name in names
            if name.is_label and (name.kind in ("energy", "forces") or name.mark in self._marks_of_methods)
        } or None

    def _energies(self, structure: Labelled, candidates: list[Candidate]) -> list[Candidate]:
        """Choose among the energies of one method: the energy, the free energy, the potential energy or the total."""
        order = ["free", ""] if self._free_energies else ["", "free"]
        totals = {candidate.name.total for candidate in candidates}
        for total in order:
            if total in totals:
                return [candidate for candidate in candidates if candidate.name.total == total]
        names = [candidate.name for candidate in structure.candidates]
        if any(name.kind == "energy" and {"kinetic", "kin"} & set(name.mark.split()) for name in names):
            candidates = [one for one in candidates if one.name.total == "potential"]  # the total has the kinetic one
        return candidates

    def _count_unused(self, structure: Labelled, chosen: Chosen) -> None:
        used = {(candidate.place, candidate.name.key) for values in chosen.values() for candidate in values}
        kinds = {kind for kind, keys in self._given.items() if keys is not None}
        info = structure.frame.atoms.info
        for candidate in structure.candidates:
            name, value = candidate.name, None if candidate.place == "results" else info.get(candidate.name.key, 0.0)
            is_told = name.kind not in kinds and _is_numeric(value) and not _is_other_energy(name, chosen)
            if is_told and (candidate.place, name.key) not in used:
                self.unused[name.key] += 1
        if "energy" not in chosen and "energy" not in kinds:
            resembling = (key for key in info if isinstance(key, str) and resembles_energy(key))
            self.unused.update(key for key in resembling if _is_numeric(info[key]) and np.ndim(info[key]) == 0)
        listed = {key: value for key, value in info.items() if isinstance(key, str) and _is_numeric(value)}
        per_atom = {**structure.frame.atoms.arrays, **getattr(structure.frame.atoms.calc, "results", {})}
        if "energy" not in chosen and "energy" not in kinds:
            self.unused.update(key for key in {**listed, **per_atom} if resembles_atomic_energies(key))
        if {"virial", "stress"}.isdisjoint({*chosen, *kinds}):
            wide = (key for key, value in per_atom.items() if np.shape(value)[1:] in ((6,), (9,), (3, 3)))
            self.unused.update(key for key in wide if resembles_atomic_stresses(key))
            matrices = (key for key, value in listed.items() if np.size(value) in (6, 9))
            self.unused.update(key for key in matrices if resembles_pressure(key))
        if "forces" not in chosen and "forces" not in kinds:
            self.unused.update(key for key in structure.frame.atoms.arrays if resembles_forces(key))

    def _check_conflicts(self) -> None:
        conflicts = {kind: keys for kind, keys in self._conflicts.items() if keys}
        if conflicts:
            choices = "; ".join(
                f"{kind}_key: "
                + ", ".join(f"{key} ({counted(count, 'structure')})" for key, count in sorted(keys.items()))
                for kind, keys in conflicts.items()
            )
            options = ", ".join(f"--{kind}-key" for kind in conflicts)
            raise InvalidInputError(
                f"{self._prefix}expected the keys of labels to be given with {options}, as several methods may be "
                f"meant: {choices}"
            )

    def _check_given(self, structures: Sequence[Labelled]) -> None:
        """Refuse a label whose given keys no structure has; warn of one such key among several."""
        for kind, keys in self._given.items():
            has_stress = kind == "virial" and any("stress" in chosen for chosen in self.chosen)
            if keys and not any(kind in chosen for chosen in self.chosen) and not (has_stress and CALCULATOR in keys):
                names = " or ".join(repr(key) for key in keys)
                there = sorted(
                    {one.name.key for each in structures for one in each.candidates if one.name.kind == kind}
                )
                hint = f", but {', '.join(there)}" if there else ""
                raise InvalidInputError(
                    f"{self._prefix}{kind}_key: none of {len(structures)} structures has {names}{hint}"
                )
            for key in keys or ():
                if not self._prefix and key != CALCULATOR and not any(each.find(kind, key) for each in structures):
                    _LOGGER.warning("%s_key: none of %d structures has %r", kind, len(structures), key)


def _given(structure: Labelled, kind: Kind, keys: tuple[str, ...] | None) -> list[Candidate]:
    """Find the values under the first given key that a structure has."""
    for key in keys or ():
        if key != CALCULATOR:
            found = structure.find(kind, key)
        else:
            plain = RESULTS[kind][:1]
            found = [one for name in plain for one in structure.find(kind, name) if one.place == "results"]
        if found:
            return found
    return []


def _acceptable_marks(structures: Sequence[Labelled]) -> set[str]:
    """Return the marks that labels to train on may have: known ones, and those that two different labels share."""
    kinds: dict[str, set[Kind]] = {}
    known: set[str] = set()
    for name in {candidate.name for structure in structures for candidate in structure.candidates}:
        if name.is_label:
            kinds.setdefault(name.mark, set()).add("virial" if name.kind == "stress" else name.kind)
            known |= {name.mark} if name.has_known_mark else set()
    return known | {mark for mark, shared in kinds.items() if len(shared) > 1}


def _only_free_energies_are_everywhere(structures: Sequence[Labelled]) -> bool:
    """Tell whether the free energy, but not the energy, is there wherever one of them is."""
    energy: set[tuple[int, str]] = set()
    free: set[tuple[int, str]] = set()
    for index, structure in enumerate(structures):
        for candidate in structure.candidates:
            name = candidate.name
            if name.kind == "energy" and name.is_label and name.total in ("", "free"):
                (free if name.total else energy).add((index, name.mark))
    return energy < free


def _agree(structure: Labelled, first: Chosen, second: Chosen) -> bool:
    """Tell whether two methods share a label and have the same values of all that they share."""
    shared = first.keys() & second.keys()
    return bool(shared) and all(
        same_values(structure.read(one), structure.read(other))
        for kind in shared
        for one in first[kind]
        for other in second[kind]
    )


def same_values(first: Any, second: Any) -> bool:
    """Tell whether two values of a label are equal to the digits that files are written with."""
    if first is None or second is None:
        return first is second
    return bool(np.allclose(first, second, rtol=1e-6, atol=1e-6))


def _is_other_energy(name: Name, chosen: Chosen) -> bool:
    """Tell whether it is the energy or the free energy, and the other of its method is chosen; both are compared."""
    is_one = name.kind == "energy" and name.is_label and name.total in ("", "free")
    return is_one and any(one.name.mark == name.mark for one in chosen.get("energy", []))


def _is_numeric(value: Any) -> bool:
    return value is None or as_array(value).dtype.kind in "fiu"
