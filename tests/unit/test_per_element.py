"""Blocks of features for each element."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import mlipselect as ms
from mlipselect.descriptors.base import HasFeatureGroups
from mlipselect.exceptions import StructureError
from mlipselect.testing import check_descriptor


def distances(atoms):
    """Distances to the nearest three atoms."""
    away = np.sort(atoms.get_all_distances(mic=True), axis=1)
    return np.pad(away, ((0, 0), (0, 3)))[:, 1:4]


def alloys(n):
    rng = np.random.default_rng(0)
    out = []
    for _ in range(n):
        atoms = bulk("Cu", cubic=True) * (2, 1, 1)
        atoms.symbols = rng.choice(["Cu", "Ni", "Au"], size=len(atoms), p=[0.6, 0.3, 0.1])
        atoms.rattle(0.1, seed=int(rng.integers(1000)))
        out.append(atoms)
    return out


@pytest.mark.parametrize("inner", [distances, ms.ACE(["Ni", "Cu", "Au"], totaldegree=4)])
def test_a_structure_holds_for_each_element_the_sum_over_its_atoms_divided_by_all(inner):
    pool = alloys(10)
    X = ms.featurize(pool, ms.PerElement(inner), rows="atoms")
    for atoms, row, first in zip(pool, X.per_structure, X.offsets, strict=False):
        rows = np.asarray(getattr(inner, "features", inner)(atoms))
        blocks = row.reshape(3, -1)
        for block, symbol in zip(blocks, ("Ni", "Cu", "Au"), strict=True):
            own = np.array([s == symbol for s in atoms.symbols])
            np.testing.assert_allclose(block, rows[own].sum(axis=0) / len(atoms), atol=1e-13)
        np.testing.assert_allclose(blocks.sum(axis=0), rows.mean(axis=0))
        assert np.count_nonzero(X.per_atom[first].reshape(3, -1).any(axis=1)) == 1


def test_it_conforms():
    pool = alloys(4)
    check_descriptor(ms.PerElement(distances, ["Ni", "Cu", "Au"]), pool)
    check_descriptor(ms.PerElement(ms.ACE(["Ni", "Cu", "Au"], totaldegree=4), ["Ni", "Cu", "Au"]), pool)


def test_unknown_elements_are_named():
    with pytest.raises(StructureError, match="structure 1: unknown element Au: expected only Ni, Cu"):
        ms.featurize([bulk("Cu"), bulk("Au")], ms.PerElement(distances, ["Ni", "Cu"]))
    assert ms.PerElement(distances).bind([Atoms("AuCu"), Atoms("H")]).elements == ("H", "Cu", "Au")


def test_groups_of_features_are_named_for_each_element(tmp_path):
    inner = ms.ACE(["Ni", "Cu"], totaldegree=4)
    wrapped = ms.PerElement(inner, ["Ni", "Cu"])
    groups = wrapped.feature_groups
    n = len(inner.feature_groups)
    first, second = list(groups.values())[:n], list(groups.values())[n:]
    assert first == list(inner.feature_groups.values())
    assert [columns.start - inner.n_features for columns in second] == [columns.start for columns in first]
    assert second[-1].stop == 2 * inner.n_features
    assert [name for name in groups if name.endswith("seen from Cu")] == list(groups)[n:]
    assert not isinstance(ms.PerElement(distances, ["Ni", "Cu"]), HasFeatureGroups)
    assert ms.PerElement(ms.Cached(inner, tmp_path), ["Ni", "Cu"]).feature_groups == groups
