"""Protocols of descriptors: the methods that the rest of the package calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlipselect.utils.option import Option

DescriptorLike: TypeAlias = Any
"""An object with ``features(atoms) -> (n_atoms, d)``, or a callable that does the same."""


@runtime_checkable
class Descriptor(Protocol):
    """Anything that describes the atoms of a structure."""

    def features(self, atoms: Atoms) -> npt.NDArray[np.floating]:
        """Describe every atom of one structure.

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
class HasSiteFeatures(Protocol):
    """A descriptor that describes the atoms of many structures at once, in parallel."""

    def site_features(self, structures: Sequence[Atoms], n_threads: int | None = None) -> npt.NDArray[np.floating]:
        """Describe every atom of many structures.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        n_threads : int, optional
            Number of threads, by default `MLIPSELECT_NUM_THREADS` or one for each processor.

        Returns
        -------
        ndarray of shape (n_atoms_total, n_features)
            One row per atom, structure after structure.
        """
        ...


@runtime_checkable
class HasStructureFeatures(Protocol):
    """A descriptor that averages the rows of each of many structures, in parallel and without keeping all rows."""

    def structure_features(self, structures: Sequence[Atoms], n_threads: int | None = None) -> npt.NDArray[np.floating]:
        """Average the rows of the atoms of each structure.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        n_threads : int, optional
            Number of threads, by default `MLIPSELECT_NUM_THREADS` or one for each processor.

        Returns
        -------
        ndarray of shape (n_structures, n_features)
            One row per structure.
        """
        ...


@runtime_checkable
class BatchDescriptor(Descriptor, HasSiteFeatures, HasStructureFeatures, Protocol):
    """A descriptor that takes many structures at once, in parallel, and averages without keeping all rows."""


@dataclass(frozen=True)
class Design:
    """Design rows of one structure: their products with the weights are the predictions of a linear model.

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
    """Predictions of a linear model for one structure, in Å and in the energy unit of the weights.

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
    """A descriptor with derivatives of weighted sums of features: its linear models have forces."""

    def vjp(self, atoms: Atoms, w: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Differentiate ``w @ features(atoms).sum(axis=0)`` by the positions (a vector-Jacobian product).

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
    """A descriptor with design rows for energies, forces and virials, to which linear models can be fitted."""

    def design(self, atoms: Atoms) -> Design:
        """Differentiate every feature of one structure.

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


class NamedDescriptor:
    """Base of the descriptors that the command line knows by name; see ``mlipselect.descriptors.registry``.

    Attributes
    ----------
    command_options : dict
        Options of the command line, by the names of the arguments of `from_options`.
    record_is_complete : bool
        Whether ``cls(**parameters)`` with the recorded `parameters`, without the name, is the same descriptor.
    """

    command_options: ClassVar[Mapping[str, Option]] = {}
    record_is_complete: ClassVar[bool] = False

    @classmethod
    def from_options(cls, given: Mapping[str, Any], dtype: str) -> Any:  # noqa: ARG003 - for those who inherit
        """Make the descriptor that options of the command line define.

        Parameters
        ----------
        given : mapping
            The options that were given, by the names in `command_options`.
        dtype : str
            Type of the features, for descriptors that compute in it.
        """
        make: Any = cls
        return make(**given)


@runtime_checkable
class Bindable(Protocol):
    """A descriptor that takes parameters that were not given, such as the elements, from structures."""

    def bind(self, structures: Sequence[Atoms]) -> Any:
        """Take the parameters from structures with every element; return the descriptor to use, or None for itself."""
        ...


@runtime_checkable
class Resettable(Protocol):
    """A descriptor that takes parameters that were not given from a record."""

    def settled_as(self, record: Mapping[str, Any]) -> Any:
        """Return the descriptor with parameters that were not given as in the record."""
        ...


@runtime_checkable
class HasDesigns(Protocol):
    """A descriptor that computes the designs of many structures, in parallel."""

    def designs(self, structures: Sequence[Atoms], n_threads: int | None = None) -> Iterator[Design]:
        """Yield the designs of structures in their order."""
        ...


@runtime_checkable
class HasVjps(Protocol):
    """A descriptor that differentiates by the positions for many sets of weights at once."""

    def vjps(self, atoms: Atoms, W: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Return `vjp` for each row of `W`, of shape (n_weights, n_atoms, 3)."""
        ...


@runtime_checkable
class HasPredictions(Protocol):
    """A descriptor that predicts energies, forces and virials without designs."""

    def predictions(
        self, structures: Sequence[Atoms], weights: npt.NDArray[np.float64], n_threads: int | None = None
    ) -> list[Prediction]:
        """Predict energy, forces and virial of many structures, with one weight per feature."""
        ...


@runtime_checkable
class ForwardPass(Protocol):
    """What the features of a structure and all linear models of them have in common."""

    @property
    def row(self) -> npt.NDArray[np.float64]:
        """The mean of the features of the atoms, shape (n_features,)."""
        ...

    def predictions(self, weights: npt.NDArray[np.float64]) -> list[Prediction]:
        """Predict energy, forces and virial by linear models, one for each row of weights, shape (k, n_features)."""
        ...


@runtime_checkable
class HasForwardPass(Protocol):
    """A descriptor that visits a structure once for its features and for any number of linear models."""

    def forward(self, atoms: Atoms, n_threads: int | None = None) -> ForwardPass:
        """Visit the atoms of a structure."""
        ...


@runtime_checkable
class HasSmoothnessPrior(Protocol):
    """A descriptor that knows the roughness of its features."""

    def smoothness_prior(self, power: float) -> npt.NDArray[np.float64]:
        """Return the inverse prior standard deviation of the weight of each feature, up to a factor."""
        ...


@runtime_checkable
class HasFeatureGroups(Protocol):
    """A descriptor that can say in words what its features are."""

    @property
    def feature_groups(self) -> Mapping[str, slice]:
        """Names of groups of consecutive features, in their order, which together are all features."""
        ...


def bound(descriptor: DescriptorLike, structures: Sequence[Atoms]) -> DescriptorLike:
    """Bind a descriptor to structures, if it has `bind`."""
    return (descriptor.bind(structures) or descriptor) if isinstance(descriptor, Bindable) else descriptor


def features_of(descriptor: DescriptorLike) -> Callable[[Atoms], Any]:
    """Return the function that describes one structure: `features` of a descriptor, or the callable itself."""
    return descriptor.features if isinstance(descriptor, Descriptor) else descriptor


def has_parameters(descriptor: DescriptorLike) -> bool:
    """Tell whether a descriptor has `parameters`, even if they are available only after `bind`."""
    return hasattr(type(descriptor), "parameters") or hasattr(descriptor, "parameters")


def parameters_of(descriptor: DescriptorLike) -> dict[str, Any] | None:
    """Return the `parameters` of a descriptor, a dictionary ready for JSON; None if it has none or not yet."""
    parameters = getattr(descriptor, "parameters", None)
    return parameters if isinstance(parameters, dict) else None
