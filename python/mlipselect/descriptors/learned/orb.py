"""Atom features of ORB as a descriptor."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ase import Atoms

from mlipselect.descriptors.learned.options import LEARNED_OPTIONS, NEEDED_MODEL, ROTATIONS
from mlipselect.descriptors.learned.room import with_room
from mlipselect.descriptors.learned.torch_core import DifferentiableTorchDescriptor, Loaded, Pass
from mlipselect.descriptors.torch_settings import refuse_compiled
from mlipselect.exceptions import InvalidInputError
from mlipselect.utils.option import Option


class ORB(DifferentiableTorchDescriptor):
    """The atom features of an ORB model: 256 for each layer, which turn with the structure by some per cent.

    Parameters
    ----------
    model : str or torch.nn.Module
        A name by which orb-models knows a model, such as ``"orb-v3-conservative-20-omat"``; or a model in memory, of
        which a copy is taken.
    weights : path, optional
        File with the weights of the model of this name; by default orb-models downloads them.
    layers : sequence of int, optional
        Layers of message passing whose features are kept, from 1 on; by default all. The last one is what the energy
        is computed from.
    device : str, default="cpu"
        Device of the model, such as ``"cuda"``.
    batch_atoms : int, default=512
        Approximate number of atoms that are described together, which bounds the memory.
    rotations : int, default=1
        Turned copies of a structure whose rows are averaged, as the features turn with it. The first is not turned, the
        others are by rotations drawn with one seed. What is left of the change falls with the root of their number.

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
    orb-models refuses a structure that is periodic along one or two directions; here it gets vacuum along the others.
    The model runs in float32 of full precision and is not compiled. Models with a charge and a spin take both from
    ``Atoms.info``.

    orb-models 0.5 was run; 0.6 and later, which need Python 3.12, return a model together with what makes its graphs.

    References
    ----------
    .. [1] B. Rhodes et al., Orb-v3: atomistic simulation at scale, arXiv:2504.06231.
    """

    package: ClassVar[str] = "orb-models"
    modules: ClassVar[tuple[str, ...]] = ("orb_models.forcefield.pretrained",)
    command_options: ClassVar[Mapping[str, Option]] = {
        **LEARNED_OPTIONS,
        "model": NEEDED_MODEL,
        "weights": Option("file with the weights of the model (default: they are downloaded)", metavar="FILE"),
        "rotations": ROTATIONS,
    }

    def __init__(
        self,
        model: str | Any,
        *,
        weights: str | os.PathLike[str] | None = None,
        layers: Sequence[int] | None = None,
        device: str = "cpu",
        batch_atoms: int = 512,
        rotations: int = 1,
    ):
        self._given, self._weights_file = model, weights
        super().__init__(model, layers=layers, device=device, batch_atoms=batch_atoms, rotations=rotations)

    def _loaded(self) -> Loaded:
        from orb_models.forcefield import pretrained

        if isinstance(self._given, str):
            known = pretrained.ORB_PRETRAINED_MODELS
            if self.model not in known:
                raise InvalidInputError(f"model: expected one of {', '.join(known)}, got {self.model}")
            options: dict[str, Any] = {"device": str(self.device), "precision": "float32-highest", "compile": False}
            if self._weights_file is not None:
                refuse_compiled(self._weights_file)
                options["weights_path"] = os.fspath(self._weights_file)
            try:
                found = known[self.model](**options)
            except Exception as error:
                reason = next(iter(str(error).splitlines()), "")
                raise InvalidInputError(
                    f"{self.model}: weights cannot be loaded ({type(error).__name__}: {reason}); `weights` names a file"
                ) from error
        else:
            found = copy.deepcopy(self._given)
        # Since 0.6 a model comes with what makes its graphs.
        regressor, self._converter = found if isinstance(found, tuple) else (found, None)
        self._settings_of_graphs = self._converter or regressor.system_config
        model = regressor.model.to(self.device)
        return Loaded(model, range(1, 119), len(model.gnn_stacks))

    def _graph(self, atoms: Atoms) -> Any:
        partly = atoms.pbc.any() and not atoms.pbc.all()
        bare = (
            with_room(atoms, self._settings_of_graphs.radius)
            if partly
            else Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        )
        bare.info = {key: atoms.info[key] for key in ("charge", "spin") if key in atoms.info}
        if self._converter is not None:
            return self._converter.from_ase_atoms(bare, device=self.device)
        from orb_models.forcefield.atomic_system import ase_atoms_to_atom_graphs

        return ase_atoms_to_atom_graphs(bare, self._settings_of_graphs, device=self.device)

    def _passed(self, graphs: Sequence[Any]) -> Pass:
        import torch

        if self._converter is not None:
            batch = self._converter.batch(list(graphs))
        else:
            from orb_models.forcefield.base import batch_graphs

            batch = batch_graphs(list(graphs))
        # Vectors of edges as functions of the positions, which become a variable of differentiation.
        vectors, _, _ = batch.compute_differentiable_edge_vectors(use_stress_displacement=False, use_rotation=False)
        batch.edge_features["vectors"] = vectors
        found: list[Any] = []
        hooks = [
            layer.register_forward_hook(lambda _, __, out: found.append(out[0])) for layer in self._module.gnn_stacks
        ]
        try:
            self._module(batch)
        finally:
            for hook in hooks:
                hook.remove()
        return Pass(torch.cat([found[layer - 1] for layer in self.layers], dim=1), [batch.node_features["positions"]])
