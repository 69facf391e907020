"""Node features of MACE models as a descriptor."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlipselect.descriptors.base import Design, Prediction
from mlipselect.descriptors.batches import alone
from mlipselect.descriptors.learned.core import told
from mlipselect.descriptors.learned.torch_core import DifferentiableTorchDescriptor, Loaded, Pass
from mlipselect.descriptors.mace.forward import VOIGT, MacePass
from mlipselect.descriptors.mace.model import feature_columns, load_model, numbers_per_edge
from mlipselect.descriptors.torch_settings import MODEL_OPTIONS, checked_dtype, import_extra, torch_settings
from mlipselect.exceptions import InvalidInputError
from mlipselect.utils.option import Option

# Memory of a pass forward, and of one forward and back, in units of the largest array of messages. Measured: 2.5 and up
# to 6 with mace's own modules, 1.2 and 4.4 with ours on a CPU (benches/python/mace.py --memory). The factor of two is
# for structures with few neighbours and for memory that the allocator keeps.
_FORWARD, _BACKWARD = 5, 12

# Keys of Atoms.info that MACECalculator reads, for models that depend on the charge and spin of a system.
_INFO_KEYS = {"total_spin": "spin", "total_charge": "charge", "external_field": "external_field"}


class MACE(DifferentiableTorchDescriptor):
    """The node features of a MACE model, which describe the environment of each atom.

    A model file can run any code when it is loaded: give only files from people you trust.

    Parameters
    ----------
    model : path, str or torch.nn.Module
        File of a model as mace writes it; or a foundation model, which mace's own loader downloads or takes from its
        cache: ``"mp:NAME"``, ``"off:NAME"`` or ``"omol:NAME"``, for ``mace_mp``, ``mace_off`` and ``mace_omol``; or a
        model in memory, of which a copy is taken.
    invariants_only : bool, default=True
        Keep only the features that rotations do not change, of every layer. Otherwise all are kept, as in [1]_. A model
        of two layers with 128x0e+128x1o then has 512 + 128 = 640 features. The 384 of 128x1o turn with the structure:
        equal structures in different orientations differ in them.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which the model runs, and type of the features.
    device : str, default="cpu"
        Device of the model, such as ``"cuda"``.
    max_memory : int, optional
        Approximate limit in bytes for one pass of the model, exceeded if a single structure needs more. By default
        128 MiB on a CPU, where larger batches are slower, and 2 GiB elsewhere.

    Attributes
    ----------
    elements : tuple of str
        Elements that the model knows.
    n_features : int
        Length of a row.
    rcut : float
        Cutoff of one layer, in Å. The features of an atom depend on atoms within this times the number of layers.

    Notes
    -----
    Structures are described in batches that `max_memory` bounds, without a pass for forces. On a CPU, modules of this
    package compute the messages and the symmetric contraction; they agree with those of mace up to rounding.

    Derivatives are taken by reverse-mode automatic differentiation. Rows of `design` take a second reverse pass if
    there are fewer components than features. Forward-mode differentiation is not used: in compiled parts of MACE torch
    can drop a part of the derivative without an error.

    Batches and numbers of threads may change the last digits of features. On CUDA sums run in an order that changes
    from call to call, and so do the last digits.

    References
    ----------
    .. [1] T. Rocke and J. Kermode, arXiv:2502.21165.
    .. [2] I. Batatia et al., MACE, NeurIPS 2022, arXiv:2206.07697.
    """

    package: ClassVar[str] = "mace-torch"
    # mace before e3nn 0.4.4, which torch since 2.6 can import only after mace has told it to load files unchecked.
    modules: ClassVar[tuple[str, ...]] = ("mace", "mace.modules", "mace.data")
    command_options: ClassVar[Mapping[str, Option]] = {
        **MODEL_OPTIONS,
        "all_features": Option(
            "keep features that turn with the structure, too (default: invariants only)", action="store_true"
        ),
    }

    def __init__(
        self,
        model: str | os.PathLike[str] | Any,
        *,
        invariants_only: bool = True,
        dtype: Any = "float64",
        device: str = "cpu",
        max_memory: int | None = None,
    ):
        self.invariants_only = bool(invariants_only)
        self.turns = not self.invariants_only
        self.dtype = checked_dtype(dtype)
        self.type_of_torch = self.dtype
        self.max_memory = (2**27 if device == "cpu" else 2**31) if max_memory is None else max_memory
        self._given = model
        super().__init__(model, device=device)

    def _loaded(self) -> Loaded:
        module, self.model, digest = load_model(self._given, str(self.device), self.dtype)
        del self._given
        self._columns = feature_columns(module, self.invariants_only)
        self._bytes_per_edge = numbers_per_edge(module) * np.dtype(self.dtype).itemsize
        self.rcut = float(module.r_max)
        return Loaded(module, [int(number) for number in module.atomic_numbers], sha256=digest)

    @classmethod
    def from_options(cls, given: Mapping[str, Any], dtype: str) -> MACE:
        """Make the descriptor that options of the command line define, with the model in the type of the features."""
        own = {name: value for name, value in given.items() if name != "all_features"}
        return cls(**own, invariants_only=not given.get("all_features", False), dtype=dtype)

    @property
    def parameters(self) -> dict[str, Any]:
        """Definition of the descriptor, ready for JSON."""
        return {
            "name": "MACE",
            "model": self.model,
            "sha256": self._sha256,
            "invariants_only": self.invariants_only,
            "dtype": self.dtype,
        }

    def predict(self, atoms: Atoms, w: npt.ArrayLike) -> Prediction:
        """Evaluate a linear model of the features: energy, forces and virial.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        w : array_like of shape (n_features,)
            One weight per feature.

        Returns
        -------
        Prediction
            Energy, forces, virial and the energy of each site.

        Raises
        ------
        InvalidInputError
            `w` is not one finite number per feature.
        StructureError
            As `features`.
        """
        prediction: Prediction = alone(self.predictions, [atoms], w)[0]
        return prediction

    def predictions(
        self, structures: Sequence[Atoms], w: npt.ArrayLike, n_threads: int | None = None
    ) -> list[Prediction]:
        """Evaluate a linear model of the features for many structures: as `predict`, in batches.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            The structures.
        w : array_like of shape (n_features,)
            One weight per feature.
        n_threads : int, optional
            Threads of torch; by default its current setting.

        Returns
        -------
        list of Prediction
            One per structure.

        Raises
        ------
        InvalidInputError
            `w` is not one finite number per feature.
        StructureError
            As `features`; its `index` is that of the structure.
        """
        import torch

        if isinstance(structures, Atoms):
            raise InvalidInputError("expected a sequence of ase.Atoms; `predict` takes a single one")
        weights = torch.tensor(self._weights(w, 1), device=self.device)
        out: list[Prediction] = []
        with torch_settings(self.dtype, n_threads):
            for _, graphs in self._batches(structures, _BACKWARD):
                batch = self._collated(graphs)
                rows, positions, strain = self._differentiable(batch)
                sites = rows @ weights
                slopes = torch.autograd.grad(sites.sum(), [positions, strain], materialize_grads=True)
                energies = _numpy(sites)
                forces, virials = (-_numpy(slope) for slope in slopes)
                ends = batch["ptr"].tolist()
                for k, (start, end) in enumerate(pairwise(ends)):
                    own = energies[start:end].astype(np.float64)
                    virial = virials[k][VOIGT].astype(np.float64)
                    out.append(Prediction(float(own.sum()), forces[start:end].astype(np.float64), virial, own))
        return out

    def forward(self, atoms: Atoms, n_threads: int | None = None) -> MacePass:
        """Visit the atoms of one structure, for its mean row, any number of linear models, and the energy of the model.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.
        n_threads : int, optional
            Threads of torch; by default its current setting.

        Returns
        -------
        MacePass
            Its `row` is the mean of `features`; each of its predictions takes one pass back. It holds the intermediate
            results of the model.

        Raises
        ------
        StructureError
            As `features`.
        """
        alone(self._check, atoms)
        with torch_settings(self.dtype, n_threads):
            batch = self._collated([[self._graph(atoms)]])
            positions = batch["positions"].requires_grad_(True)
            found = self._module(batch, training=False, compute_force=False, compute_displacement=True)
        return MacePass(found, positions, self._columns, self.dtype, self._weights, n_threads)

    def design(self, atoms: Atoms) -> Design:
        """Differentiate every feature of one structure: the rows of a linear fit to energy, forces and virial.

        The cost is one backward pass per feature or, if those are fewer, one second-order pass per component of forces
        and virial. With hundreds of features that suits cells of up to some tens of atoms; for larger ones
        `force_variance` estimates the variances of forces without these rows.

        Parameters
        ----------
        atoms : ase.Atoms
            The structure.

        Returns
        -------
        Design
            Rows for the energy, the forces and the virial.

        Raises
        ------
        StructureError
            As `features`.
        """
        alone(self._check, atoms)
        if 3 * len(atoms) + 6 < self.n_features:
            by_position, by_strain = self._pushed_forward(atoms)
        else:
            by_position, by_strain = self._by_position_and_strain(atoms, np.eye(self.n_features))
            by_position = by_position.reshape(self.n_features, -1).T
            by_strain = by_strain[:, VOIGT[0], VOIGT[1]].T
        energy = self.features(atoms).sum(axis=0, dtype=np.float64).astype(self.dtype)
        return Design(energy=energy, forces=-np.ascontiguousarray(by_position), virial=-np.ascontiguousarray(by_strain))

    def _pulled_back(self, atoms: Atoms, weights: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        return self._by_position_and_strain(atoms, weights)[0]

    def _by_position_and_strain(
        self, atoms: Atoms, W: npt.NDArray[np.floating]
    ) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """Differentiate weighted sums of features by positions (k, n, 3) and strain (k, 3, 3): one pass back for each.

        Copies of a small structure are differentiated together, each for its own weights.
        """
        import torch

        by_position = np.empty((len(W), len(atoms), 3), dtype=self.dtype)
        by_strain = np.empty((len(W), 3, 3), dtype=self.dtype)
        with torch_settings(self.dtype):
            batch, copies = self._copied(atoms, len(W))
            rows, positions, strain = self._differentiable(batch)
            for start in range(0, len(W), copies):
                own = torch.zeros((copies, self.n_features), device=self.device)
                count = len(W[start : start + copies])
                own[:count] = torch.tensor(W[start : start + copies], device=self.device)
                slopes = torch.autograd.grad(
                    rows, [positions, strain], own[batch["batch"]], retain_graph=True, materialize_grads=True
                )
                by_position[start : start + count] = _numpy(slopes[0]).reshape(copies, -1, 3)[:count]
                by_strain[start : start + count] = _numpy(slopes[1])[:count]
        return by_position, by_strain

    def _pushed_forward(self, atoms: Atoms) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """Differentiate all features by each position (3 n, d) and strain (6, d): twice in reverse mode.

        The derivatives of a weighted sum are linear in the weights; their derivatives by the weights are the rows.
        """
        import torch

        n_rows = 3 * len(atoms) + 6
        out = np.empty((n_rows, self.n_features), dtype=self.dtype)
        with torch_settings(self.dtype):
            batch, copies = self._copied(atoms, n_rows)
            rows, positions, strain = self._differentiable(batch)
            weights = torch.zeros((copies, self.n_features), device=self.device, requires_grad=True)
            slopes = torch.autograd.grad(
                rows,
                [positions, strain],
                weights[batch["batch"]],
                create_graph=True,
                materialize_grads=True,
            )
            strains = slopes[1][:, VOIGT[0], VOIGT[1]]
            components = torch.cat([slopes[0].reshape(copies, -1), strains], dim=1)
            for start in range(0, n_rows, copies):
                count = min(copies, n_rows - start)
                chosen = components[torch.arange(count), torch.arange(start, start + count)].sum()
                (own,) = torch.autograd.grad(chosen, weights, retain_graph=True, materialize_grads=True)
                out[start : start + count] = _numpy(own)[:count]
        return out[:-6], out[-6:]

    def _copied(self, atoms: Atoms, wanted: int) -> tuple[dict[str, Any], int]:
        """Collate as many copies of a structure as there is room for, and at most as many as wanted."""
        graph = self._graph(atoms)
        needed = _BACKWARD * self._bytes_per_edge * max(graph.edge_index.shape[1], 1)
        copies = max(1, min(wanted, self.max_memory // needed))
        return self._collated([[graph]] * copies), copies

    def _passed(self, graphs: Sequence[Any]) -> Pass:
        batch = _collated(graphs, str(self.device))
        found = self._module(batch, training=False, compute_force=False)
        return Pass(found["node_feats"][:, self._columns], [batch["positions"]])

    def _differentiable(self, batch: dict[str, Any]) -> tuple[Any, Any, Any]:
        """Run the model; return features, positions and strains, the last two as variables of differentiation."""
        positions = batch["positions"].requires_grad_(True)
        found = self._module(batch, training=False, compute_force=False, compute_displacement=True)
        return found["node_feats"][:, self._columns], positions, found["displacement"]

    def _batches(self, structures: Sequence[Atoms], passes: int = _FORWARD) -> Iterator[tuple[int, list[Any]]]:
        """Yield prepared structures in batches that fit into `max_memory`, each with the index of its first."""
        room = self.max_memory // (passes * self._bytes_per_edge)
        batch: list[Any] = []
        n_edges = 0
        for index, atoms in enumerate(structures):
            self._check(atoms, index)
            with told(index):
                prepared = self._prepared(atoms)
            own = prepared[0].edge_index.shape[1] + prepared[0].num_nodes
            if batch and n_edges + own > room:
                yield index - len(batch), batch
                batch, n_edges = [], 0
            batch.append(prepared)
            n_edges += own
        if batch:
            yield len(structures) - len(batch), batch

    def _collated(self, prepared: Sequence[Any]) -> dict[str, Any]:
        return _collated([graphs[0] for graphs in prepared], str(self.device))

    def _import(self, name: str) -> Any:
        return import_extra(name, "mace")

    def _graph(self, atoms: Atoms) -> Any:
        from mace import data
        from mace.tools import AtomicNumberTable

        config = data.config_from_atoms(atoms, key_specification=data.KeySpecification(info_keys=dict(_INFO_KEYS)))
        heads = getattr(self._module, "heads", None)
        return data.AtomicData.from_config(
            config, z_table=AtomicNumberTable(self._numbers), cutoff=self.rcut, heads=heads
        )

    def __repr__(self) -> str:
        kind = "invariant features" if self.invariants_only else "features"
        return f"MACE({self.model!r}, dtype={self.dtype}, device={self.device}): {self.n_features} {kind}"


def _collated(graphs: Sequence[Any], device: str) -> dict[str, Any]:
    from mace.tools.torch_geometric.dataloader import DataLoader

    (batch,) = DataLoader(list(graphs), batch_size=len(graphs), shuffle=False)
    found: dict[str, Any] = batch.to(device).to_dict()
    return found


def _numpy(tensor: Any) -> npt.NDArray[np.floating]:
    array: npt.NDArray[np.floating] = tensor.detach().cpu().numpy()
    return array
