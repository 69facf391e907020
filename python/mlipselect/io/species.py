"""Which element an atom is, by what a file calls it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.exact import PER_ATOM
from mlipselect.io.reading import Reading

_MASS_TOLERANCE = 0.1
"""Largest difference in u between a mass in a file and that of the element it is taken for."""


def symbol_of(word: str, reading: Reading) -> str:
    """Return the chemical symbol of an atom.

    Parameters
    ----------
    word : str
        What the file calls it: a name that ``reading.species_map`` knows, a symbol in any case, or an atomic number.
    reading : Reading
        Options of reading.

    Returns
    -------
    str
        The symbol; empty for an atom to drop.

    Raises
    ------
    InvalidInputError
        A name of no element; the message says how to name its element.
    """
    given = reading.element(word)
    if given is not None:
        return given
    symbol = word.capitalize()
    if word.isdecimal() and 0 < int(word) < len(chemical_symbols):
        return chemical_symbols[int(word)]
    if atomic_numbers.get(symbol, 0) > 0:
        return symbol
    raise InvalidInputError(no_element(word))


def element_of_mass(mass: float) -> str:
    """Return the chemical symbol of the element that has a mass in u.

    Raises
    ------
    InvalidInputError
        No element has it.
    """
    number = int(np.argmin(np.abs(atomic_masses[1:] - mass))) + 1
    if abs(atomic_masses[number] - mass) > _MASS_TOLERANCE:
        raise InvalidInputError(f"no element has the mass {mass:g} u: name the elements with --species")
    return chemical_symbols[number]


_GHOST = re.compile(
    r"0|(x+|gh|bq|du|dummy|empty|q)(\W.*|\d*)|.*ghost.*|[a-z]{1,2}:|@.*|[a-z]{1,2}[-_]bq\d*", re.IGNORECASE
)
"""Names of ghost atoms: those of Gaussian, NWChem, Q-Chem, Psi4, ORCA, CP2K and others."""


def no_element(word: str) -> str:
    """Say that a file names an atom by no chemical element, and what to do."""
    if _GHOST.fullmatch(word):
        return (
            f"holds a ghost atom {word!r}, a place without a nucleus and no chemical element: drop such atoms with "
            f"--species-map {word}=, or name their element, such as --species-map {word}=H"
        )
    return (
        f"{word!r} is no chemical element: name the element with --species-map, such as --species-map "
        f"{word}={_likely(word)}"
    )


def _likely(word: str) -> str:
    """Return the element that a name most likely stands for, as an example for a message."""
    if word.upper() in ("D", "T"):
        return "H"
    letters = "".join(character for character in word if character.isalpha())
    candidates = (letters[:2].capitalize(), letters[:1].upper())
    return next((symbol for symbol in candidates if atomic_numbers.get(symbol, 0) > 0), "Si")


def without_dropped(atoms: Atoms, dropped: Sequence[bool]) -> Atoms:
    """Return a structure without some of its atoms, its labels kept; the structure itself if none is dropped."""
    if not any(dropped):
        return atoms
    kept = ~np.asarray(dropped)
    calculator = atoms.calc
    out: Atoms = atoms[kept]
    if calculator is not None:
        results = {
            name: value[kept] if np.ndim(value) > 0 and len(value) == len(atoms) and name in PER_ATOM else value
            for name, value in calculator.results.items()
        }
        out.calc = SinglePointCalculator(out, **results)  # type: ignore[no-untyped-call]
    return out


def renamed(atoms: Atoms, reading: Reading) -> Atoms:
    """Return a structure with the elements that the options give for its chemical symbols."""
    own = atoms.get_chemical_symbols()  # type: ignore[no-untyped-call]
    given = {symbol: reading.element(symbol) for symbol in set(own)}
    symbols = [symbol if given[symbol] is None else given[symbol] for symbol in own]
    if symbols == own:
        return atoms
    calculator = atoms.calc
    atoms.set_chemical_symbols([symbol or "X" for symbol in symbols])  # type: ignore[no-untyped-call]
    if calculator is not None:
        atoms.calc = SinglePointCalculator(atoms, **calculator.results)  # type: ignore[no-untyped-call]
    return without_dropped(atoms, [symbol == "" for symbol in symbols])
