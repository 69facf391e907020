"""Matrices in column order, as PCA and data frames give them, are taken like any other."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from mlipselect import CUR, FPS, BayesianSelector, FacilityLocation, KMedoids, MinDistance, RandomSelector
from mlipselect.selectors import base

SELECTORS = [
    BayesianSelector(5),
    BayesianSelector(5, score="pool_variance"),
    BayesianSelector(5, score="pool_std"),
    FPS(5),
    FacilityLocation(5),
    KMedoids(5),
    CUR(5),
    RandomSelector(5),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("selector", SELECTORS, ids=repr)
def test_the_order_in_memory_does_not_matter(selector, dtype):
    rng = np.random.default_rng(0)
    X, core = rng.normal(size=(60, 4)).astype(dtype), rng.normal(size=(7, 4)).astype(dtype)
    expected = selector.fit(X, core=core).selected_idx_.copy()
    wide, wide_core = np.repeat(X, 2, axis=1), np.repeat(core, 2, axis=0)
    for given, known in ((np.asfortranarray(X), np.asfortranarray(core)), (wide[:, ::2], wide_core[::2])):
        np.testing.assert_array_equal(selector.fit(given, core=known).selected_idx_, expected)


def test_targets_and_constraints_take_any_order():
    X = np.random.default_rng(0).normal(size=(60, 4))
    fitted = [
        BayesianSelector(5, score="pool_variance").fit(pool, target=target, constraints=[MinDistance(0.1)])
        for target, pool in ((X[:20], X), (np.asfortranarray(X[:20]), np.asfortranarray(X)))
    ]
    np.testing.assert_array_equal(*(selector.selected_idx_ for selector in fitted))


def test_a_large_copy_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="mlipselect"):
        base.by_rows(np.zeros((4, 4_000_000), order="F"))
    assert "a copy takes 128 MB" in caplog.text
