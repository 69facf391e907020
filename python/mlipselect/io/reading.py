"""The options of reading, each declared once: how files are understood where they do not say it themselves."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from ase.cell import Cell
from ase.data import atomic_numbers
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.notes import Notes
from mlipselect.utils.option import option

_LOGGER = logging.getLogger("mlipselect")


@dataclass(frozen=True)
class Reading:
    """How files are read.

    Raises
    ------
    InvalidInputError
        A symbol that is no chemical element, a cell of another number of numbers, or an unknown choice.

    Examples
    --------
    >>> Reading(species_map=["Fe1=Fe", "X="]).elements
    {'Fe1': 'Fe', 'X': ''}
    >>> Reading(cell=[5.0, 6.0, 7.0]).lattice.tolist()
    [[5.0, 0.0, 0.0], [0.0, 6.0, 0.0], [0.0, 0.0, 7.0]]
    """

    title: ClassVar[str] = "reading"

    format: str | None = option(
        None, "format of the files, any name that ASE or mlipselect knows (default: by name and content)",
        metavar="NAME",
    )  # fmt: skip
    species: Sequence[str] | None = option(
        None,
        "elements of the types of files that only number them, in the order of their numbers, which count from 1 in "
        "LAMMPS and from 0 in MTP and DeePMD; or of the blocks of a POSCAR of VASP 4",
        nargs="+", metavar="SYMBOL",
    )  # fmt: skip
    species_map: Sequence[str] | Mapping[str, str] | None = option(
        None, "elements of atoms that a file names otherwise, such as Fe1=Fe D=H; X= drops the atoms named X",
        nargs="+", metavar="NAME=SYMBOL",
    )  # fmt: skip
    cell: Sequence[float] | None = option(
        None, "periodic cell in Å of frames without one: 3 lengths, 3 lengths and 3 angles, or 3 vectors",
        type=float, nargs="+", metavar="NUMBER",
    )  # fmt: skip
    occupancy: Literal["majority"] | None = option(
        None, "what stands on a partly occupied site of a CIF file (default: refuse it)", choices=["majority"]
    )

    def __post_init__(self) -> None:
        known = [("species", symbol) for symbol in self.species or ()]
        for name, symbol in [*known, *(("species_map", symbol) for symbol in self.elements.values() if symbol)]:
            if atomic_numbers.get(symbol, 0) == 0:
                raise InvalidInputError(f"{name}: expected the symbol of a chemical element, got {symbol!r}")
        if self.cell is not None and np.size(self.cell) not in (3, 6, 9):
            raise InvalidInputError(f"cell: expected 3, 6 or 9 numbers, got {np.size(self.cell)}")
        if self.occupancy not in (None, "majority"):
            raise InvalidInputError(f"occupancy: expected 'majority', got {self.occupancy!r}")

    @cached_property
    def notes(self) -> Notes:
        """What was assumed or left out so far."""
        return Notes()

    @cached_property
    def used(self) -> set[str]:
        """Names of the options that some frame needed so far."""
        return set()

    def tell_unused(self) -> None:
        """Warn of options that no frame needed."""
        needs = {
            "species": "numbers its types of atoms without naming elements",
            "cell": "lacks a cell",
            "occupancy": "has sites that are occupied in part",
        }
        for name, need in needs.items():
            if getattr(self, name) is not None and name not in self.used:
                _LOGGER.warning("--%s has no effect: no frame %s", name, need)
        unmet = [name for name in self.elements if name not in self._names_met]
        if unmet:
            _LOGGER.warning("--species-map has no effect on %s: no frame has atoms of such a name", ", ".join(unmet))

    @cached_property
    def _names_met(self) -> set[str]:
        return set()

    def types(self) -> Sequence[str]:
        """Return the elements of the types of a file that needs them; empty where none are given."""
        self.used.add("species")
        return self.species or ()

    def element(self, name: str) -> str | None:
        """Return the chemical symbol that the options give for a name in a file; empty for an atom to drop."""
        symbol = self.elements.get(name)
        if symbol is not None:
            self._names_met.add(name)
        return symbol

    @property
    def elements(self) -> dict[str, str]:
        """Chemical symbols by the names in files; an empty symbol drops the atoms of that name."""
        if self.species_map is None:
            return {}
        if isinstance(self.species_map, Mapping):
            return dict(self.species_map)
        found = {}
        for text in self.species_map:
            name, equals, symbol = text.partition("=")
            if not (name and equals):
                raise InvalidInputError(f"species_map: expected NAME=SYMBOL such as Fe1=Fe, got {text!r}")
            found[name] = symbol
        return found

    @property
    def lattice(self) -> NDArray[np.float64] | None:
        """Cell vectors in Å of frames without a cell, shape (3, 3)."""
        if self.cell is None:
            return None
        numbers = np.asarray(self.cell, dtype=float)
        given = numbers.reshape(3, 3) if numbers.size == 9 else numbers.ravel()
        return np.array(Cell.new(given))  # type: ignore[no-untyped-call]

    def recorded(self) -> dict[str, object]:
        """Return the options that were given, ready for JSON."""
        given = {
            "format": self.format,
            "species": None if self.species is None else list(self.species),
            "species_map": self.elements or None,
            "cell": None if self.lattice is None else self.lattice.tolist(),
            "occupancy": self.occupancy,
        }
        return {name: value for name, value in given.items() if value is not None}
