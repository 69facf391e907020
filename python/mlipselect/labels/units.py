"""Units of labels, in eV and Å."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ase import units

#: Factor to eV and Å, power of energy, power of length.
_UNITS: dict[str, tuple[float, int, int]] = {
    **dict.fromkeys(("ev", "electronvolt", "electronvolts"), (1.0, 1, 0)),
    "mev": (1e-3, 1, 0),
    "kev": (1e3, 1, 0),
    **dict.fromkeys(("ha", "hartree", "hartrees", "eh"), (units.Hartree, 1, 0)),
    **dict.fromkeys(("mha", "mhartree", "millihartree"), (1e-3 * units.Hartree, 1, 0)),
    **dict.fromkeys(("ry", "rydberg", "rydbergs"), (units.Rydberg, 1, 0)),
    **dict.fromkeys(("j", "joule"), (units.J, 1, 0)),
    "kj": (units.kJ, 1, 0),
    "kcal": (units.kcal, 1, 0),
    "cal": (units.kcal / 1000.0, 1, 0),
    "mol": (units.mol, 0, 0),
    **dict.fromkeys(("a", "ang", "angs", "angstrom", "angstroms"), (1.0, 0, 1)),
    **dict.fromkeys(("bohr", "a0", "bohrs", "au"), (units.Bohr, 0, 1)),
    "nm": (10.0, 0, 1),
    "pm": (0.01, 0, 1),
    "pa": (units.Pascal, 1, -3),
    "kpa": (1e3 * units.Pascal, 1, -3),
    "mpa": (1e6 * units.Pascal, 1, -3),
    "gpa": (units.GPa, 1, -3),
    "bar": (units.bar, 1, -3),
    **dict.fromkeys(("kbar", "kb"), (1e3 * units.bar, 1, -3)),
    "mbar": (1e6 * units.bar, 1, -3),
    "atm": (101325.0 * units.Pascal, 1, -3),
}

POWERS = {"energy": (1, 0), "forces": (1, -1), "virial": (1, 0), "stress": (1, -3), "length": (0, 1)}
"""Powers of energy and of length in the unit of each quantity."""

ATOMIC = frozenset({"atomic", "au", "a.u.", "atomicunits", "atomic_units"})
"""Names of the atomic units of any quantity."""


@dataclass(frozen=True)
class Unit:
    """A unit as it was written, and the factor that turns numbers in it into eV and Å."""

    text: str
    factor: float


def parse_unit(text: str, quantity: str) -> Unit | None:
    """Understand the unit of a quantity; None if it is unknown or the unit of another quantity.

    Parameters
    ----------
    text : str
        A unit such as ``"Hartree/Bohr"``, ``"kcal/mol/A"``, ``"eV Å^-1"``, ``"GPa"``, ``"a.u."``.
    quantity : str
        ``"energy"``, ``"forces"``, ``"virial"``, ``"stress"`` or ``"length"``.
    """
    powers = POWERS[quantity]
    plain = text.strip().lower().replace("å", "a").replace("å", "a").replace("**", "^").replace("³", "^3")
    if plain.replace(" ", "") in ATOMIC:
        return Unit(text, units.Hartree ** powers[0] * units.Bohr ** powers[1])
    factor, energy, length, sign, in_brackets = 1.0, 0, 0, 1, False
    for piece in re.findall(r"[a-z]+0?(?:\^?[+-]?\d+)?|\S", plain):
        match = re.fullmatch(r"([a-z]+0?)\^?([+-]?\d+)?", piece)
        if match is None:
            if piece not in "/*·⋅()":
                return None
            sign = -1 if piece == "/" else sign  # the / of kcal/(mol A) divides by all that is in the brackets
            in_brackets = piece == "(" or (in_brackets and piece != ")")
            continue
        if match[1] not in _UNITS:
            return None
        size, energies, lengths = _UNITS[match[1]]
        exponent = sign * int(match[2] or 1)
        factor *= size**exponent
        energy, length = energy + exponent * energies, length + exponent * lengths
        sign = sign if in_brackets else 1
    return Unit(text, factor) if (energy, length) == powers else None


def unit_of_suffix(words: Sequence[str], quantity: str) -> tuple[Unit | None, int]:
    """Understand the unit at the end of a key, as in ``stress_GPa``: the unit, and of how many words it is made."""
    for start in range(len(words)):
        unit = parse_unit("/".join(word for word in words[start:] if word != "per"), quantity)
        if unit is not None and words[start] != "per":
            return unit, len(words) - start
    return None, 0
