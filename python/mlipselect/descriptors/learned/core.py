"""What descriptors of learned potentials share: batches, derivatives, checks and the state of the process."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlipselect.descriptors.base import NamedDescriptor
from mlipselect.descriptors.batches import alone, in_batches
from mlipselect.descriptors.learned.examination import examine
from mlipselect.descriptors.learned.weights import digest_of_weights
from mlipselect.descriptors.torch_settings import (
    checked_device,
    import_package,
    process_state,
    quiet_loading,
    repeatable,
    torch_settings,
)
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.describable import check_structure


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
        Turns the derivatives by `leaves` into those by the positions, of shape (n_atoms, 3).
    """

    rows: Any
    leaves: list[Any]
    to_positions: Callable[[Sequence[Any]], Any]


class LearnedDescriptor(NamedDescriptor, ABC):
    """Base of the descriptors of learned potentials.

    Parameters
    ----------
    model : path or str
        File or name of a model.
    layers : sequence of int, optional
        Layers of message passing whose features are kept, from 1 on; by default all.
    device : str, default="cpu"
        Device of the model, such as ``"cuda"``.
    batch_atoms : int, default=512
        Approximate number of atoms that are described together, which bounds the memory.

    Attributes
    ----------
    package : str
        The package of the potential.
    refused : dict
        Reasons why structures cannot be described, by ``"partial"`` (periodic along some directions only) and
        ``"free"`` (along none).
    """

    package: ClassVar[str]

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        layers: Sequence[int] | None = None,
        device: str = "cpu",
        batch_atoms: int = 512,
    ):
        if batch_atoms < 1:
            raise InvalidInputError(f"batch_atoms: expected at least 1, got {batch_atoms}")
        self.model, self.batch_atoms = os.fspath(model), batch_atoms
        import_package("torch", self.package)
        with quiet_loading():
            import_package(self.package, self.package)
            self.device = checked_device(device)
            self._module, self._numbers, n_layers = self._loaded()
        self.layers = _chosen(layers, n_layers)
        self._module.eval()
        for parameter in self._module.parameters():
            parameter.requires_grad_(False)
        self._sha256 = digest_of_weights(self._module)
        with process_state():
            found = examine(type(self).__name__, self._described, self._example())
        self.dtype, self.n_features, self.refused = found.dtype, found.n_features, found.refused

    @abstractmethod
    def _loaded(self) -> tuple[Any, Sequence[int], int]:
        """Load the model: the torch module, the atomic numbers that it knows, and its number of layers."""

    @abstractmethod
    def _graph(self, atoms: Atoms) -> Any:
        """Find the neighbours of a structure, by the package's own code."""

    @abstractmethod
    def _passed(self, graphs: Sequence[Any]) -> Pass:
        """Run the model on graphs together; it can be differentiated where gradients are enabled."""

    @classmethod
    def from_options(cls, given: Mapping[str, Any], dtype: str) -> Any:  # noqa: ARG003 - that of the model
        """Make the descriptor that options of the command line define, in the type of the model."""
        make: Any = cls
        return make(**given)

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements that the model knows."""
        from ase.data import chemical_symbols

        return tuple(chemical_symbols[number] for number in self._numbers)

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON."""
        return {
            "name": type(self).__name__,
            "model": self.model,
            "sha256": self._sha256,
            "layers": list(self.layers),
            "dtype": self.dtype,
            "version": importlib.metadata.version(self.package),
        }

    def features(self, atoms: Atoms) -> npt.NDArray[np.floating]:
        """Describe every atom of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.

        Returns
        -------
        ndarray of shape (n_atoms, n_features)
            One row per atom.

        Raises
        ------
        StructureError
            The structure is empty, has an element that the model does not know, a position that is not finite, a
            periodic direction without an independent cell vector, a periodicity that the model ignores, or the model
            fails on it.
        """
        rows: npt.NDArray[np.floating] = alone(self.site_features, [atoms])
        return rows

    def site_features(self, structures: Sequence[Atoms], n_threads: int | None = None) -> npt.NDArray[np.floating]:
        """Describe every atom of many structures, in batches.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        n_threads : int, optional
            Threads of torch; by default its current setting.

        Returns
        -------
        ndarray of shape (n_atoms_total, n_features)
            One row per atom, structure after structure.

        Raises
        ------
        StructureError
            As `features`; its `index` is that of the structure, or of the first of a batch on which the model fails.
        """
        if isinstance(structures, Atoms):
            raise InvalidInputError("expected a sequence of ase.Atoms; `features` takes a single one")
        blocks = []
        with torch_settings(n_threads=n_threads):
            for first, batch in in_batches(structures, self.batch_atoms, self._check):
                with _told(first):
                    blocks.append(self._described(batch))
        if not blocks:
            raise InvalidInputError("expected at least one structure, got none")
        return np.concatenate(blocks)

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
        slopes: npt.NDArray[np.floating] = self.vjps(atoms, np.asarray(w)[None])[0]
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
        import torch

        weights = np.asarray(W, dtype=self.dtype)
        if weights.ndim != 2 or weights.shape[1] != self.n_features or not np.isfinite(weights).all():
            raise InvalidInputError(
                f"expected finite weights, one for each of {self.n_features} features, but the shape is {weights.shape}"
            )
        alone(self._check, atoms)
        with torch.enable_grad(), repeatable():
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
        out: npt.NDArray[np.floating] = torch.stack(slopes).cpu().numpy()
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, layers={list(self.layers)}, device={self.device!r})"

    def _described(self, structures: Sequence[Atoms]) -> npt.NDArray[np.floating]:
        """Describe structures together, without checks."""
        import torch

        with torch.no_grad(), repeatable():
            rows: npt.NDArray[np.floating] = (
                self._passed([self._graph(atoms) for atoms in structures]).rows.cpu().numpy()
            )
        return rows

    def _check(self, atoms: Atoms, index: int | None = None) -> None:
        try:
            check_structure(atoms)
        except StructureError as error:
            raise StructureError(error.problem, index) from None
        known = set(self._numbers)
        unknown = [
            symbol for symbol, number in zip(atoms.symbols, atoms.numbers.tolist(), strict=True) if number not in known
        ]
        if unknown:
            raise StructureError(f"expected elements that {self.model} knows, got {unknown[0]}", index)
        refuse_periodicity(atoms, self.refused, index)

    def _example(self) -> str:
        """Return an element for the checks: silicon if it is known."""
        return "Si" if "Si" in self.elements else self.elements[0]


def refuse_periodicity(atoms: Atoms, refused: Mapping[str, str], index: int | None = None) -> None:
    """Refuse a structure with a periodicity that a model ignores.

    Raises
    ------
    StructureError
        The message has the reason.
    """
    if not atoms.pbc.all():
        kind = "partial" if atoms.pbc.any() else "free"
        if kind in refused:
            raise StructureError(f"pbc is {''.join('FT'[int(p)] for p in atoms.pbc)}, but {refused[kind]}", index)


def _chosen(layers: Sequence[int] | None, n_layers: int) -> tuple[int, ...]:
    """Return the layers to keep."""
    if layers is None:
        return tuple(range(1, n_layers + 1))
    chosen = tuple(layers)
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(1, n_layers + 1)):
        raise InvalidInputError(f"layers: expected different layers from 1 to {n_layers}, got {list(chosen)}")
    return chosen


@contextlib.contextmanager
def _told(index: int) -> Iterator[None]:
    """Name a structure in the errors of a model."""
    try:
        yield
    except Exception as error:
        raise StructureError(f"the model failed: {type(error).__name__}: {error}", index) from error
