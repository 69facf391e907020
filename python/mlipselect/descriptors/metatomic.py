"""The `feature` output of metatomic models as a descriptor."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlipselect.descriptors.base import NamedDescriptor
from mlipselect.descriptors.batches import alone, in_batches
from mlipselect.descriptors.torch_settings import MODEL_OPTIONS, TRUST, checked_device, import_extra, torch_settings
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.describable import check_structure
from mlipselect.io.digest import sha256
from mlipselect.utils.option import Option


class Metatomic(NamedDescriptor):
    """The ``feature`` output of a metatomic model, the common interface of PET, FlashMD and others.

    A model file can run any code when it is loaded, and so can extensions: give only files from people you trust.

    Parameters
    ----------
    model : path
        File of an exported model.
    extensions : path, optional
        Folder with the compiled extensions that the model was exported with.
    device : str, optional
        Device of the model, such as ``"cuda"``; by default the first one that the model names and torch has.
    batch_atoms : int, default=1024
        Approximate number of atoms in a batch of structures, which bounds the memory.

    Attributes
    ----------
    dtype : str
        Type of the features: that of the model.

    Notes
    -----
    Number, meaning and invariance of the features are those of the model. There are no derivatives.

    References
    ----------
    .. [1] F. Bigi et al., metatensor and metatomic, arXiv:2508.15704.
    """

    command_options: ClassVar[Mapping[str, Option]] = MODEL_OPTIONS

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        extensions: str | os.PathLike[str] | None = None,
        device: str | None = None,
        batch_atoms: int = 1024,
    ):
        import_extra("torch", "metatomic")
        metatomic, calculators = (
            import_extra("metatomic.torch", "metatomic"),
            import_extra("metatomic_ase", "metatomic"),
        )
        if batch_atoms < 1:
            raise InvalidInputError(f"batch_atoms: expected at least 1, got {batch_atoms}")
        self.model = os.fspath(model)
        self.batch_atoms = batch_atoms
        if not Path(self.model).is_file():
            raise InvalidInputError(f"{self.model}: there is no such file")
        if device is not None:
            checked_device(device)
        try:
            self._calculator = calculators.MetatomicCalculator(
                self.model, extensions_directory=extensions, device=device, neighbor_skin=0.0
            )
        except Exception as error:
            raise InvalidInputError(
                f"{self.model}: cannot be loaded as a metatomic model ({type(error).__name__}: {error}). {TRUST}"
            ) from error
        capabilities = self._calculator.model().capabilities()
        # Older models have the plural.
        names = [name for name in ("feature", "features") if name in capabilities.outputs]
        if not names:
            outputs = ", ".join(sorted(capabilities.outputs)) or "none"
            raise InvalidInputError(
                f"{self.model}: expected a model with the output feature, but its outputs are {outputs}"
            )
        self._output = {names[0]: metatomic.ModelOutput(sample_kind="atom")}
        self.dtype = str(capabilities.dtype)
        self._types = {int(number) for number in capabilities.atomic_types}
        self._sha256 = sha256(self.model)

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON."""
        return {"name": "Metatomic", "model": self.model, "sha256": self._sha256, "dtype": self.dtype}

    def features(self, atoms: Atoms) -> npt.NDArray[np.floating]:
        """Describe every atom of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure, periodic or not.

        Returns
        -------
        ndarray of shape (n_atoms, n_features)
            One row per atom.

        Raises
        ------
        StructureError
            The structure is empty, has an element that the model does not know, a position that is not finite, a
            periodic direction without an independent cell vector, or the model fails on it.
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
            As `features`; its `index` is that of the first structure that cannot be described, or of the first of the
            batch on which the model fails.
        """
        if isinstance(structures, Atoms):
            raise InvalidInputError("expected a sequence of ase.Atoms; `features` takes a single one")
        with torch_settings(n_threads=n_threads):
            blocks = [
                self._rows(first, batch) for first, batch in in_batches(structures, self.batch_atoms, self._check)
            ]
        if not blocks:
            raise InvalidInputError("expected at least one structure, got none")
        return np.concatenate(blocks)

    def _check(self, atoms: Atoms, index: int) -> None:
        try:
            check_structure(atoms)
        except StructureError as error:
            raise StructureError(error.problem, index) from None
        unknown = sorted(set(atoms.numbers.tolist()) - self._types)
        if unknown:
            raise StructureError(
                f"expected atomic types that the model knows ({sorted(self._types)}), got {unknown[0]}", index
            )

    def _rows(self, first: int, batch: list[Atoms]) -> npt.NDArray[np.floating]:
        """Run the model, and put its rows in the order of the atoms."""
        import torch

        try:
            with torch.no_grad():
                (found,) = self._calculator.run_model(batch, self._output).values()
        except Exception as error:
            raise StructureError(f"the model failed: {type(error).__name__}: {error}", first) from error
        if len(found.keys) != 1:
            raise InvalidInputError(
                f"{self.model}: expected features of one kind for all atoms, got {len(found.keys)} blocks"
            )
        block = found.block()
        starts = np.cumsum([0, *map(len, batch)])
        places = starts[block.samples.column("system").cpu().numpy()] + block.samples.column("atom").cpu().numpy()
        values = block.values.detach().cpu().numpy()
        if not np.array_equal(np.sort(places), np.arange(starts[-1])):
            raise InvalidInputError(f"{self.model}: expected one row of features for every atom, got {len(places)}")
        rows = np.empty((len(places), int(np.prod(values.shape[1:]))), dtype=values.dtype)
        rows[places] = values.reshape(len(places), -1)
        return rows

    def __repr__(self) -> str:
        return f"Metatomic({self.model!r}, dtype={self.dtype})"
