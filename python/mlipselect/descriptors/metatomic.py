"""The `feature` output of metatomic models as a descriptor."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import chemical_symbols

from mlipselect.descriptors.batches import alone
from mlipselect.descriptors.learned.options import ROTATIONS
from mlipselect.descriptors.learned.torch_core import Loaded, Pass, TorchDescriptor
from mlipselect.descriptors.torch_settings import MODEL_OPTIONS, TRUST, import_extra
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.digest import sha256
from mlipselect.utils.option import Option


class Metatomic(TorchDescriptor):
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
    rotations : int, default=1
        Turned copies of a structure whose rows are averaged, for models whose features turn with the structure. The
        first is not turned, the others are by rotations drawn with one seed.

    Attributes
    ----------
    elements : tuple of str
        Elements that the model knows.
    n_features : int
        Length of a row.
    vjp, vjps : callable
        Derivatives of weighted sums of features by the positions, as of `MACE`.
    dtype : str
        Type of the features: that of the model.

    Notes
    -----
    Number, meaning and invariance of the features are those of the model. There are no derivatives if the model cannot
    be differentiated by the positions.

    References
    ----------
    .. [1] F. Bigi et al., metatensor and metatomic, arXiv:2508.15704.
    """

    package: ClassVar[str] = "metatomic-ase"
    modules: ClassVar[tuple[str, ...]] = ("metatomic.torch", "metatomic_ase")
    command_options: ClassVar[Mapping[str, Option]] = {**MODEL_OPTIONS, "rotations": ROTATIONS}

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        extensions: str | os.PathLike[str] | None = None,
        device: str | None = None,
        batch_atoms: int = 1024,
        rotations: int = 1,
    ):
        self._extensions = extensions
        super().__init__(model, device=device, batch_atoms=batch_atoms, rotations=rotations)
        if self.differentiable:
            self.vjp, self.vjps = self._vjp, self._vjps

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON."""
        # All that the features depend on is in the file.
        return {name: value for name, value in super().parameters.items() if name != "version"}

    def _vjp(self, atoms: Atoms, w: npt.ArrayLike) -> npt.NDArray[np.floating]:
        """Differentiate ``w @ features(atoms).sum(axis=0)`` by the positions."""
        slopes: npt.NDArray[np.floating] = self._vjps(atoms, self._weights(w, 1)[None])[0]
        return slopes

    def _vjps(self, atoms: Atoms, W: npt.ArrayLike) -> npt.NDArray[np.floating]:
        """Differentiate by the positions for each row of weights."""
        alone(self._check, atoms)
        return self._pulled_back(atoms, self._weights(W, 2))

    def _import(self, name: str) -> Any:
        return import_extra(name, "metatomic")

    def _loaded(self) -> Loaded:
        from metatomic.torch import ModelOutput, load_atomistic_model, pick_device
        from vesin.metatomic import NeighborList

        if not Path(self.model).is_file():
            raise InvalidInputError(f"{self.model}: there is no such file")
        try:
            model = load_atomistic_model(self.model, self._extensions)
        except Exception as error:
            raise InvalidInputError(
                f"{self.model}: cannot be loaded as a metatomic model ({type(error).__name__}: {error}). {TRUST}"
            ) from error
        capabilities = model.capabilities()
        # Older models have the plural.
        names = [name for name in ("feature", "features") if name in capabilities.outputs]
        if not names:
            outputs = ", ".join(sorted(capabilities.outputs)) or "none"
            raise InvalidInputError(
                f"{self.model}: expected a model with the output feature, but its outputs are {outputs}"
            )
        self._output = {names[0]: ModelOutput(sample_kind="atom")}
        self.device = pick_device(capabilities.supported_devices, self.device)
        self._type = str(capabilities.dtype)
        self._neighbours = [
            (options, NeighborList(options, length_unit="angstrom", skin=0.0))
            for options in model.requested_neighbor_lists()
        ]
        # Types of other particles than atoms have other numbers.
        numbers = [number for number in map(int, capabilities.atomic_types) if 0 < number < len(chemical_symbols)]
        return Loaded(model.to(device=self.device), numbers, sha256=sha256(self.model))

    def _graph(self, atoms: Atoms) -> Any:
        import torch
        from metatomic.torch import System

        kind = {"dtype": getattr(torch, self._type), "device": self.device}
        # Cell vectors of directions that are not periodic are zero.
        cell = torch.tensor(np.where(atoms.pbc[:, None], np.asarray(atoms.cell), 0.0), **kind)
        positions = torch.tensor(atoms.positions, **kind).requires_grad_(True)
        numbers = torch.tensor(atoms.numbers, dtype=torch.int32, device=self.device)
        system = System(numbers, positions, cell, torch.tensor(atoms.pbc, device=self.device))
        for name, option in self._module.requested_inputs(use_new_names=True).items():
            from metatomic_ase._calculator import _get_ase_input

            system.add_data(name, _get_ase_input(atoms, name, option, **kind))
        for options, neighbours in self._neighbours:
            system.add_neighbor_list(options, neighbours.compute(system))
        return system

    def _passed(self, graphs: Sequence[Any]) -> Pass:
        import torch
        from metatomic.torch import ModelEvaluationOptions

        options = ModelEvaluationOptions(length_unit="angstrom", outputs=self._output)
        (found,) = self._module(list(graphs), options, check_consistency=False).values()
        if len(found.keys) != 1:
            raise InvalidInputError(
                f"{self.model}: expected features of one kind for all atoms, got {len(found.keys)} blocks"
            )
        block = found.block()
        starts = np.cumsum([0, *map(len, graphs)])
        places = starts[block.samples.column("system").cpu().numpy()] + block.samples.column("atom").cpu().numpy()
        if not np.array_equal(np.sort(places), np.arange(starts[-1])):
            raise InvalidInputError(f"{self.model}: expected one row of features for every atom, got {len(places)}")
        # Rows come in any order.
        rows = block.values.reshape(len(places), -1)[torch.tensor(np.argsort(places), device=block.values.device)]
        return Pass(rows, [system.positions for system in graphs], torch.cat)
