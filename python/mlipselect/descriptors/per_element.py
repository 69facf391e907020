"""A block of columns for each element, so that a linear model has separate weights for each element."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import atomic_numbers

from mlipselect.descriptors.base import HasSiteFeatures, bound, features_of
from mlipselect.descriptors.record import describe_descriptor
from mlipselect.descriptors.wrapper import Wrapper
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.utils.option import Option
from mlipselect.utils.unmasked import unmasked


def _feature_groups(wrapper: PerElement) -> dict[str, slice]:
    """Columns of the groups of the wrapped descriptor in the block of each element."""
    inner = dict(wrapper.descriptor.feature_groups)
    width = max((columns.stop for columns in inner.values()), default=0)
    return {
        f"{name}, seen from {symbol}": slice(columns.start + first, columns.stop + first)
        for first, symbol in zip(itertools.count(0, width), wrapper.elements or ())
        for name, columns in inner.items()
    }


class PerElement(Wrapper):
    """A wrapper that gives each element a block of columns of its own.

    The row of an atom stands in the block of its element; all other blocks are zero. The row of a structure then holds,
    for each element, the sum over the atoms of that element divided by the number of all atoms. A linear model has
    separate weights for each element. `ACE` has such blocks by itself; learned descriptors such as MACE have not. The
    wrapper has `feature_groups` if the descriptor has them.

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

    command_options: ClassVar[Mapping[str, Option]] = {
        "per_element": Option(
            "a block of columns for each element, for descriptors that share them between elements",
            action="store_true",
        )
    }
    record_is_complete: ClassVar[bool] = True
    abilities: ClassVar[Mapping[str, property]] = {"feature_groups": property(_feature_groups)}

    def __init__(self, descriptor: Any, elements: Sequence[str] | None = None):
        self._wrap(descriptor)
        self.elements = None if elements is None else tuple(elements)

    def __repr__(self) -> str:
        return f"PerElement({self.descriptor!r}, {None if self.elements is None else list(self.elements)})"

    @classmethod
    def around(cls, descriptor: Any, given: bool) -> PerElement:  # noqa: ARG003 - given is true where it is called
        """Wrap a descriptor as the command line asks for."""
        return cls(descriptor)

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON."""
        return {
            "name": "PerElement",
            "elements": None if self.elements is None else list(self.elements),
            "descriptor": describe_descriptor(self.descriptor),
        }

    def settled_as(self, record: Mapping[str, Any]) -> PerElement:
        """Take the elements from a record if they were not given.

        Parameters
        ----------
        record : mapping
            `parameters` of such a descriptor.

        Returns
        -------
        PerElement
            This descriptor, or one with these elements.
        """
        if self.elements is not None or record.get("name") != "PerElement":
            return self
        return PerElement(self.descriptor, record["elements"])

    def bind(self, structures: Sequence[Atoms]) -> PerElement:
        """Take the elements from structures if they were not given, and bind the wrapped descriptor.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            Structures with every element that will be described.

        Returns
        -------
        PerElement
            This descriptor.
        """
        self._wrap(bound(self.descriptor, structures))
        if self.elements is None:
            found = {symbol for atoms in structures for symbol in atoms.symbols}
            self.elements = tuple(sorted(found, key=lambda symbol: atomic_numbers[symbol]))
        return self

    def features(self, atoms: Atoms) -> npt.NDArray[np.floating]:
        """Describe every atom of one structure.

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
        """Describe every atom of many structures.

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
        if isinstance(self.descriptor, HasSiteFeatures):
            rows = unmasked("features", self.descriptor.site_features(structures, n_threads=n_threads))
        else:
            describe = features_of(self.descriptor)
            rows = np.concatenate([unmasked("features", describe(atoms)) for atoms in structures])
        return self._spread(rows, structures)

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
