"""A metatomic model: four functions of distance, summed over neighbours, its rows in reverse order of the atoms."""

# What metatomic and TorchScript compare are the names of typing.
# ruff: noqa: UP006, UP035, UP045

from pathlib import Path
from typing import Dict, List, Optional

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import AtomisticModel, ModelCapabilities, ModelMetadata, ModelOutput, NeighborListOptions, System


class Toy(torch.nn.Module):
    """The model, whose output has the name it is given."""

    def __init__(self, output: str, cut: bool, turning: bool):
        super().__init__()
        self.output, self.cut, self.turning = output, cut, turning
        self.neighbours = NeighborListOptions(cutoff=4.0, full_list=True, strict=True)

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:
        return [self.neighbours]

    def forward(
        self,
        systems: List[System],
        outputs: Dict[str, ModelOutput],  # noqa: ARG002
        selected_atoms: Optional[Labels] = None,  # noqa: ARG002
    ) -> Dict[str, TensorMap]:
        values: List[torch.Tensor] = []
        samples: List[torch.Tensor] = []
        for k in range(len(systems)):
            system = systems[k]
            pairs = system.get_neighbor_list(self.neighbours)
            distances = torch.linalg.vector_norm(pairs.values.reshape(-1, 3), dim=1, keepdim=True)
            if self.cut:
                distances = distances.detach()
            widths = torch.arange(1, 5, dtype=distances.dtype)
            terms = torch.exp(-widths * (distances - 2.0) ** 2) * (1.0 - distances / 4.0) ** 3
            if self.turning:
                terms = terms * (1.0 + pairs.values[:, 0] / 4.0)
            rows = torch.zeros((len(system), 4), dtype=distances.dtype)
            rows = rows.index_add(0, pairs.samples.column("first_atom").to(torch.int64), terms)
            values.append(rows.flip(0))
            atoms = torch.arange(len(system), dtype=torch.int32).flip(0)
            samples.append(torch.stack([torch.full_like(atoms, k), atoms], dim=1))
        block = TensorBlock(
            torch.cat(values),
            Labels(["system", "atom"], torch.cat(samples)),
            [],
            Labels(["feature"], torch.arange(4, dtype=torch.int32).reshape(-1, 1)),
        )
        return {self.output: TensorMap(Labels(["_"], torch.tensor([[0]])), [block])}


def export(path: Path, output: str = "feature", cut: bool = False, turning: bool = False) -> Path:
    """Write the model to a file: cut from the positions, or with features that turn, if asked for."""
    capabilities = ModelCapabilities(
        outputs={output: ModelOutput(sample_kind="atom")},
        atomic_types=[14],
        interaction_range=4.0,
        length_unit="angstrom",
        supported_devices=["cpu"],
        dtype="float64",
    )
    AtomisticModel(Toy(output, cut, turning).eval(), ModelMetadata(), capabilities).save(str(path))
    return path
