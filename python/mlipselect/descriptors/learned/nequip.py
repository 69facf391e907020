"""Scalar node features of NequIP as a descriptor."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ase import Atoms
from ase.data import atomic_numbers

from mlipselect.descriptors.learned.options import LEARNED_OPTIONS, NEEDED_MODEL
from mlipselect.descriptors.learned.scalars import scalar_columns
from mlipselect.descriptors.learned.torch_core import DifferentiableTorchDescriptor, Loaded, Pass
from mlipselect.descriptors.torch_settings import TRUST, refuse_compiled
from mlipselect.exceptions import InvalidInputError
from mlipselect.utils.option import Option


class NequIP(DifferentiableTorchDescriptor):
    """The scalar node features of a NequIP model, which rotations do not change.

    Parameters
    ----------
    model : path, str or torch.nn.Module
        A checkpoint (``.ckpt``) or package (``.nequip.zip``), which can run any code when it is loaded; or a name such
        as ``"nequip.net:mir-group/NequIP-OAM-L:0.1"``, which nequip downloads; or a model in memory, of which a copy is
        taken.
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
        Type of the rows: that of the model, float32 for most, although nequip computes positions and energies in
        float64.

    Notes
    -----
    The model stops before its readout, and computes no forces. The rows of an isolated atom are zeros for every
    element. Allegro has features of pairs and none of atoms, and is refused.

    nequip seeds all generators and changes the default type of torch when it loads a model; both are put back.

    References
    ----------
    .. [1] S. Batzner et al., E(3)-equivariant graph neural networks for data-efficient and accurate interatomic
       potentials, Nat. Commun. 13, 2453 (2022).
    """

    package: ClassVar[str] = "nequip"
    modules: ClassVar[tuple[str, ...]] = ("nequip.model", "nequip.integrations.ase")
    command_options: ClassVar[Mapping[str, Option]] = {**LEARNED_OPTIONS, "model": NEEDED_MODEL}
    # Positions and cutoffs are float64 in every model.
    type_of_torch = "float64"

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
        model, self._transforms = self._model_and_transforms()
        # Without the module around it that computes forces.
        inner = getattr(model.model, "func", model.model)
        parts = list(inner.named_children())
        places = [place for place, (name, _) in enumerate(parts) if name.endswith("_convnet")]
        if not places:
            raise InvalidInputError(f"{self.model}: expected a NequIP model, but it has no layers of atoms, as Allegro")
        self._parts = [part for _, part in parts[: places[-1] + 1]]
        self._scalars = {place: scalar_columns(parts[place][1].irreps_out["node_features"]) for place in places}
        self._inputs = list(model.model_input_fields)
        return Loaded(model, [atomic_numbers[name] for name in self._types(model)], len(places))

    def _model_and_transforms(self) -> tuple[Any, list[Any]]:
        """Load the model, and what finds types and neighbours of a structure."""
        import torch
        from nequip.integrations.ase import NequIPCalculator
        from nequip.integrations.utils import basic_transforms

        if isinstance(self._given, torch.nn.Module):
            model = copy.deepcopy(self._given).to(self.device)
            names = self._types(model)
            cutoff = float(model.metadata["r_max"])
            return model, basic_transforms(model.metadata, cutoff, names, {name: name for name in names})
        if os.path.isfile(self.model):  # noqa: PTH113 - names of models are no paths
            refuse_compiled(self.model)
        try:
            calculator = NequIPCalculator._from_saved_model(
                self.model, device=self.device, chemical_species_to_atom_type_map=True
            )
        except Exception as error:
            raise InvalidInputError(
                f"{self.model}: cannot be loaded as a model of nequip ({type(error).__name__}: {error}). {TRUST}"
            ) from error
        return calculator.model, calculator.transforms

    def _types(self, model: Any) -> list[str]:
        names = model.metadata["type_names"].split()
        unknown = [name for name in names if name not in atomic_numbers]
        if unknown:
            raise InvalidInputError(f"{self.model}: expected types that are elements, got {unknown[0]}")
        return list(names)

    def _graph(self, atoms: Atoms) -> Any:
        from nequip.data import AtomicDataDict, from_ase

        data = from_ase(Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc))
        for transform in self._transforms:
            data = transform(data)
        return AtomicDataDict.to_(data, self.device)

    def _passed(self, graphs: Sequence[Any]) -> Pass:
        import torch
        from nequip.data import AtomicDataDict

        whole = AtomicDataDict.batched_from_list(list(graphs))
        data = {key: whole[key] for key in self._inputs if key in whole}
        positions = data["pos"].requires_grad_(True)
        found = []
        for place, part in enumerate(self._parts):
            data = part(data)
            if place in self._scalars:
                found.append(data["node_features"][:, self._scalars[place]])
        return Pass(torch.cat([found[layer - 1] for layer in self.layers], dim=1), [positions])
