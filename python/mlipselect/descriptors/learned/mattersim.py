"""Atom features of MatterSim as a descriptor."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ase import Atoms

from mlipselect.descriptors.learned.options import LEARNED_OPTIONS, NEEDED_MODEL
from mlipselect.descriptors.learned.room import with_room
from mlipselect.descriptors.learned.torch_core import DifferentiableTorchDescriptor, Loaded, Pass
from mlipselect.descriptors.torch_settings import TRUST, refuse_compiled
from mlipselect.exceptions import InvalidInputError
from mlipselect.utils.option import Option


class MatterSim(DifferentiableTorchDescriptor):
    """The atom features of MatterSim: 128 for each layer of its models, which rotations do not change.

    Parameters
    ----------
    model : path, str or torch.nn.Module
        File of a model, or a name such as ``"mattersim-v1.0.0-1M"``, which mattersim downloads; or an ``M3Gnet`` in
        memory, of which a copy is taken.
    layers : sequence of int, optional
        Layers of message passing whose features are kept, from 1 on; by default all. The last one is what the energy
        is computed from.
    device : str, default="cpu"
        Device of the model, such as ``"cuda"``.
    batch_atoms : int, default=512
        Approximate number of atoms that are described together, which bounds the memory.

    Attributes
    ----------
    elements : tuple of str
        Elements that the model knows.
    n_features : int
        Length of a row.
    dtype : str
        Type of the rows.

    Notes
    -----
    Structures pass the model one by one: batches of some versions of mattersim change rows and energies by up to
    three per cent. Structures get vacuum along directions that are not periodic: the converter of mattersim moves atoms
    outside of the cell to its other side along these, too.

    References
    ----------
    .. [1] H. Yang et al., MatterSim: a deep learning atomistic model across elements, temperatures and pressures,
       arXiv:2405.04967.
    """

    package: ClassVar[str] = "mattersim"
    modules: ClassVar[tuple[str, ...]] = ("mattersim.forcefield.potential",)
    command_options: ClassVar[Mapping[str, Option]] = {**LEARNED_OPTIONS, "model": NEEDED_MODEL}

    def __init__(
        self,
        model: str | os.PathLike[str] | Any,
        *,
        layers: Sequence[int] | None = None,
        device: str = "cpu",
        batch_atoms: int = 512,
    ):
        self._given = model
        super().__init__(model, layers=layers, device=device, batch_atoms=batch_atoms)

    def _loaded(self) -> Loaded:
        import torch
        from mattersim.datasets.utils.convertor import GraphConvertor
        from mattersim.forcefield.potential import Potential

        if isinstance(self._given, torch.nn.Module):
            model = copy.deepcopy(self._given).to(self.device)
        else:
            if os.path.isfile(self.model):  # noqa: PTH113 - names of models are no paths
                refuse_compiled(self.model)
            try:
                model = Potential.from_checkpoint(
                    self.model, device=str(self.device), load_training_state=False
                ).model.to(self.device)
            except Exception as error:
                raise InvalidInputError(
                    f"{self.model}: cannot be loaded as a model of mattersim ({type(error).__name__}: {error}). {TRUST}"
                ) from error
        settings = model.model_args
        self._cutoff = max(settings["cutoff"], settings["threebody_cutoff"])
        self._converter = GraphConvertor("m3gnet", settings["cutoff"], True, settings["threebody_cutoff"])
        return Loaded(model, range(1, settings["max_z"] + 1), len(model.graph_conv))

    def _graph(self, atoms: Atoms) -> Any:
        return self._converter.convert(with_room(atoms, self._cutoff))

    def _passed(self, graphs: Sequence[Any]) -> Pass:
        import torch
        from mattersim.forcefield.potential import batch_to_dict
        from torch_geometric.data import Batch

        rows, positions = [], []
        caught: list[Any] = []
        hooks = [
            layer.register_forward_hook(lambda _, __, out: caught.append(out[0])) for layer in self._module.graph_conv
        ]
        try:
            for graph in graphs:
                given = batch_to_dict(Batch.from_data_list([graph]), device=self.device)
                positions.append(given["atom_pos"].requires_grad_(True))
                self._module(given)
                rows.append(torch.cat([caught[layer - 1] for layer in self.layers], dim=1))
                caught.clear()
        finally:
            for hook in hooks:
                hook.remove()
        return Pass(torch.cat(rows), positions, torch.cat)
