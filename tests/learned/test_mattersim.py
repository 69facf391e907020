"""MatterSim with random weights."""

from __future__ import annotations

import numpy as np
import pytest

import mlipselect as ms
from learned.foundation import assert_differentiable, assert_leaves_no_trace, assert_physical, structures
from learned.random_models import mattersim
from mlipselect.cli import main
from mlipselect.testing import check_descriptor


@pytest.fixture(scope="module")
def descriptor():
    return ms.MatterSim(mattersim())


def test_the_conformance_kit_passes(descriptor):
    print(check_descriptor(descriptor))


def test_structures_that_are_the_same_have_the_same_rows(descriptor):
    assert_physical(descriptor)


def test_a_slab_with_an_atom_below_its_cell_is_not_torn(descriptor):
    slab = structures()[4]
    lowered = slab.copy()
    lowered.positions[:, 2] -= slab.positions[:, 2].min() + 0.5
    np.testing.assert_allclose(descriptor.features(lowered), descriptor.features(slab), atol=1e-5)


def test_derivatives_are_those_of_differences(descriptor):
    assert_differentiable(descriptor)


def test_rows_are_those_that_pass_in_the_calculator_of_the_package(descriptor):
    from mattersim.forcefield.potential import MatterSimCalculator, Potential

    calculator = MatterSimCalculator(potential=Potential(mattersim(), device="cpu"), device="cpu")
    last = ms.FromCalculator(calculator, "potential.model.final", where="input")
    for atoms in structures()[:4]:
        np.testing.assert_allclose(descriptor.features(atoms)[:, 16:], last.features(atoms), atol=1e-6)


def test_the_process_is_left_as_it_was():
    model = mattersim()
    assert_leaves_no_trace(lambda: ms.MatterSim(model))


def test_a_file_by_the_command_line(files, tmp_path, descriptor):
    import torch

    model = mattersim()
    content = {"model_name": "m3gnet", "model_args": model.model_args, "model": model.state_dict()}
    torch.save(content, tmp_path / "model.pth")
    command = ["featurize", "pool.xyz", "--descriptor", "mattersim", "--model", str(tmp_path / "model.pth")]
    assert main([*command, "-q", "-o", "out.npz"]) == 0
    np.testing.assert_array_equal(
        ms.Features.load("out.npz").per_structure, ms.featurize("pool.xyz", descriptor).per_structure
    )


def test_what_is_no_model_is_refused(tmp_path):
    import torch

    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "compiled.pth"))
    with pytest.raises(ms.InvalidInputError, match=r"compiled\.pth: this model was compiled \(TorchScript"):
        ms.MatterSim(tmp_path / "compiled.pth")
    with pytest.raises(ms.InvalidInputError, match=r"absent\.pth: cannot be loaded as a model of mattersim"):
        ms.MatterSim(tmp_path / "absent.pth")
