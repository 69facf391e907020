"""Whether the labels of a training set contradict each other, as those in other units or of another sign do.

Energies, forces and virials are derivatives of one function. Weights that some of them determine predict the others,
and the slope of the labels on these predictions is 1. Forces in the other sign have the slope -1, stresses in GPa that
are read as eV/Å^3 have 160.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from mlipselect.io.frame import Frame
from mlipselect.labels.labels import Labels
from mlipselect.labels.names import Kind
from mlipselect.models.noise import PartialFit

Array = NDArray[np.float64]

_LOGGER = logging.getLogger("mlipselect")

SAMPLE, SAMPLE_OF_FILE = 120, 10
"""Most structures whose labels are compared with predictions, of all files and of one file."""

CORRELATED, CLOSELY = 0.8, 0.97
"""Smallest parts of the squares of the labels that a slope explains where it tells something: any, and one near 1."""

ENERGIES_CORRELATED = 0.9
"""The same for energies, which forces tell less certainly."""

CLOSE = (0.25, 4.0)
"""Slopes that poor predictions may have, too."""

FEWEST = 4
"""Fewest structures whose labels tell a slope."""

DOUBT = 0.1
"""Largest variance of predictions, relative to their squares, with which they tell something."""

SOUND = (0.55, 1.7)
"""Slopes that contradict nothing: predictions of poor fits are too small or too large."""

FAR = 10.0
"""Ratio to 1 from which on a slope is told that is of no unit."""

NEAR = 1.5
"""Largest ratio of a slope and that of a unit that it is taken for."""

PRESSURE = 1.0
"""Stress in eV/Å^3, 160 GPa, above which hardly any set of structures is."""

_UNITS_OF_STRESS = {
    "eV/Å^3": 1.0,
    "GPa": 1.0 / units.GPa,
    "kbar": 10.0 / units.GPa,
    "MPa": 1e3 / units.GPa,
    "bar": 1e4 / units.GPa,
    "Hartree/Bohr^3": units.Bohr**3 / units.Hartree,
    "Rydberg/Bohr^3": units.Bohr**3 / units.Rydberg,
}
_UNITS_OF_ENERGY = {
    "eV": 1.0,
    "meV": 1e3,
    "Hartree": 1.0 / units.Hartree,
    "Rydberg": 1.0 / units.Rydberg,
    "kcal/mol": units.mol / units.kcal,
    "kJ/mol": units.mol / units.kJ,
}
_UNITS_OF_FORCES = {
    "eV/Å": 1.0,
    "Hartree/Bohr": units.Bohr / units.Hartree,
    "Rydberg/Bohr": units.Bohr / units.Rydberg,
    "kcal/mol/Å": units.mol / units.kcal,
    "kJ/mol/Å": units.mol / units.kJ,
    "meV/Å": 1e3,
}
"""The number that stands for one eV/Å^3, eV or eV/Å in other units."""


@dataclass(frozen=True)
class _Idea:
    """What labels may be: their slope, and the power of the size of a structure that they are divided by."""

    text: str
    slope: float
    power: int = 0


def _ideas_of_stress() -> list[_Idea]:
    found = []
    for unit, slope in _UNITS_OF_STRESS.items():
        found.append(_Idea(f"in {unit}", slope))
        found.append(_Idea(f"in {unit} with the other sign" if slope != 1.0 else "of the other sign", -slope))
    return [*found[1:], _Idea("virials in eV", -1.0, -1), _Idea("virials in eV of the other sign", 1.0, -1)]


def _ideas_of_virial() -> list[_Idea]:
    found = []
    products = {"GPa Å^3": 1.0 / units.GPa, "kbar Å^3": 10.0 / units.GPa}
    for unit, slope in {**_UNITS_OF_ENERGY, **products}.items():
        found.append(_Idea(f"in {unit}", slope))
        found.append(_Idea(f"in {unit} with the other sign" if slope != 1.0 else "of the other sign", -slope))
    for unit, slope in _UNITS_OF_STRESS.items():
        found.append(_Idea(f"stresses in {unit}", -slope, 1))
        found.append(_Idea(f"stresses in {unit} with the other sign", slope, 1))
    return found[1:]


def _ideas_of_energy() -> list[_Idea]:
    found = [_Idea("energies per atom", 1.0, 1), _Idea("forces with the other sign, as gradients are", -1.0)]
    found += [_Idea(f"energies in {unit}", slope) for unit, slope in _UNITS_OF_ENERGY.items() if slope != 1.0]
    found += [_Idea(f"forces in {unit}", 1.0 / slope) for unit, slope in _UNITS_OF_FORCES.items() if slope != 1.0]
    return found


_IDEAS = {"stress": _ideas_of_stress(), "virial": _ideas_of_virial(), "energy": _ideas_of_energy()}


def sample(frames: Sequence[Frame], labels: Sequence[Labels], kind: Kind) -> list[int]:
    """Choose the structures whose labels are compared: some of each file, spread over all that have the label.

    Parameters
    ----------
    frames : sequence of Frame
        The structures.
    labels : sequence of Labels
        Their labels.
    kind : str
        ``"energy"`` or ``"virial"``.
    """
    files: dict[str | None, list[int]] = {}
    for place, known in enumerate(labels):
        if getattr(known, kind) is not None and not known.is_free_atom:
            files.setdefault(frames[place].source, []).append(place)
    share = max(SAMPLE_OF_FILE, SAMPLE // max(len(files), 1))
    together = [place for members in files.values() for place in members[:: -(-len(members) // share)]]
    return together[:: -(-len(together) // (2 * SAMPLE))] if together else []


def contradictory_energies(
    frames: Sequence[Frame], labels: Sequence[Labels], rows: Array, fit: PartialFit | None, weights: Array
) -> bool:
    """Warn of energies that contradict forces; tell whether some do.

    Parameters
    ----------
    frames : sequence of Frame
        Structures with energies.
    labels : sequence of Labels
        Their labels.
    rows : ndarray of shape (n, d)
        Rows of their energies.
    fit : PartialFit or None
        What the forces tell of the weights; None without forces.
    weights : ndarray of shape (d,)
        Weights of the fit to all labels: where it meets the energies, nothing contradicts them.
    """
    told = False
    for name, members in _groups(frames, labels, "energy") if fit is not None else ():
        atoms = [frames[member].atoms for member in members]
        n_atoms = np.array([len(one) for one in atoms], dtype=float)
        shares = _shares(atoms)
        # What no average over the elements explains, in eV per atom.
        beyond = np.eye(len(members)) - shares @ np.linalg.pinv(shares)
        known = np.array([labels[member].energy for member in members], dtype=float)
        by_power = {power: beyond @ (known * n_atoms**power / n_atoms) for power in (0, 1)}
        seen = _seen(
            _IDEAS["energy"], by_power, beyond @ (rows[members] / n_atoms[:, None]), fit, weights, ENERGIES_CORRELATED
        )
        if seen is not None and seen[1] and len(members) > shares.shape[1] + 2:
            told = True
            slope, idea = seen
            _LOGGER.warning(
                "%s contradicts the forces %s: the energies of %d structures change %.3g times as much as the forces "
                "say, as %s would. Units are named in keys, or beside them: energy_Hartree, energy-unit=Hartree, "
                "force-unit=...",
                *(name, _key(labels, "forces"), len(members), slope, idea),
            )
    return told


def contradictory_virials(
    frames: Sequence[Frame], labels: Sequence[Labels], rows: Array, fit: PartialFit | None, weights: Array
) -> bool:
    """Warn of virials or stresses that contradict energies and forces, or are too large; tell whether some do.

    Parameters
    ----------
    frames : sequence of Frame
        Structures with virials.
    labels : sequence of Labels
        Their labels.
    rows : ndarray of shape (n, 6, d)
        Rows of their virials.
    fit : PartialFit or None
        What energies and forces tell of the weights; None without them.
    weights : ndarray of shape (d,)
        Weights of the fit to all labels: where it meets the virials, nothing contradicts them.
    """
    kinds: tuple[Kind, ...] = ("stress", "virial")
    told = False
    groups = [(kind, *group) for kind in kinds for group in _groups(frames, labels, kind)]
    for kind, name, members in groups:
        atoms = [frames[member].atoms for member in members]
        volumes = np.array([one.get_volume() for one in atoms])  # type: ignore[no-untyped-call]
        n_atoms = np.array([len(one) for one in atoms], dtype=float)
        known = np.array([labels[member].virial for member in members])
        by_power = {power: _changes(known * (volumes**power / n_atoms)[:, None]) for power in (-1, 0, 1)}
        own = _changes(rows[members] / n_atoms[:, None, None]).reshape(-1, rows.shape[-1])
        seen = _seen(_IDEAS[kind], by_power, own, fit, weights)
        largest = float(np.median(np.abs(known).max(axis=1) / volumes))
        if seen is not None:
            _tell_virials(kind, name, len(members), seen)
        elif largest > PRESSURE and (fit is None or not Expected(own @ weights).meets(by_power[0])):
            _LOGGER.warning(
                "%s: half of %d structures have stresses above %.3g eV/Å^3, which are %.3g GPa: %s expected in %s, "
                "and keys such as stress_GPa, or stress-unit=GPa, name other units",
                *(name, len(members), largest, largest / units.GPa),
                *(("virials are", "eV") if kind == "virial" else ("stresses are", "eV/Å^3")),
            )
        told = told or seen is not None
    return told


def _tell_virials(kind: Kind, name: str, count: int, seen: tuple[float, str]) -> None:
    slope, idea = seen
    expected = "eV, minus the derivative by strain," if kind == "virial" else "eV/Å^3 with ASE's sign"
    _LOGGER.warning(
        "%s contradicts energies and forces: the numbers of %d structures are %.3g times what these predict%s; %s is "
        "expected. Name the unit in the key or beside it (stress_GPa, stress-unit=GPa), name what it is with "
        "--stress-key or --virial-key, or leave it out with --%s-key none",
        *(name, count, slope, f", as if they were {idea}" if idea else "", expected, kind),
    )


@dataclass(frozen=True)
class Expected:
    """What weights predict for some labels."""

    values: Array

    def slope(self, labels: Array) -> float:
        """Return the slope of labels on predictions."""
        squares = float(self.values @ self.values)
        return float(self.values @ labels.ravel()) / squares if squares > 0.0 else 0.0

    def explains(self, labels: Array) -> float:
        """Return which part of the squares of the labels is proportional to the predictions."""
        squares = float(self.values @ self.values) * float(np.sum(labels**2))
        return float(self.values @ labels.ravel()) ** 2 / squares if squares > 0.0 else 0.0

    def meets(self, labels: Array) -> bool:
        """Tell whether the predictions are like the labels."""
        return SOUND[0] < self.slope(labels) < SOUND[1] and self.explains(labels) > CORRELATED


def _seen(
    ideas: Sequence[_Idea],
    labels: Mapping[int, Array],
    rows: Array,
    fit: PartialFit | None,
    weights: Array,
    correlated: float = CORRELATED,
) -> tuple[float, str] | None:
    """Return the conclusion from a fit to other labels, unless that to all labels meets these, or the other is poor."""
    if fit is None or Expected(rows @ weights).meets(labels[0]) or fit.doubt(rows) > DOUBT:
        return None
    return _conclusion(ideas, labels, Expected(rows @ fit.weights), correlated)


def _conclusion(
    ideas: Sequence[_Idea], labels: Mapping[int, Array], expected: Expected, correlated: float = CORRELATED
) -> tuple[float, str] | None:
    """Return the slope of labels on predictions and what it may come from; None if it is sound or tells nothing.

    Parameters
    ----------
    ideas : sequence of _Idea
        What labels may be.
    labels : mapping of int to ndarray
        The labels times each power of the size of a structure.
    expected : Expected
        What the other labels predict.
    correlated : float
        Smallest part of the squares of the labels that a slope explains where it tells something.
    """
    slope = expected.slope(labels[0])
    needed = CLOSELY if CLOSE[0] < slope < CLOSE[1] else correlated
    if SOUND[0] < slope < SOUND[1]:
        return None
    fits = []
    for idea in ideas:
        own = expected.slope(labels[idea.power])
        if own * idea.slope > 0.0 and expected.explains(labels[idea.power]) > needed:
            fits.append((abs(np.log(own / idea.slope)), idea.text))
    distance, text = min(fits, default=(np.inf, ""))
    if distance < np.log(NEAR):
        return slope, text
    is_told = expected.explains(labels[0]) > needed and not 1.0 / FAR < slope < FAR
    return (slope, "") if is_told else None


def _changes(virials: Array) -> Array:
    """Take the mean of each component away, which forces at one volume do not determine."""
    return np.asarray(virials - virials.mean(axis=0))


def _shares(atoms: Sequence[Atoms]) -> Array:
    """Return the element fractions of structures."""
    elements = sorted({number for one in atoms for number in one.numbers.tolist()})
    return np.array([[np.mean(one.numbers == number) for number in elements] for one in atoms])


def _groups(frames: Sequence[Frame], labels: Sequence[Labels], kind: Kind) -> Iterator[tuple[str, list[int]]]:
    """Yield the name and the members of structures that have a label from one key: of one file, or of small files."""
    files: dict[tuple[str, str], list[int]] = {}
    for member, (frame, known) in enumerate(zip(frames, labels, strict=True)):
        if kind in known.keys:
            files.setdefault((frame.source or "structures in memory", known.keys[kind]), []).append(member)
    small: dict[str, list[tuple[str, list[int]]]] = {}
    for (source, key), members in files.items():
        if len(members) >= FEWEST:
            yield f"{source}: {key}", members
        else:
            small.setdefault(key, []).append((source, members))
    for key, found in small.items():
        members = [member for _, some in found for member in some]
        if len(members) >= FEWEST:
            yield f"{found[0][0]} and {len(found) - 1} more files: {key}", members


def _key(labels: Sequence[Labels], kind: Kind) -> str:
    return next((known.keys[kind] for known in labels if kind in known.keys), str(kind))
