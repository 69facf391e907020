"""What a descriptor is: the protocols that everything else relies on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Design:
    """
    What a linear model of the features says of one structure, as rows: times the weights they are its predictions.

    Attributes
    ----------
    energy : ndarray of shape (n_features,)
        Sum of the rows of the atoms.
    forces : ndarray of shape (3 * n_atoms, n_features)
        Minus the derivatives of `energy` by the positions, in 1/Å: x, y and z of the first atom, then of the next.
    virial : ndarray of shape (6, n_features)
        Minus the derivatives of `energy` by strain: xx, yy, zz, yz, xz, xy. The stress of ASE, in its order, is
        minus the virial over the volume.
    """

    energy: npt.NDArray[np.floating]
    forces: npt.NDArray[np.floating]
    virial: npt.NDArray[np.floating]


@dataclass(frozen=True)
class Prediction:
    """
    What a linear model of the features says of one structure, in the unit of energy of its weights and Å.

    Attributes
    ----------
    energy : float
        Sum of `site_energies`.
    forces : ndarray of shape (n_atoms, 3)
        Minus the derivative of `energy` by the position of each atom.
    virial : ndarray of shape (6,)
        Minus the derivative of `energy` by strain: xx, yy, zz, yz, xz, xy. The stress of ASE, in its order, is minus
        the virial over the volume.
    site_energies : ndarray of shape (n_atoms,)
        The row of each atom times the weights.
    """

    energy: float
    forces: npt.NDArray[np.float64]
    virial: npt.NDArray[np.float64]
    site_energies: npt.NDArray[np.float64]


@runtime_checkable
class DifferentiableDescriptor(Descriptor, Protocol):
    """A descriptor whose linear models have forces: it can bias molecular dynamics."""

    def vjp(self, atoms: Atoms, w: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """
        Differentiate ``w @ features(atoms).sum(axis=0)`` by the positions (a vector-Jacobian product).

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        w : ndarray of shape (n_features,)
            One weight per feature.

        Returns
        -------
        ndarray of shape (n_atoms, 3)
            The derivatives. If `w` are the weights of an energy, this is minus the forces.
        """
        ...


@runtime_checkable
class DesignDescriptor(Descriptor, Protocol):
    """A descriptor with rows of its own for energies, forces and virials: linear models can be fitted to them."""

    def design(self, atoms: Atoms) -> Design:
        """
        Differentiate every feature of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.

        Returns
        -------
        Design
            Rows for the energy, the forces and the virial.
        """
        ...
