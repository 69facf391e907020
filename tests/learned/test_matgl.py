"""Potentials of MatGL with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import mlipselect as ms
from learned.foundation import assert_differentiable, assert_leaves_no_trace, assert_physical, structures
from learned.random_models import matgl
from mlipselect.cli import main
from mlipselect.testing import check_descriptor

KINDS = ["TensorNet", "M3GNet", "CHGNet", "SO3Net"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_conformance_kit_passes_and_the_same_structures_have_the_same_rows(kind):
    descriptor = ms.MatGL(matgl(kind))
    # Features of CHGNet bend so sharply that differences in float32 have one digit.
    print(check_descriptor(descriptor, gradient_rtol=0.2 if kind == "CHGNet" else None))
    assert_physical(descriptor)
    assert descriptor.layers == {"M3GNet": (1, 2), "CHGNet": (1, 2, 3)}.get(kind, ())


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_of_differences(kind):
    assert_differentiable(ms.MatGL(matgl(kind)), rtol=1e-2)


def test_rows_are_those_that_pass_in_the_calculator_of_the_package():
    from matgl.ext.ase import PESCalculator

    last = ms.FromCalculator(PESCalculator(matgl("TensorNet")), "potential.model.linear")
    descriptor = ms.MatGL(matgl("TensorNet"))
    for k in (0, 1, 2, 3, 5):
        np.testing.assert_allclose(descriptor.features(structures()[k]), last.features(structures()[k]), atol=1e-6)
    # A slab is a cluster to the package.
    with pytest.raises(ms.StructureError, match="pbc is TTF, but the model takes it for a cluster"):
        last.features(structures()[4])


def test_the_process_is_left_as_it_was():
    potential = matgl("TensorNet")
    assert_leaves_no_trace(lambda: ms.MatGL(potential))


def test_a_folder_of_a_model_by_the_command_line(files, tmp_path):
    matgl("M3GNet").save(tmp_path / "model")
    command = ["featurize", "pool.xyz", "--descriptor", "matgl", "--model", str(tmp_path / "model"), "--layers", "2"]
    assert main([*command, "-q", "-o", "out.npz"]) == 0
    descriptor = ms.MatGL(tmp_path / "model", layers=[2])
    features = ms.Features.load("out.npz")
    np.testing.assert_array_equal(features.per_structure, ms.featurize("pool.xyz", descriptor).per_structure)
    assert descriptor.parameters["sha256"] == ms.MatGL(matgl("M3GNet")).parameters["sha256"]
    json.dumps(descriptor.parameters)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ms.StructureError, match=r"got Ge"):
        ms.MatGL(matgl("TensorNet")).features(bulk("Ge"))
    with pytest.raises(ms.InvalidInputError, match=r"absent: cannot be loaded as a model of matgl"):
        ms.MatGL(Path(tmp_path) / "absent")
    with pytest.raises(ms.InvalidInputError, match=r"layers: expected different layers from 1 to 2, got \[3\]"):
        ms.MatGL(matgl("M3GNet"), layers=[3])
