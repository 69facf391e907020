"""Scalar node embeddings of UMA models of fairchem as a descriptor."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ase import Atoms

from mlipselect.descriptors.learned.options import LEARNED_OPTIONS, NEEDED_MODEL
from mlipselect.descriptors.learned.torch_core import DifferentiableTorchDescriptor, Loaded, Pass
from mlipselect.descriptors.torch_settings import TRUST, refuse_compiled
from mlipselect.exceptions import InvalidInputError
from mlipselect.utils.option import Option


class UMA(DifferentiableTorchDescriptor):
    """The scalar node embeddings of a UMA model (fairchem): 128 for each layer, which rotations do not change.

    Parameters
    ----------
    model : path, str or torch.nn.Module
        A checkpoint, which can run any code when it is loaded; or a name such as ``"uma-s-1p1"``, which fairchem
        downloads; or a backbone in memory, of which a copy is taken.
    task : str
        The task of the model, such as ``"omat"`` or ``"omol"``. Rows of one task are not comparable with those of
        another.
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
    Rows depend on the charge and the spin of a structure, which are those of ``Atoms.info``, by default 0, and for
    ``"omol"`` a spin multiplicity of 1. The model draws random angles in each pass; here they start from one seed.
    Experts are not merged and nothing is compiled, so that structures of any composition may follow each other.

    References
    ----------
    .. [1] B. M. Wood et al., UMA: a family of universal models for atoms, arXiv:2506.23971.
    """

    package: ClassVar[str] = "fairchem-core"
    modules: ClassVar[tuple[str, ...]] = ("fairchem.core", "fairchem.core.datasets.atomic_data")
    command_options: ClassVar[Mapping[str, Option]] = {
        **LEARNED_OPTIONS,
        "model": NEEDED_MODEL,
        "task": Option("task of the model, such as omat or omol", metavar="NAME", needs="--task NAME"),
    }

    def __init__(
        self,
        model: str | os.PathLike[str] | Any,
        task: str,
        *,
        layers: Sequence[int] | None = None,
        device: str = "cpu",
        batch_atoms: int = 512,
    ):
        self._given, self.task = model, task
        super().__init__(model, layers=layers, device=device, batch_atoms=batch_atoms)

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON."""
        return {**super().parameters, "task": self.task}

    def _loaded(self) -> Loaded:
        import torch

        if isinstance(self._given, torch.nn.Module):
            backbone = copy.deepcopy(self._given).to(self.device)
        else:
            backbone = self._from_file_or_name()
        tasks = list(backbone.dataset_mapping or [])
        if tasks and self.task not in tasks:
            raise InvalidInputError(f"task: expected one of {', '.join(tasks)}, got {self.task}")
        return Loaded(backbone, range(1, backbone.max_num_elements), len(backbone.blocks))

    def _from_file_or_name(self) -> Any:
        from fairchem.core.calculate import pretrained_mlip
        from fairchem.core.units.mlip_unit import InferenceSettings, load_predict_unit

        is_file = os.path.isfile(self.model)  # noqa: PTH113 - names of models are no paths
        if is_file:
            refuse_compiled(self.model)
        load = load_predict_unit if is_file else pretrained_mlip.get_predict_unit
        settings = InferenceSettings(activation_checkpointing=False, execution_mode="general")
        try:
            return load(self.model, inference_settings=settings, device=str(self.device)).model.module.backbone
        except Exception as error:
            raise InvalidInputError(
                f"{self.model}: cannot be loaded as a model of fairchem ({type(error).__name__}: {error}). {TRUST}"
            ) from error

    def _graph(self, atoms: Atoms) -> Any:
        from fairchem.core.datasets.atomic_data import AtomicData

        info = {"charge": 0, "spin": int(self.task == "omol")}
        info |= {key: int(atoms.info[key]) for key in info if key in atoms.info}
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=info)
        # Without these keys fairchem takes both for zero.
        return AtomicData.from_ase(bare, task_name=self.task, r_data_keys=["charge", "spin"])

    def _passed(self, graphs: Sequence[Any]) -> Pass:
        import torch
        from fairchem.core.datasets.atomic_data import atomicdata_list_to_batch

        batch = atomicdata_list_to_batch([graph.clone() for graph in graphs]).to(self.device)
        batch["pos"].requires_grad_(True)
        found: list[Any] = []
        hooks = [layer.register_forward_hook(lambda _, __, out: found.append(out)) for layer in self._module.blocks]
        try:
            last = self._module(batch)["node_embedding"]
        finally:
            for hook in hooks:
                hook.remove()
        # The last layer is normalised. Of an embedding the first row is scalar.
        layers = [*found[:-1], last]
        return Pass(torch.cat([layers[layer - 1][:, 0] for layer in self.layers], dim=1), [batch["pos"]])
