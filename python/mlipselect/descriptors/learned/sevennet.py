"""Scalar node features of SevenNet as a descriptor."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ase import Atoms

from mlipselect.descriptors.learned.options import LEARNED_OPTIONS
from mlipselect.descriptors.learned.scalars import scalar_columns
from mlipselect.descriptors.learned.torch_core import DifferentiableTorchDescriptor, Loaded, Pass
from mlipselect.descriptors.torch_settings import TRUST, refuse_compiled
from mlipselect.exceptions import InvalidInputError
from mlipselect.utils.option import Option

# The module that follows the last layer; from there on there are energies only.
_READOUT = "reduce_input_to_hidden"


class SevenNet(DifferentiableTorchDescriptor):
    """The scalar node features of a SevenNet model: 128 for each layer of SevenNet-0, which rotations do not change.

    Parameters
    ----------
    model : path or str, default="7net-0"
        A model by the name that sevenn knows it by, or a checkpoint, which can run any code when it is loaded.
        ``"7net-0"``, ``"7net-l3i5"`` and ``"7net-mf-0"`` come with sevenn; others are downloaded by it.
    layers : sequence of int, optional
        Layers of message passing whose features are kept, from 1 on; by default all. The energy is linear in the last.
    modal : str, optional
        Which of its data sets a model of several shall follow, such as ``"PBE"``; needed for such a model.
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
    The model stops before its readout, and computes no forces. Importing sevenn fixes the start method of
    multiprocessing, which cannot be put back.

    References
    ----------
    .. [1] Y. Park et al., Scalable parallel algorithm for graph neural network interatomic potentials in molecular
       dynamics simulations, J. Chem. Theory Comput. 20, 4857 (2024).
    """

    package: ClassVar[str] = "sevenn"
    modules: ClassVar[tuple[str, ...]] = ("sevenn",)
    command_options: ClassVar[Mapping[str, Option]] = {
        **LEARNED_OPTIONS,
        "modal": Option("data set that a model of several follows, such as PBE", metavar="NAME"),
    }

    def __init__(
        self,
        model: str | os.PathLike[str] = "7net-0",
        *,
        layers: Sequence[int] | None = None,
        modal: str | None = None,
        device: str = "cpu",
        batch_atoms: int = 512,
    ):
        self.modal = modal
        super().__init__(model, layers=layers, device=device, batch_atoms=batch_atoms)

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON."""
        return {**super().parameters, "modal": self.modal}

    def _loaded(self) -> Loaded:
        from sevenn.calculator import SevenNetCalculator

        if Path(self.model).is_file():
            refuse_compiled(self.model)
        try:
            calculator = SevenNetCalculator(self.model, device=self.device, modal=self.modal)
        except Exception as error:
            raise InvalidInputError(
                f"{self.model}: cannot be loaded as a model of sevenn ({type(error).__name__}: {error}). {TRUST}"
            ) from error
        if self.modal is not None and not calculator.model.modal_map:
            raise InvalidInputError(
                f"modal: expected none for {self.model}, which follows one data set, got {self.modal!r}"
            )
        self._cutoff = float(calculator.cutoff)
        calculator.model.set_is_batch_data(True)
        gates = [module.gate.irreps_out for name, module in calculator.model.named_children() if _is_layer(name)]
        self._scalars = [scalar_columns(irreps) for irreps in gates]
        return Loaded(calculator.model, sorted(calculator.type_map), len(gates))

    def _graph(self, atoms: Atoms) -> Any:
        from sevenn import _keys
        from sevenn.atom_graph_data import AtomGraphData
        from sevenn.train.dataload import unlabeled_atoms_to_graph

        # Edges of free structures do not depend on the cell, which may be missing.
        graph = AtomGraphData.from_numpy_dict(unlabeled_atoms_to_graph(atoms, self._cutoff))
        if self.modal is not None:
            graph[_keys.DATA_MODALITY] = self.modal
        return graph

    def _passed(self, graphs: Sequence[Any]) -> Pass:
        import torch
        from sevenn import _keys
        from torch_geometric.data import Batch

        data = self._module._preprocess(Batch.from_data_list(list(graphs)).to(self.device))
        edges, vectors = data[_keys.EDGE_IDX], data[_keys.EDGE_VEC]
        n_atoms = len(data[_keys.NODE_FEATURE])
        found: list[Any] = []
        for name, module in self._module.named_children():
            if name == _READOUT:
                break
            data = module(data)
            if _is_layer(name):
                found.append(data[_keys.NODE_FEATURE][:, self._scalars[len(found)]])
        rows = torch.cat([found[layer - 1] for layer in self.layers], dim=1)

        def to_positions(slopes: Sequence[Any]) -> Any:
            # A vector leads from the first atom of an edge to the second.
            (slope,) = slopes
            out = torch.zeros((n_atoms, 3), dtype=slope.dtype, device=slope.device)
            return out.index_add(0, edges[1], slope).index_add(0, edges[0], -slope)

        return Pass(rows, [vectors], to_positions)


def _is_layer(name: str) -> bool:
    """Tell whether a module is the last of a layer."""
    return name.endswith("equivariant_gate")
