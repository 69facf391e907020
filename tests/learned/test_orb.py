"""ORB with random weights: its features turn with the structure."""

from __future__ import annotations

import numpy as np
import pytest

import mlipselect as ms
from learned.foundation import assert_differentiable, assert_leaves_no_trace, structures
from learned.random_models import orb
from mlipselect.descriptors.learned.examination import random_rotations, turned_by
from mlipselect.testing import check_descriptor


@pytest.fixture(scope="module")
def descriptor():
    return ms.ORB(orb())


def test_the_conformance_kit_passes_but_for_rotation(descriptor):
    print(check_descriptor(descriptor, invariant=False))


def test_features_that_turn_are_told_with_the_number_and_averaged_over_rotations(descriptor):
    atoms, turn = structures()[1], random_rotations(7)[6]
    changes = []
    for rotations in (1, 16):
        with pytest.warns(UserWarning, match=r"ORB: features turn with the structure, by \d+\.\d % of the largest"):
            averaged = ms.ORB(orb(), rotations=rotations)
        rows = averaged.features(atoms)
        changes.append(np.abs(averaged.features(turned_by(atoms, turn)) - rows).max() / np.abs(rows).max())
    print(changes)
    assert changes[1] < 0.6 * changes[0]
    assert averaged.parameters["rotations"] == 16


def test_a_slab_is_one_with_vacuum_although_the_package_refuses_it(descriptor):
    slab = structures()[4]
    rows = descriptor.features(slab)
    slab.pbc = True
    np.testing.assert_allclose(rows, descriptor.features(slab), atol=1e-5 * np.abs(rows).max())


def test_derivatives_are_those_of_differences(descriptor):
    assert_differentiable(descriptor, rtol=1e-2)


def test_rows_are_those_that_pass_in_the_calculator_of_the_package(descriptor):
    from orb_models.forcefield.calculator import ORBCalculator

    with pytest.warns(UserWarning, match="features turn"):
        last = ms.FromCalculator(ORBCalculator(orb(), device="cpu"), "model.model.gnn_stacks.2[0]")
    for k in (0, 1, 2, 3, 5, 6):
        np.testing.assert_allclose(
            descriptor.features(structures()[k])[:, 64:], last.features(structures()[k]), atol=2e-5
        )


def test_the_process_is_left_as_it_was():
    model = orb()
    assert_leaves_no_trace(lambda: ms.ORB(model))


def test_a_model_by_name_with_a_file_of_weights(tmp_path):
    import torch
    from orb_models.forcefield import pretrained

    torch.manual_seed(0)
    torch.save(pretrained.orb_v3_conservative_architecture(device="cpu").state_dict(), tmp_path / "orb.ckpt")
    descriptor = ms.ORB("orb-v3-conservative-20-omat", weights=tmp_path / "orb.ckpt", layers=[5])
    assert descriptor.features(structures()[1]).shape == (8, 256)
    # The graphs are those of this model, with at most twenty neighbours.
    assert descriptor._settings_of_graphs.max_num_neighbors == 20


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ms.InvalidInputError, match=r"model: expected one of orb-v3-conservative-omol, .*, got orb-v9"):
        ms.ORB("orb-v9")
    (tmp_path / "no.ckpt").write_bytes(b"not a model")
    with pytest.raises(ms.InvalidInputError, match=r"orb-v2: weights cannot be loaded .*; `weights` names a file"):
        ms.ORB("orb-v2", weights=tmp_path / "no.ckpt")
