"""How many atoms of each element structures have: their compositions, apart from any columns made of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from ase.formula import Formula
from numpy.typing import DTypeLike, NDArray

from mlipselect.io.flat import count_elements, flat_arrays


@dataclass(frozen=True)
class ElementCounts:
    """Number of atoms of each element, for each of some structures.

    Attributes
    ----------
    elements : tuple of str
        Chemical symbols, by atomic number.
    counts : ndarray of int32, shape (n_structures, n_elements)
        Atoms of each element.
    """

    elements: tuple[str, ...]
    counts: NDArray[np.int32]

    @classmethod
    def of(cls, structures: Sequence[Atoms]) -> ElementCounts:
        """Count the atoms of structures."""
        numbers, counts = count_elements(flat_arrays(structures))
        return cls(tuple(chemical_symbols[number] for number in numbers), counts.astype(np.int32))

    @classmethod
    def together(cls, parts: Sequence[ElementCounts]) -> ElementCounts:
        """Put structures one after the other."""
        elements = by_number(symbol for part in parts for symbol in part.elements)
        return cls(elements, np.concatenate([part.columns(elements) for part in parts]))

    def __len__(self) -> int:
        return len(self.counts)

    def columns(self, elements: Sequence[str]) -> NDArray[np.int32]:
        """Return the counts of some elements, in their order; 0 for elements that no structure has."""
        out = np.zeros((len(self), len(elements)), dtype=np.int32)
        for column, symbol in enumerate(elements):
            if symbol in self.elements:
                out[:, column] = self.counts[:, self.elements.index(symbol)]
        return out

    def fractions(self, elements: Sequence[str], dtype: DTypeLike) -> NDArray[np.floating[Any]]:
        """Return the fractions of some elements, the means over the atoms of `one_hot`, as columns of a type."""
        found: NDArray[np.floating[Any]] = self.columns(elements) / self.counts.sum(axis=1, dtype=np.float64)[:, None]
        return found.astype(dtype)

    def differ_from(self, fractions: NDArray[np.float64], elements: Sequence[str]) -> bool:
        """Tell whether any structure has other fractions of some elements than one that is given."""
        others = any(symbol not in elements for symbol in self.elements)
        return others or bool((self.fractions(elements, np.float64) != fractions).any())

    def formulas(self) -> list[str]:
        """Return the reduced formula of each structure."""
        names: dict[tuple[int, ...], str] = {}
        keys = [tuple(row) for row in self.counts.tolist()]
        for key in keys:
            if key not in names:
                atoms = {symbol: count for symbol, count in zip(self.elements, key, strict=True) if count}
                names[key] = reduced_formula(Formula.from_dict(atoms))
        return [names[key] for key in keys]


def reduced_formula(formula: Formula) -> str:
    """Return a formula with the smallest whole numbers, in the order of Hill."""
    return str(formula.reduce()[0].format("hill"))


def by_number(symbols: Iterable[str]) -> tuple[str, ...]:
    """Return chemical symbols once each, by atomic number."""
    return tuple(sorted(set(symbols), key=lambda symbol: atomic_numbers[symbol]))
