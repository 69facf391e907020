"""Units that a structure names beside its labels, such as ``energy-unit=Hartree``."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlipselect.exceptions import StructureError
from mlipselect.labels.names import METHODS, TOTALS, words_of
from mlipselect.labels.units import ATOMIC, POWERS, parse_unit

_SYSTEMS: dict[str, dict[str, str]] = {
    "metal": {"energy": "eV", "forces": "eV/A", "virial": "eV", "stress": "bar", "length": "A"},
    "real": {"energy": "kcal/mol", "forces": "kcal/mol/A", "virial": "kcal/mol", "stress": "atm", "length": "A"},
    "ev": {"energy": "eV", "forces": "eV/A", "virial": "eV", "stress": "eV/A^3", "length": "A"},
}
"""Systems of units by name: two of LAMMPS, and ASE's."""

_QUANTITIES = {
    **{quantity: quantity for quantity in POWERS},
    "force": "forces",
    "virials": "virial",
    "pressure": "stress",
    **dict.fromkeys(("lengths", "distance", "position", "positions", "pos", "coordinates"), "length"),
}
"""Words of a key, and the quantity whose unit it is."""

_EXAMPLES = {"energy": "eV", "forces": "eV/Angstrom", "virial": "eV", "stress": "GPa", "length": "Angstrom"}


_PRESSURE = re.compile(r"[kmg]?(pa|bar|b)", re.IGNORECASE)


@dataclass(frozen=True)
class NamedUnits:
    """The units that a structure names.

    Attributes
    ----------
    given : mapping of tuple to tuple
        Key and text of each unit, by the quantity (or ``"all"``) and the mark of the method.
    """

    given: Mapping[tuple[str, str], tuple[str, str]]

    def factor(self, quantity: str, mark: str, label: str) -> float:
        """Return the factor that turns a label into eV and Å.

        Parameters
        ----------
        quantity, mark, label : str
            Kind of the label, mark of its method and its key.

        Raises
        ------
        StructureError
            A unit that is not known, or none is named although that of another label is named and is not eV and Å.
        """
        for place in ((quantity, mark), (quantity, ""), ("all", mark), ("all", "")):
            if place in self.given:
                return _factor(quantity, label, *self.given[place], is_for_all=place[0] == "all")
        for (other, _), (key, text) in self.given.items():
            # A pressure in GPa or kbar tells nothing of energies.
            is_pressure = _PRESSURE.fullmatch(text.strip()) is not None
            unit = parse_unit(text, other) if other in POWERS and not is_pressure else None
            if unit is not None and abs(unit.factor - 1.0) > 1e-9:
                name = "force" if quantity == "forces" else quantity
                raise StructureError(
                    f"{label}: expected {name}-unit to name its unit, as {key} is {text!r}, got no such key"
                )
        return 1.0

    def check_length(self) -> None:
        """Refuse positions that are not in Å."""
        for (quantity, mark), (key, text) in self.given.items():
            if quantity == "length" and abs(self.factor("length", mark, "positions") - 1.0) > 1e-9:
                raise StructureError(f"positions: expected Å, got {key}={text!r}")


def _factor(quantity: str, label: str, key: str, text: str, *, is_for_all: bool) -> float:
    plain = text.strip().lower()
    if is_for_all and plain in _SYSTEMS:
        text = _SYSTEMS[plain][quantity]
    elif is_for_all and plain not in ATOMIC and quantity not in ("energy", "virial"):
        raise StructureError(f"{label}: expected a key for the unit of each label, got {key}={text!r} for all")
    unit = parse_unit(text, quantity)
    if unit is None:
        raise StructureError(f"{label}: expected {key} to be a unit such as {_EXAMPLES[quantity]}, got {text!r}")
    return unit.factor


def named_units(info: Mapping[str, Any]) -> NamedUnits:
    """Find the units that a structure names in `Atoms.info`.

    Parameters
    ----------
    info : mapping
        `Atoms.info`.
    """
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for key, value in info.items():
        if isinstance(value, str) and isinstance(key, str) and "unit" in key.lower():
            found |= dict.fromkeys(_places(key), (key, value))
    return NamedUnits(found)


@functools.lru_cache(maxsize=1024)
def _places(key: str) -> tuple[tuple[str, str], ...]:
    """Return of which quantities and of which method a key names the unit; nothing if it names none."""
    words = words_of(key)
    if words and words[-1] not in ("unit", "units"):  # energyunit
        for ending in ("units", "unit"):
            if words[-1].endswith(ending):
                words[-1:] = [words[-1].removesuffix(ending), ending]
    if not {"unit", "units"} & set(words):
        return ()
    rest = [word for word in words if word not in ("unit", "units", "system", "in", "of", "")]
    quantities = [_QUANTITIES[word] for word in rest if word in _QUANTITIES]
    marks = [word for word in rest if word not in _QUANTITIES and word not in TOTALS]
    if not quantities and not METHODS.issuperset(marks):  # a formula unit
        return ()
    return tuple((quantity, " ".join(marks)) for quantity in quantities or ["all"])
