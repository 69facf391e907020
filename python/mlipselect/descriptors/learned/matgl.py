"""Atom features of potentials of MatGL (TensorNet, M3GNet, CHGNet, SO3Net, QET) as a descriptor."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ase import Atoms
from ase.data import atomic_numbers

from mlipselect.descriptors.learned.options import LEARNED_OPTIONS, NEEDED_MODEL
from mlipselect.descriptors.learned.room import with_room
from mlipselect.descriptors.learned.torch_core import DifferentiableTorchDescriptor, Loaded, Pass
from mlipselect.descriptors.torch_settings import TRUST
from mlipselect.exceptions import InvalidInputError
from mlipselect.utils.option import Option


class MatGL(DifferentiableTorchDescriptor):
    """The atom features of a potential of MatGL, which rotations do not change.

    Parameters
    ----------
    model : path, str or torch.nn.Module
        Folder of a model, or a name such as ``"TensorNet-MatPES-PBE-v2025.1-PES"``, which matgl downloads; or a
        potential or model in memory, of which a copy is taken.
    layers : sequence of int, optional
        Layers of message passing of M3GNet and CHGNet whose features are kept, from 1 on; by default all. Layers of
        TensorNet, QET and SO3Net turn with the structure: of these the features are what the readout takes.
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
    matgl takes a structure that is periodic along one or two directions for a cluster, without a word; here it gets
    vacuum along the others and is described as it is.

    References
    ----------
    .. [1] T. W. Ko et al., Materials Graph Library (MatGL), an open-source graph deep learning library for materials
       science and chemistry, npj Comput. Mater. 11, 253 (2025).
    """

    package: ClassVar[str] = "matgl"
    modules: ClassVar[tuple[str, ...]] = ("matgl", "matgl.ext.ase")
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
        import matgl
        import torch
        from matgl.ext.ase import Atoms2Graph

        if isinstance(self._given, torch.nn.Module):
            loaded = copy.deepcopy(self._given)
        else:
            try:
                loaded = matgl.load_model(self.model)
            except Exception as error:
                cause = error.__cause__ or error
                raise InvalidInputError(
                    f"{self.model}: cannot be loaded as a model of matgl ({type(cause).__name__}: {cause}). {TRUST}"
                ) from error
        # A potential has a model that computes the energy.
        model = getattr(loaded, "model", loaded).to(self.device)
        self._converter = Atoms2Graph(model.element_types, model.cutoff)
        numbers = [atomic_numbers[symbol] for symbol in model.element_types]
        return Loaded(model, numbers, int(getattr(model, "n_blocks", 0)))

    def _graph(self, atoms: Atoms) -> Any:
        graph, lattice, state = self._converter.get_graph(with_room(atoms, self._converter.cutoff))
        lattice = lattice.reshape(3, 3)
        # What the potential does before it calls its model.
        graph.pos = graph.frac_coords @ lattice
        graph.pbc_offshift = graph.pbc_offset @ lattice
        return graph.to(self.device), state

    def _passed(self, graphs: Sequence[Any]) -> Pass:
        import torch
        from torch_geometric.data import Batch

        batch = Batch.from_data_list([graph for graph, _ in graphs])
        positions = batch.pos.requires_grad_(True)
        states = torch.tensor([list(state) for _, state in graphs], dtype=positions.dtype, device=self.device)
        self._module(batch, state_attr=states)
        found = self._module.feature_dict
        if self.layers:
            layers = [found[f"gc_{layer}"] for layer in self.layers]
            rows = torch.cat([layer.get("node_feat", layer.get("atom_feat")) for layer in layers], dim=1)
        else:
            rows = found["scalar_representation"] if "scalar_representation" in found else found["readout"]
        return Pass(rows, [positions])
