"""Features of atoms in a block for each element, so that a linear model has weights of its own for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import atomic_numbers

from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.provenance import describe_descriptor


class PerElement:
    """
    Another descriptor with a block of columns for each element, zero in the blocks of the others.

    The row of an atom stands in the block of its element, so the row of a structure holds, for each element, the sum
    over its atoms divided by the number of all atoms; a block is zero where the element is absent. A linear model has
    weights of its own for each element then, as `ACE` has by itself; learned descriptors such as MACE share columns.

    Parameters
    ----------
    descriptor : object or callable
        The descriptor; see `featurize`.
    elements : sequence of str, optional
        The elements, by default those of the structures, in the order of atomic numbers.

    Examples
    --------
    >>> import ase.build, numpy as np, mlipselect as ms
    >>> count = lambda atoms: np.ones((len(atoms), 1))
    >>> pool = [ase.build.bulk("NiAl", "cesiumchloride", a=2.9), ase.build.bulk("Ni")]
    >>> ms.featurize(pool, ms.PerElement(count)).per_structure
    array([[0.5, 0.5],
           [0. , 1. ]])
    """

    def __init__(self, descriptor: Any, elements: Sequence[str] | None = None):
        self.descriptor = descriptor
        self.elements = None if elements is None else tuple(elements)

    def __repr__(self) -> str:
        return f"PerElement({self.descriptor!r}, {None if self.elements is None else list(self.elements)})"

    @property
    def parameters(self) -> dict[str, Any]:
        """What defines the descriptor, ready for JSON."""
        return {
            "name": "PerElement",
            "elements": None if self.elements is None else list(self.elements),
            "descriptor": describe_descriptor(self.descriptor),
        }

    def bind(self, structures: Sequence[Atoms]) -> PerElement:
        """
        Settle what was left open, by the elements of some structures.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            Structures with every element that will be described.

        Returns
        -------
        PerElement
            This descriptor.
        """
        bind = getattr(self.descriptor, "bind", None)
        if bind is not None:
            self.descriptor = bind(structures) or self.descriptor
        if self.elements is None:
            found = {symbol for atoms in structures for symbol in atoms.symbols}
            self.elements = tuple(sorted(found, key=lambda symbol: atomic_numbers[symbol]))
        return self

    def features(self, atoms: Atoms) -> npt.NDArray[np.floating]:
        """
        Describe every atom of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.

        Returns
        -------
        ndarray of shape (n_atoms, n_elements * n_features)
            One row per atom.

        Raises
        ------
        StructureError
            An element that is not among `elements`.
        """
        return self.site_features([atoms])

    def site_features(self, structures: Sequence[Atoms], n_threads: int | None = None) -> npt.NDArray[np.floating]:
        """
        Describe every atom of many structures.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        n_threads : int, optional
            Number of threads, for descriptors that work on batches.

        Returns
        -------
        ndarray of shape (n_atoms_total, n_elements * n_features)
            One row per atom, structure after structure.
        """
        batch = getattr(self.descriptor, "site_features", None)
        if batch is None:
            describe = getattr(self.descriptor, "features", self.descriptor)
            return self._spread(np.concatenate([np.asarray(describe(atoms)) for atoms in structures]), structures)
        return self._spread(np.asarray(batch(structures, n_threads=n_threads)), structures)

    def _spread(self, rows: npt.NDArray[Any], structures: Sequence[Atoms]) -> npt.NDArray[Any]:
        if self.elements is None:
            raise InvalidInputError("PerElement: the elements are not known yet: give `elements`, or call `bind` first")
        numbers = np.array([atomic_numbers[symbol] for symbol in self.elements])
        out = np.zeros((len(rows), len(numbers), rows.shape[1]), rows.dtype)
        first = 0
        for index, atoms in enumerate(structures):
            matches = atoms.numbers[:, None] == numbers
            if not matches.any(axis=1).all():
                unknown = ", ".join(sorted(set(atoms.symbols) - set(self.elements)))
                raise StructureError(f"unknown element {unknown}: expected only {', '.join(self.elements)}", index)
            own = slice(first, first + len(atoms))
            out[own][np.arange(len(atoms)), matches.argmax(axis=1)] = rows[own]
            first += len(atoms)
        return out.reshape(len(rows), -1)
