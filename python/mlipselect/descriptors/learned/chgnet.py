"""Atom features of CHGNet as a descriptor."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ase import Atoms

from mlipselect.descriptors.learned.options import LEARNED_OPTIONS
from mlipselect.descriptors.learned.torch_core import DifferentiableTorchDescriptor, Loaded, Pass
from mlipselect.descriptors.torch_settings import TRUST, refuse_compiled
from mlipselect.exceptions import InvalidInputError
from mlipselect.utils.option import Option


class CHGNet(DifferentiableTorchDescriptor):
    """The atom features of CHGNet: 64 for each layer, which rotations do not change.

    Parameters
    ----------
    model : path or str, default="0.3.0"
        A model that comes with chgnet (``"0.3.0"``, ``"0.2.0"``, ``"r2scan"``), or a file of one, which can run any
        code when it is loaded.
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
        Type of the rows: float32, as chgnet has no other.

    Notes
    -----
    Structures are described as they are, periodic or not; chgnet's own converter takes all for periodic. An atom
    without a neighbour within 6 Å gets the row of its element.

    The features bend sharply where the energy does not: differences of them over 0.01 Å can be a tenth off `vjp`.

    References
    ----------
    .. [1] B. Deng et al., CHGNet as a pretrained universal neural network potential for charge-informed atomistic
       modelling, Nat. Mach. Intell. 5, 1031 (2023).
    """

    package: ClassVar[str] = "chgnet"
    modules: ClassVar[tuple[str, ...]] = ("chgnet",)
    command_options: ClassVar[Mapping[str, Option]] = LEARNED_OPTIONS

    def __init__(
        self,
        model: str | os.PathLike[str] = "0.3.0",
        *,
        layers: Sequence[int] | None = None,
        device: str = "cpu",
        batch_atoms: int = 512,
    ):
        super().__init__(model, layers=layers, device=device, batch_atoms=batch_atoms)

    def _loaded(self) -> Loaded:
        from chgnet.model import CHGNet as Model

        is_file = Path(self.model).is_file()
        if is_file:
            refuse_compiled(self.model)
        try:
            if is_file:
                model = Model.from_file(self.model).to(self.device)
            else:
                model = Model.load(model_name=self.model, use_device=self.device, verbose=False)
        except Exception as error:
            raise InvalidInputError(
                f"{self.model}: is no model of chgnet and no file of one ({type(error).__name__}: {error}). {TRUST}"
            ) from error
        model.graph_converter.set_isolated_atom_response("ignore")
        numbers = range(1, model.atom_embedding.embedding.num_embeddings + 1)
        return Loaded(model, numbers, len(model.atom_conv_layers))

    def _graph(self, atoms: Atoms) -> Any:
        from pymatgen.core import Lattice, Structure

        lattice = Lattice(atoms.cell.complete(), pbc=tuple(map(bool, atoms.pbc)))
        structure = Structure(lattice, list(atoms.symbols), atoms.positions, coords_are_cartesian=True)
        graph = self._module.graph_converter(structure)
        # Nothing is differentiated by the lattice, and chgnet warns where it makes numbers of what can be.
        graph.lattice.requires_grad_(False)
        return graph.to(self.device)

    def _passed(self, graphs: Sequence[Any]) -> Pass:
        import torch

        caught: dict[int, Any] = {}
        module = self._module
        # What the energy is computed from is normalised where the model does that.
        last = module.atom_conv_layers[-1] if module.readout_norm is None else module.readout_norm
        hooks = [
            layer.register_forward_hook(lambda _, __, out, place=place: caught.__setitem__(place, out))
            for place, layer in enumerate([*module.atom_conv_layers[:-1], last], 1)
        ]
        try:
            module(graphs, task="e")
        finally:
            for hook in hooks:
                hook.remove()
        rows = torch.cat([caught[layer] for layer in self.layers], dim=1)
        # Graphs have fractional coordinates f = x inverse(cell), so the derivative by x is that by f times the
        # transpose of the inverse.
        inverses = [torch.linalg.inv(graph.lattice).T for graph in graphs]
        return Pass(
            rows,
            [graph.atom_frac_coord for graph in graphs],
            lambda slopes: torch.cat([slope @ inverse for slope, inverse in zip(slopes, inverses, strict=True)]),
        )
