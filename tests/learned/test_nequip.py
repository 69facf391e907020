"""NequIP with random weights."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import mlipselect as ms
from learned.foundation import assert_differentiable, assert_leaves_no_trace, assert_physical, structures
from learned.random_models import nequip
from mlipselect.testing import check_descriptor


@pytest.fixture(scope="module")
def descriptor():
    return ms.NequIP(nequip())


def test_the_conformance_kit_passes(descriptor):
    print(check_descriptor(descriptor))


def test_structures_that_are_the_same_have_the_same_rows(descriptor):
    assert_physical(descriptor)


def test_derivatives_are_those_of_differences(descriptor):
    assert_differentiable(descriptor)


def test_rows_are_those_that_pass_in_the_calculator_of_the_package(descriptor):
    from nequip.integrations.ase import NequIPCalculator
    from nequip.integrations.utils import basic_transforms

    model = nequip()
    names = model.metadata["type_names"].split()
    transforms = basic_transforms(model.metadata, 4.5, names, {name: name for name in names})
    calculator = NequIPCalculator(model, "cpu", transforms=transforms)
    last = ms.FromCalculator(calculator, "model.model.func.layer2_convnet[node_features]")
    for atoms in structures()[:7]:
        np.testing.assert_allclose(descriptor.features(atoms)[:, 16:], last.features(atoms), atol=1e-6)
    assert (descriptor.n_features, descriptor.dtype, descriptor.layers) == (24, "float32", (1, 2, 3))
    some = ms.NequIP(nequip(), layers=[3, 1])
    rows = descriptor.features(structures()[3])
    np.testing.assert_array_equal(some.features(structures()[3]), rows[:, [*range(16, 24), *range(8)]])
    assert some.parameters["sha256"] == descriptor.parameters["sha256"]


def test_isolated_atoms_have_rows_of_zeros_and_it_is_told():
    with pytest.warns(UserWarning, match="NequIP: the features of an isolated atom are zeros, whatever its element"):
        found = ms.NequIP(nequip(), layers=[3])
    assert not found.features(Atoms("Cu")).any()


def test_the_process_is_left_as_it_was():
    model = nequip()
    assert_leaves_no_trace(lambda: ms.NequIP(model))


def test_what_is_no_model_is_refused(descriptor, tmp_path):
    import torch

    with pytest.raises(ms.StructureError, match=r"expected elements that the model knows \(H, C, .*\), got Ge"):
        descriptor.features(bulk("Ge"))
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "si.nequip.pth"))
    with pytest.raises(ms.InvalidInputError, match=r"si\.nequip\.pth: this model was compiled \(TorchScript"):
        ms.NequIP(tmp_path / "si.nequip.pth")
    (tmp_path / "no.ckpt").write_bytes(b"not a model")
    with pytest.raises(ms.InvalidInputError, match=r"no\.ckpt: cannot be loaded as a model of nequip .*any code"):
        ms.NequIP(tmp_path / "no.ckpt")
