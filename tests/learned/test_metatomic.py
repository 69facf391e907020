"""Metatomic models as descriptors: a toy model, exported here."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import mlipselect as ms
from learned.foundation import slope_along
from mlipselect.testing import check_descriptor
from reference.structures import scattered


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """File of an exported model."""
    from learned.toy_metatomic import export

    return export(tmp_path_factory.mktemp("toy") / "toy.pt")


def explicit(atoms):
    """Sum the toy's functions of the distances to all neighbours, pair by pair."""
    from ase.neighborlist import neighbor_list

    rows = np.zeros((len(atoms), 4))
    for i, distance in zip(*neighbor_list("id", atoms, 4.0), strict=True):
        rows[i] += [np.exp(-width * (distance - 2.0) ** 2) * (1.0 - distance / 4.0) ** 3 for width in (1, 2, 3, 4)]
    return rows


def pool(n=7):
    rng = np.random.default_rng(0)
    return [scattered(rng, 1 + k, ["Si"], cell=np.diag([6.0, 7.0, 8.0]), pbc=(True, True, k % 2)) for k in range(n)]


@pytest.mark.parametrize("batch_atoms", [1, 9, 1024])
def test_features_are_those_of_the_model_for_every_atom_in_order(toy, batch_atoms):
    rows = ms.Metatomic(toy, batch_atoms=batch_atoms).site_features(pool())
    np.testing.assert_allclose(rows, np.concatenate([explicit(atoms) for atoms in pool()]), rtol=1e-12, atol=1e-13)


def test_the_conformance_kit_passes(toy):
    check_descriptor(ms.Metatomic(toy, batch_atoms=3))
    check_descriptor(ms.Metatomic(toy), pool())


def test_derivatives_are_those_of_differences(toy):
    descriptor, rng = ms.Metatomic(toy), np.random.default_rng(0)
    for atoms in pool():
        w, direction = rng.normal(size=4), rng.normal(size=(len(atoms), 3))
        slope = slope_along(descriptor, atoms, w, direction, 1e-3)
        np.testing.assert_allclose((descriptor.vjp(atoms, w) * direction).sum(), slope, rtol=1e-6, atol=1e-8)


def test_a_model_without_a_gradient_has_no_derivatives(tmp_path):
    from learned.toy_metatomic import export

    descriptor = ms.Metatomic(export(tmp_path / "cut.pt", cut=True))
    assert descriptor.features(bulk("Si")).shape == (2, 4)
    assert not isinstance(descriptor, ms.descriptors.DifferentiableDescriptor)
    check_descriptor(descriptor)


def test_rows_that_turn_are_averaged_over_rotations(tmp_path):
    """PET learns to be invariant, and is not."""
    from learned.toy_metatomic import export

    path, atoms = export(tmp_path / "turning.pt", turning=True), pool()[5]
    turn = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    turned = Atoms(atoms.numbers, atoms.positions @ turn, cell=atoms.cell.array @ turn, pbc=atoms.pbc)
    changes = []
    for rotations in (1, 64):
        with pytest.warns(UserWarning, match=r"Metatomic: features turn with the structure, by \d+"):
            descriptor = ms.Metatomic(path, rotations=rotations)
        changes.append(np.abs(descriptor.features(turned) - descriptor.features(atoms)).max())
    assert changes[1] < 0.5 * changes[0]
    assert descriptor.parameters["rotations"] == 64
    w, direction = np.ones(4), np.random.default_rng(0).normal(size=(len(atoms), 3))
    slope = slope_along(descriptor, atoms, w, direction, 1e-3)
    np.testing.assert_allclose((descriptor.vjp(atoms, w) * direction).sum(), slope, rtol=1e-6, atol=1e-8)
    with pytest.raises(ms.InvalidInputError, match="rotations: expected at least 1, got 0"):
        ms.Metatomic(path, rotations=0)


def test_selection_by_its_features_is_that_by_the_same_matrix(toy):
    selection = ms.select(pool(20), n=5, descriptor=ms.Metatomic(toy))
    X = np.array([explicit(atoms).mean(axis=0) for atoms in pool(20)])
    assert selection.indices.tolist() == ms.BayesianSelector(5).fit(X).selected_idx_.tolist()


def test_parameters_name_the_file_and_its_digest(toy):
    assert ms.Metatomic(toy).parameters == {
        "name": "Metatomic",
        "model": str(toy),
        "sha256": hashlib.sha256(toy.read_bytes()).hexdigest(),
        "dtype": "float64",
    }


def test_what_cannot_be_worked_with_is_refused(toy, tmp_path):
    from learned.toy_metatomic import export

    with pytest.raises(ms.StructureError, match=r"structure 1: expected elements that the model knows \(Si\), got Ge"):
        ms.Metatomic(toy).site_features([bulk("Si"), bulk("Ge")])
    with pytest.raises(ms.InvalidInputError, match=r"absent\.pt: there is no such file"):
        ms.Metatomic(tmp_path / "absent.pt")
    (tmp_path / "no.pt").write_bytes(b"not a model")
    with pytest.raises(ms.InvalidInputError, match=r"no\.pt: cannot be loaded as a metatomic model .* any code"):
        ms.Metatomic(tmp_path / "no.pt")
    other = export(tmp_path / "other.pt", output="mlipselect::other")
    with pytest.raises(ms.InvalidInputError, match="output feature, but its outputs are mlipselect::other"):
        ms.Metatomic(other)
    with pytest.raises(ms.InvalidInputError, match="device: expected one that torch can use here, got 'abacus'"):
        ms.Metatomic(toy, device="abacus")
    with pytest.raises(ms.InvalidInputError, match="batch_atoms: expected at least 1, got 0"):
        ms.Metatomic(toy, batch_atoms=0)
