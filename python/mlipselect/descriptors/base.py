"""What a descriptor is: the protocols that everything else relies on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from ase import Atoms


@runtime_checkable
class Descriptor(Protocol):
    """Anything that describes the atoms of a structure."""

    def features(self, atoms: Atoms) -> npt.NDArray[np.floating]:
        """
        Describe every atom of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.

        Returns
        -------
        ndarray of shape (n_atoms, n_features)
            One row per atom, in the order of the atoms.
        """
        ...


@runtime_checkable
class BatchDescriptor(Descriptor, Protocol):
    """A descriptor that takes many structures at once, in parallel, and averages without keeping all rows."""

    def site_features(self, structures: Sequence[Atoms], n_threads: int | None = None) -> npt.NDArray[np.floating]:
        """
        Describe every atom of many structures.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        n_threads : int, optional
            Number of threads; all processors by default.

        Returns
        -------
        ndarray of shape (n_atoms_total, n_features)
            One row per atom, structure after structure.
        """
        ...

    def structure_features(self, structures: Sequence[Atoms], n_threads: int | None = None) -> npt.NDArray[np.floating]:
        """
        Average the rows of the atoms of each structure.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        n_threads : int, optional
            Number of threads; all processors by default.

        Returns
        -------
        ndarray of shape (n_structures, n_features)
            One row per structure.
        """
        ...
