"""UMA with random weights."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

import mlipselect as ms
from learned.foundation import assert_differentiable, assert_leaves_no_trace, assert_physical, structures
from learned.random_models import uma
from mlipselect.testing import check_descriptor


@pytest.fixture(scope="module")
def descriptor():
    return ms.UMA(uma(), "omat")


def test_the_conformance_kit_passes(descriptor):
    print(check_descriptor(descriptor))


def test_structures_that_are_the_same_have_the_same_rows(descriptor):
    assert_physical(descriptor)


def test_derivatives_are_those_of_differences(descriptor):
    assert_differentiable(descriptor, rtol=5e-3)


def test_rows_are_those_of_the_backbone(descriptor):
    import torch
    from fairchem.core.datasets.atomic_data import AtomicData, atomicdata_list_to_batch

    for atoms in structures()[:6]:
        batch = atomicdata_list_to_batch([AtomicData.from_ase(atoms, task_name="omat")])
        with torch.no_grad():
            expected = uma().eval()(batch)["node_embedding"][:, 0].numpy()
        np.testing.assert_allclose(descriptor.features(atoms)[:, 16:], expected, atol=1e-5)
    np.testing.assert_array_equal(descriptor.features(structures()[1]), descriptor.features(structures()[1]))


def test_rows_depend_on_task_charge_and_spin(descriptor):
    atoms = molecule("CH3CH2OH")
    other = ms.UMA(uma(), "omol")
    rows = other.features(atoms)
    assert np.abs(rows - descriptor.features(atoms)).max() > 1e-3
    assert other.parameters != descriptor.parameters
    for changed in ({"charge": 1}, {"spin": 3}):
        atoms.info = changed
        assert np.abs(other.features(atoms) - rows).max() > 1e-4
    atoms.info = {"charge": 0, "spin": 1, "note": "kept out"}
    np.testing.assert_array_equal(other.features(atoms), rows)
    with pytest.raises(ms.InvalidInputError, match="task: expected one of omat, omol, got oc20"):
        ms.UMA(uma(), "oc20")


def test_the_process_is_left_as_it_was():
    model = uma()
    assert_leaves_no_trace(lambda: ms.UMA(model, "omat"))


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "no.pt").write_bytes(b"not a model")
    with pytest.raises(ms.InvalidInputError, match=r"no\.pt: cannot be loaded as a model of fairchem .*any code"):
        ms.UMA(tmp_path / "no.pt", "omat")
    with pytest.raises(ms.InvalidInputError, match=r"uma-xxl: cannot be loaded as a model of fairchem .*uma-xxl"):
        ms.UMA("uma-xxl", "omat")
