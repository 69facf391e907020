"""What descriptors that run on torch share: the state of the process, passes of a model, and their derivatives."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlipselect.descriptors.batches import alone
from mlipselect.descriptors.learned.core import LearnedDescriptor
from mlipselect.descriptors.learned.examination import example_crystal, random_rotations, turned_by
from mlipselect.descriptors.learned.weights import digest_of_weights
from mlipselect.descriptors.torch_settings import (
    checked_device,
    import_package,
    process_state,
    quiet_loading,
    repeatable,
    torch_settings,
)
from mlipselect.exceptions import InvalidInputError


@dataclass(frozen=True)
class Loaded:
    """A model that was loaded.

    Attributes
    ----------
    module : torch.nn.Module
        The model.
    numbers : sequence of int
        Atomic numbers that it knows.
    n_layers : int
        Number of its layers; zero if they cannot be chosen.
    sha256 : str
        Digest of its file; by default that of its weights is taken.
    """

    module: Any
    numbers: Sequence[int]
    n_layers: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Pass:
    """One pass of a model over some structures.

    Attributes
    ----------
    rows : Tensor of shape (n_atoms, n_features)
        One row per atom.
    leaves : list of Tensor
        Variables to differentiate by, such as positions or the vectors of edges.
    to_positions : callable
        Turns the derivatives by `leaves` into those by the positions, of shape (n_atoms, 3). By default `leaves` is the
        tensor of positions, and those of one structure follow those of another.
    """

    rows: Any
    leaves: list[Any]
    to_positions: Callable[[Sequence[Any]], Any] = lambda slopes: slopes[0]


class TorchDescriptor(LearnedDescriptor):
    """Base of the descriptors of learned potentials that run on torch, with or without derivatives.

    Parameters
    ----------
    model : path, str or object
        File or name of a model, or one in memory, which goes by its class.
    layers : sequence of int, optional
        Layers of message passing whose features are kept, from 1 on; by default all.
    device : str, optional
        Device of the model, such as ``"cuda"``; None lets the model choose.
    batch_atoms : int
        Approximate number of atoms that are described together, which bounds the memory.
    rotations : int, default=1
        Turned copies of a structure whose rows are averaged, the first of them not turned.

    Attributes
    ----------
    modules : tuple of str
        Modules of the package that are imported, in their order.
    differentiable : bool
        Whether the rows can be differentiated by the positions.
    type_of_torch : str or None
        Default type of torch in which the model runs, where it depends on it.
    """

    type_of_torch: str | None = None
    modules: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        model: Any,
        *,
        layers: Sequence[int] | None = None,
        device: str | None = "cpu",
        batch_atoms: int = 512,
        rotations: int = 1,
    ):
        super().__init__(model, batch_atoms=batch_atoms)
        if rotations < 1:
            raise InvalidInputError(f"rotations: expected at least 1, got {rotations}")
        self.rotations = rotations
        self._turns = random_rotations(rotations)
        self._import("torch")
        with quiet_loading():
            for module in self.modules:
                self._import(module)
            self.device = device if device is None else checked_device(device)
            with torch_settings(self.type_of_torch):
                loaded = self._loaded()
        self._module, self._numbers = loaded.module, list(loaded.numbers)
        self.layers = _chosen(layers, loaded.n_layers)
        self._module.eval()
        for parameter in self._module.parameters():
            parameter.requires_grad_(False)
        self._sha256 = loaded.sha256 or digest_of_weights(self._module)
        with process_state():
            self._examine()
            self.differentiable = self._has_gradient()

    @abstractmethod
    def _loaded(self) -> Loaded:
        """Load the model."""

    @abstractmethod
    def _graph(self, atoms: Atoms) -> Any:
        """Find the neighbours of a structure, by the package's own code."""

    @abstractmethod
    def _passed(self, graphs: Sequence[Any]) -> Pass:
        """Run the model on graphs together; it can be differentiated where gradients are enabled."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON."""
        found = super().parameters
        if self.layers:
            found["layers"] = list(self.layers)
        if self.rotations > 1:
            found["rotations"] = self.rotations
        return found

    def __repr__(self) -> str:
        layers = f", layers={list(self.layers)}" if self.layers else ""
        return f"{type(self).__name__}({self.model!r}{layers}, device={str(self.device)!r})"

    def _import(self, name: str) -> Any:
        """Import a module of the package."""
        return import_package(name, self.package)

    def _settings(self, n_threads: int | None = None) -> contextlib.AbstractContextManager[None]:
        return torch_settings(self.type_of_torch, n_threads)

    def _prepared(self, atoms: Atoms) -> Any:
        return [self._graph(atoms), *(self._graph(turned_by(atoms, turn)) for turn in self._turns[1:])]

    def _rows(self, prepared: Sequence[Any]) -> npt.NDArray[np.floating]:
        import torch

        with torch.no_grad(), repeatable():
            # One pass for each rotation.
            found = [_numpy(self._passed(graphs).rows) for graphs in zip(*prepared, strict=True)]
        if len(found) == 1:
            return found[0]
        mean: npt.NDArray[np.floating] = np.mean(found, axis=0, dtype=np.float64).astype(found[0].dtype)
        return mean

    def _pulled_back(self, atoms: Atoms, weights: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Differentiate by the positions for each row of weights: the mean over the rotations."""
        slopes = [self._slopes(turned_by(atoms, turn), weights) @ turn.T for turn in self._turns[1:]]
        found: npt.NDArray[np.floating] = np.mean([self._slopes(atoms, weights), *slopes], axis=0)
        return found

    def _slopes(self, atoms: Atoms, weights: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """Differentiate a structure: one pass forward, and one back for each row of weights."""
        import torch

        with self._settings(), torch.enable_grad(), repeatable():
            found = self._passed([self._graph(atoms)])
            slopes = [
                found.to_positions(
                    torch.autograd.grad(
                        found.rows,
                        found.leaves,
                        torch.tensor(w, device=found.rows.device).expand_as(found.rows),
                        retain_graph=True,
                        # An isolated atom has no edges, and nothing depends on it.
                        materialize_grads=True,
                    )
                )
                for w in weights
            ]
        return _numpy(torch.stack(slopes))

    def _weights(self, w: npt.ArrayLike, ndim: int) -> npt.NDArray[np.floating]:
        """Check weights of features: one row of them, or several."""
        weights = np.asarray(w, dtype=self.dtype)
        if weights.ndim != ndim or weights.shape[-1] != self.n_features or not np.isfinite(weights).all():
            shape = f"({self.n_features},)" if ndim == 1 else f"(k, {self.n_features})"
            raise InvalidInputError(
                f"expected finite weights of shape {shape}, one per feature, but the shape is {weights.shape}"
            )
        return weights

    def _has_gradient(self) -> bool:
        """Tell whether the rows of the model can be differentiated by the positions."""
        import torch

        with self._settings(), torch.enable_grad(), repeatable():
            try:
                found = self._passed([self._graph(example_crystal(self._example()))])
                slopes = torch.autograd.grad(found.rows.sum(), found.leaves, allow_unused=True)
            except RuntimeError:
                return False
        return all(slope is not None for slope in slopes)


class DifferentiableTorchDescriptor(TorchDescriptor):
    """Base of the descriptors of learned potentials whose rows have derivatives in every model."""

    def vjp(self, atoms: Atoms, w: npt.ArrayLike) -> npt.NDArray[np.floating]:
        """Differentiate ``w @ features(atoms).sum(axis=0)`` by the positions (a vector-Jacobian product).

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        w : array_like of shape (n_features,)
            One weight per feature.

        Returns
        -------
        ndarray of shape (n_atoms, 3)
            The derivatives, per Å. If `w` are the weights of an energy, this is minus the forces.

        Raises
        ------
        InvalidInputError
            `w` is not one finite number per feature.
        StructureError
            As `features`.
        """
        slopes: npt.NDArray[np.floating] = self.vjps(atoms, self._weights(w, 1)[None])[0]
        return slopes

    def vjps(self, atoms: Atoms, W: npt.ArrayLike) -> npt.NDArray[np.floating]:
        """Differentiate by the positions for many sets of weights with one pass forward: `vjp` for each row of `W`.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        W : array_like of shape (k, n_features)
            Weights.

        Returns
        -------
        ndarray of shape (k, n_atoms, 3)
            The derivatives, per Å.

        Raises
        ------
        InvalidInputError
            The rows of `W` are not one finite number per feature.
        StructureError
            As `features`.
        """
        if not self.differentiable:
            raise InvalidInputError(f"{self.model}: the rows of this model cannot be differentiated by the positions")
        weights = self._weights(W, 2)
        alone(self._check, atoms)
        return self._pulled_back(atoms, weights)


def _numpy(tensor: Any) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def _chosen(layers: Sequence[int] | None, n_layers: int) -> tuple[int, ...]:
    """Return the layers to keep."""
    if layers is None:
        return tuple(range(1, n_layers + 1))
    chosen = tuple(layers)
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(1, n_layers + 1)):
        raise InvalidInputError(f"layers: expected different layers from 1 to {n_layers}, got {list(chosen)}")
    return chosen
