"""Rounding is no feature: columns that spread by no more than that are not standardised, wherever the rows are."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect import _core
from mlipselect.selectors.windowed import stored_scales


def plain(X):
    """One over the standard deviations, in extended precision."""
    return 1.0 / np.asarray(X, dtype=np.longdouble).std(axis=0).astype(np.float64)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["float64", "float32"]), st.integers(2, 60))
def test_ordinary_columns_are_standardised(seed, dtype, n):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)) * 10.0 ** rng.uniform(-3, 3, 6) + rng.normal(size=6)
    X = X.astype(dtype)
    assert np.allclose(_core.standard_scales(X), plain(X), rtol=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["float64", "float32"]), st.integers(2, 60))
def test_columns_of_rounding_are_not(seed, dtype, n):
    rng = np.random.default_rng(seed)
    step = np.finfo(dtype).eps
    X = rng.normal(size=(n, 4))
    X[:, 0] = 7.0 * (1.0 + step * rng.integers(-2, 3, n))
    X[:, 1] = np.finfo(np.float64).eps * rng.normal(size=n)
    X = X.astype(dtype)
    scales = _core.standard_scales(X)
    assert scales[:2].tolist() == [1.0, 1.0]
    assert np.allclose(scales[2:], plain(X[:, 2:]), rtol=1e-6)


def copies(count, seed):
    """Make copies of one crystal: moved, with the atoms in another order, doubled."""
    rng = np.random.default_rng(seed)
    original = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    frames = []
    for k in range(count):
        atoms = original[rng.permutation(len(original))]
        atoms.translate(rng.normal(size=3) * 10.0)
        frames.append(atoms.repeat((2, 1, 1)) if k % 3 == 1 else atoms)
    return frames


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("method", ["fps", "facility_location"])
def test_copies_of_a_crystal_are_near_duplicates(dtype, method):
    descriptor = ms.ACE(["Na", "Cl"], totaldegree=6)
    how = {"method": method, "min_distance": 0.01, "descriptor": descriptor, "dtype": dtype}
    selection = ms.select(copies(6, 0), 4, **how)
    assert len(selection) == 1
    assert any("5" in note for note in selection.notes), selection.notes
    other = copies(6, 1)
    other[4].set_cell(other[4].cell * 1.02, scale_atoms=True)
    assert 4 in ms.select(other, 2, **how).indices


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_scales_from_stores_are_those_in_memory(tmp_path, dtype):
    ase.io.write(tmp_path / "pool.traj", copies(7, 3))
    descriptor = ms.ACE(["Na", "Cl"], totaldegree=6)
    store = ms.featurize(str(tmp_path / "pool.traj"), descriptor, store=tmp_path / "s.features", dtype=dtype)
    X = ms.featurize(str(tmp_path / "pool.traj"), descriptor, dtype=dtype).per_structure
    core = X[:2] * X.dtype.type(1.5)
    assert stored_scales(store, None).tolist() == _core.standard_scales(X).tolist() == [1.0] * X.shape[1]
    assert stored_scales(store, core).tolist() == _core.standard_scales(X, core).tolist()
    picks = ms.select(str(tmp_path / "s.features"), 4, method="fps", min_distance=0.01)
    assert len(picks) == 1
