"""Rows that are caught inside a calculator: a toy of pair functions; CHGNet and SevenNet where they are installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.neighborlist import neighbor_list

import mlipselect as ms
from mlipselect.testing import check_descriptor


def toy(**how):
    """Make a calculator whose model is an embedding of pair functions, two layers and a sum."""
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first, self.second = torch.nn.Linear(3, 5).double(), torch.nn.Linear(5, 1).double()
            self.unused, self.table = torch.nn.Linear(3, 3), torch.nn.Identity()

        def forward(self, pairs):
            data = self.table({"x": pairs, "count": torch.tensor(len(pairs))})
            hidden = torch.tanh(self.first(data["x"]))
            # Later modules of some packages write into the dictionary of earlier ones.
            data["x"] = self.second(hidden)
            return data["x"].sum()

    class Toy(Calculator):
        implemented_properties = ("energy",)

        def __init__(self, task="bulk", limit=None, turning=0.0):
            super().__init__()
            self.models, self.task, self._limit, self._turning = [Model()], task, limit, turning

        def calculate(self, atoms=None, properties=("energy",), changes=()):
            super().calculate(atoms, properties, changes)
            assert set(atoms.info) <= {"charge", "spin"}
            if self._limit is not None and len(atoms) > self._limit:
                raise MemoryError("too large")
            rows = np.tile(atoms.numbers[:, None] / 10.0 + atoms.info.get("charge", 0), 3)
            for i, distance, vector in zip(*neighbor_list("idD", atoms, 4.0), strict=True):
                rows[i] += self._turning * (vector / distance) ** 2 * (1 - distance / 4.0) ** 2
                rows[i] += np.exp(-distance / np.array([1.0, 2.0, 3.0])) * (1 - distance / 4.0) ** 3
            self.results = {"energy": float(self.models[0](torch.tensor(rows)))}

    return Toy(**how)


def test_rows_are_those_that_pass():
    import torch

    calculator, atoms = toy(), bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    given = ms.FromCalculator(calculator, "models.0.table[x]").features(atoms)
    assert given.shape == (8, 3)
    out = ms.FromCalculator(calculator, "models.0.first")
    model = calculator.models[0]
    with torch.no_grad():
        hidden = model.first(torch.tensor(given))
        np.testing.assert_array_equal(out.features(atoms), hidden.numpy())
        into = ms.FromCalculator(calculator, "models.0.second", where="input").features(atoms)
        np.testing.assert_array_equal(into, torch.tanh(hidden).numpy())
    assert (out.n_features, out.dtype, out.refused) == (5, "float64", {})
    check_descriptor(out)
    assert not isinstance(out, ms.descriptors.DifferentiableDescriptor)
    charged = atoms.copy()
    charged.info.update(charge=1, note="kept out")
    assert np.abs(out.features(charged) - out.features(atoms)).max() > 0.1


def test_rows_that_turn_are_averaged_over_rotations():
    """The first neighbour's direction enters the rows of the toy: the mean over all rotations has none."""
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    turn = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    turned = Atoms(atoms.numbers, atoms.positions @ turn, cell=atoms.cell.array @ turn, pbc=True)
    changes = []
    for rotations in (1, 4, 256):
        with pytest.warns(UserWarning, match="features turn with the structure"):
            descriptor = ms.FromCalculator(toy(turning=1.0), "models.0.table[x]", rotations=rotations)
        changes.append(np.abs(descriptor.features(turned) - descriptor.features(atoms)).max())
        assert descriptor.parameters["rotations"] == rotations
        np.testing.assert_array_equal(descriptor.features(atoms), descriptor.features(atoms))
    assert changes[2] < 0.25 * changes[0]
    with pytest.raises(ms.InvalidInputError, match="rotations: expected at least 1, got 0"):
        ms.FromCalculator(toy(), "models.0.first", rotations=0)


def test_a_wrong_name_lists_what_has_one_row_per_atom():
    rows = r"models\.0\.first \(n, 5\), input of models\.0\.second \(n, 5\), models\.0\.second \(n, 1\)"
    for layer, problem in (
        ("models.0.third", "there is no module 'models.0.third'"),
        ("models.0.unused", "the calculator does not call models.0.unused"),
        ("models.0.table", "the output of models.0.table is not one row per atom"),
        ("models.0.table[count]", "is not one row per atom"),
    ):
        with pytest.raises(ms.InvalidInputError, match=f"layer: .*{problem}.*; one row per atom have .*({rows})"):
            ms.FromCalculator(toy(), layer)
    with pytest.raises(ms.InvalidInputError, match="where: expected 'output' or 'input', got 'inside'"):
        ms.FromCalculator(toy(), "models.0.first", where="inside")
    with pytest.raises(ms.InvalidInputError, match="FromCalculator: Calculator has no torch module"):
        ms.FromCalculator(Calculator(), "model")
    with pytest.raises(ms.InvalidInputError, match=r"Toy fails on a crystal of Si \(MemoryError: too large\)"):
        ms.FromCalculator(toy(limit=1), "models.0.first")


def test_the_record_names_calculator_settings_layer_and_weights():
    import torch

    descriptor = ms.FromCalculator(toy(), "models.0.first")
    record = descriptor.parameters
    assert record["calculator"].endswith("Toy")
    assert (record["settings"]["task"], record["layer"], record["where"]) == ("bulk", "models.0.first", "output")
    assert ms.FromCalculator(toy(), "models.0.first").parameters == record
    assert ms.FromCalculator(toy(task="molecules"), "models.0.first").parameters != record
    other = toy()
    with torch.no_grad():
        other.models[0].second.bias += 1
    assert ms.FromCalculator(other, "models.0.first").parameters["sha256"] != record["sha256"]


def test_a_structure_on_which_the_calculator_fails_is_named():
    descriptor = ms.FromCalculator(toy(limit=7), "models.0.first")
    with pytest.raises(ms.StructureError, match="structure 1: the calculator failed: MemoryError: too large"):
        ms.featurize([bulk("Si"), bulk("Si", cubic=True)], descriptor)
    with pytest.raises(ms.StructureError, match="at least one atom"):
        descriptor.features(Atoms())


@pytest.mark.parametrize(
    ("package", "layer", "where"),
    [("chgnet", "model.mlp", "input"), ("sevenn", "model.4_equivariant_gate[x]", "output")],
)
def test_adapters_agree_with_what_is_caught(package, layer, where):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed; `make test-learned` makes an environment with it")
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    if package == "chgnet":
        from chgnet.model import CHGNetCalculator

        calculator, adapter = CHGNetCalculator(use_device="cpu", on_isolated_atoms="ignore"), ms.CHGNet(layers=[4])
    else:
        from sevenn.calculator import SevenNetCalculator

        calculator, adapter = SevenNetCalculator("7net-0", device="cpu"), ms.SevenNet(layers=[5])
    descriptor = ms.FromCalculator(calculator, layer, where=where)
    np.testing.assert_allclose(descriptor.features(atoms), adapter.features(atoms), atol=1e-6)
    if package == "chgnet":
        assert "without a cell (LinAlgError" in descriptor.refused["free"]
        return
    with pytest.warns(UserWarning, match=r"features turn with the structure, by \d+\.\d %"):
        ms.FromCalculator(calculator, "model.3_equivariant_gate[x]")
