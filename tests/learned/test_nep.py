"""NEP by calorine, with random weights."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import mlipselect as ms
from learned.foundation import assert_physical, structures
from learned.random_models import nep
from mlipselect.cli import main
from mlipselect.testing import check_descriptor


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return nep(tmp_path_factory.mktemp("nep") / "nep.txt")


def test_the_conformance_kit_passes(path):
    print(check_descriptor(ms.NEP(path)))


def test_structures_that_are_the_same_have_the_same_rows(path):
    """Also slabs and molecules, which are periodic to calorine whatever they say."""
    from calorine.nep import get_descriptors

    descriptor = ms.NEP(path)
    assert_physical(descriptor)
    for atoms in structures()[:4]:
        np.testing.assert_array_equal(descriptor.features(atoms), get_descriptors(atoms, str(path)))
    cluster = bulk("Si")
    cluster.pbc = False
    assert np.abs(descriptor.features(cluster) - get_descriptors(cluster, str(path))).max() > 0.01


def test_isolated_atoms_have_rows_of_zeros_and_it_is_told(path):
    with pytest.warns(UserWarning, match="NEP: the features of an isolated atom are zeros, whatever its element"):
        descriptor = ms.NEP(path)
    assert not descriptor.features(Atoms("Cu")).any()


def test_there_are_no_derivatives(path):
    assert not isinstance(ms.NEP(path), ms.descriptors.DifferentiableDescriptor)
    with pytest.raises(ms.InvalidInputError, match="expected a descriptor with `vjp`, but NEP has none"):
        ms.force_variance(ms.NEP(path), bulk("Si"), None)


def test_the_command_line(path, files):
    assert main(["featurize", "pool.xyz", "--descriptor", "nep", "--model", str(path), "-q", "-o", "out.npz"]) == 0
    np.testing.assert_array_equal(
        ms.Features.load("out.npz").per_structure, ms.featurize("pool.xyz", ms.NEP(path)).per_structure
    )


def test_unknown_elements_are_refused(path):
    with pytest.raises(ms.StructureError, match=r"expected elements that the model knows \(H, C, .*\), got Ge"):
        ms.NEP(path).features(bulk("Ge"))
