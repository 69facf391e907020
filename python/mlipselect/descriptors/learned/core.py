"""What descriptors of learned potentials share: batches, checks of structures, an examination when they are made."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import chemical_symbols

from mlipselect.descriptors.base import NamedDescriptor
from mlipselect.descriptors.batches import alone, in_batches
from mlipselect.descriptors.learned.examination import examine
from mlipselect.exceptions import InvalidInputError, MlipselectError, StructureError
from mlipselect.io.describable import check_structure

# Elements that an error lists; more than these are most of the table.
_LISTED = 12


class LearnedDescriptor(NamedDescriptor, ABC):
    """Base of the descriptors of learned potentials.

    Parameters
    ----------
    model : path, str or object
        File or name of a model, or one in memory, which goes by its class.
    batch_atoms : int
        Approximate number of atoms that are described together, which bounds the memory.

    Attributes
    ----------
    package : str
        The package of the potential, by its name for pip.
    turns : bool
        Whether the features are asked to turn with the structure, so that it need not be told.
    refused : dict
        Reasons why structures cannot be described, by ``"partial"`` (periodic along some directions only) and
        ``"free"`` (along none).
    """

    package: ClassVar[str]
    turns: bool = False

    def __init__(self, model: Any, *, batch_atoms: int):
        if batch_atoms < 1:
            raise InvalidInputError(f"batch_atoms: expected at least 1, got {batch_atoms}")
        self.model = os.fspath(model) if isinstance(model, (str, os.PathLike)) else type(model).__name__
        self.batch_atoms = batch_atoms
        self.refused: dict[str, str] = {}
        self._numbers: list[int] = []
        self._sha256 = ""

    @abstractmethod
    def _prepared(self, atoms: Atoms) -> Any:
        """Make of a structure what the model takes."""

    @abstractmethod
    def _rows(self, prepared: Sequence[Any]) -> npt.NDArray[np.floating]:
        """Describe the atoms of prepared structures together."""

    @classmethod
    def from_options(cls, given: Mapping[str, Any], dtype: str) -> Any:  # noqa: ARG003 - that of the model
        """Make the descriptor that options of the command line define, in the type of the model."""
        make: Any = cls
        return make(**given)

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements that the model knows."""
        return tuple(chemical_symbols[number] for number in self._numbers)

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON."""
        return {
            "name": type(self).__name__,
            "model": self.model,
            "sha256": self._sha256,
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
        with self._settings(n_threads):
            for first, prepared in self._batches(structures):
                with told(first):
                    blocks.append(self._rows(prepared))
        if not blocks:
            raise InvalidInputError("expected at least one structure, got none")
        return np.concatenate(blocks)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def _settings(self, n_threads: int | None = None) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002
        """Return the settings in which the model runs."""
        return contextlib.nullcontext()

    def _batches(self, structures: Sequence[Atoms]) -> Iterator[tuple[int, list[Any]]]:
        """Yield prepared structures in batches, each with the index of its first structure."""
        for first, batch in in_batches(structures, self.batch_atoms, self._check):
            prepared = []
            for index, atoms in enumerate(batch, first):
                with told(index):
                    prepared.append(self._prepared(atoms))
            yield first, prepared

    def _check(self, atoms: Atoms, index: int | None = None) -> None:
        """Refuse a structure that the model cannot describe."""
        try:
            check_structure(atoms)
        except StructureError as error:
            raise StructureError(error.problem, index) from None
        unknown = sorted(set(atoms.numbers.tolist()) - set(self._numbers))
        if unknown:
            known = f" ({', '.join(self.elements)})" if len(self._numbers) <= _LISTED else ""
            raise StructureError(
                f"expected elements that the model knows{known}, got {chemical_symbols[unknown[0]]}", index
            )
        refuse_periodicity(atoms, self.refused, index)

    def _examine(self) -> None:
        """Check the rows of small structures; take their type and length, and what the model ignores."""
        symbol = self._example()

        def describe(structures: Sequence[Atoms]) -> npt.NDArray[np.floating]:
            return self._rows([self._prepared(atoms) for atoms in structures])

        try:
            with self._settings():
                found = examine(type(self).__name__, describe, symbol, may_turn=self.turns)
        except MlipselectError:
            raise
        except Exception as error:
            raise InvalidInputError(
                f"{self.model}: the model fails on a crystal of {symbol} ({type(error).__name__}: {error})"
            ) from error
        self.dtype, self.n_features, self.refused = found.dtype, found.n_features, found.refused

    def _example(self) -> str:
        """Return an element for checks: silicon if it is known."""
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


@contextlib.contextmanager
def told(index: int | None) -> Iterator[None]:
    """Name a structure in the errors of a model."""
    try:
        yield
    except MlipselectError:
        raise
    except Exception as error:
        raise StructureError(f"the model failed: {type(error).__name__}: {error}", index) from error
