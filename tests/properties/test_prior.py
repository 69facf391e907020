"""The prior of the weights: precisions of columns as they are stand for columns that are divided."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect.selectors import bayesian
from mlipselect.selectors.prior import prior_from_ridge
from reference.posterior import covariance, divisors, energy, prior_precision, scores_along
from reference.stored_rows import Rows

SCALES = ["root", "standard", "none"]


@st.composite
def pools(draw):
    """Rows whose columns differ in size and may be constant, zero or rounding; perhaps a core."""
    n, d = draw(st.integers(2, 40)), draw(st.integers(2, 10))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.standard_normal((n + 5, d)) * 10.0 ** rng.uniform(-3, 2, d) + rng.choice([0.0, 1.0, 10.0], d)
    kind = draw(st.sampled_from(["all vary", "constant", "zero", "rounding"]))
    X[:, 0] = {"all vary": X[:, 0], "constant": 3.0, "zero": 0.0, "rounding": 1e-17 * X[:, 0]}[kind]
    X = X.astype(draw(st.sampled_from([np.float32, np.float64])))
    return X[:n], X[n:] if draw(st.booleans()) else None


def in_all(X, core):
    """Give the matrices that the spread of columns is taken over."""
    return [X] if core is None else [X, core]


@given(pools(), st.sampled_from(SCALES), st.sampled_from(["energy", "pool_variance", "pool_std"]))
@settings(max_examples=150, deadline=None)
def test_precisions_are_divided_columns(case, scale, score):
    X, core = case
    n = min(6, len(X))
    selector = ms.BayesianSelector(n, score=score, scale=scale, ridge=1e-3).fit(X, core=core)
    by, _ = divisors(*in_all(X, core), scale=scale)
    # A column that is divided by `by` and has this precision is what the diagonal prior stands for.
    divided, known = X / by, np.zeros((0, X.shape[1])) if core is None else core / by
    prior = np.diag(prior_precision(1e-3, *in_all(X, core), scale=scale) / by**2)
    assert np.ptp(np.diag(prior)) <= 1e-12 * prior[0, 0]
    scores = scores_along(selector.selected_idx_, divided, prior, core=known, score=score)
    best = scores.max(axis=1)
    floor = 1e-7 * scores[0].max()
    assert (scores[np.arange(n), selector.selected_idx_] >= best - 1e-6 * best - floor).all()
    np.testing.assert_allclose(selector.scores_, best, rtol=1e-6, atol=floor)
    sigma = covariance(prior, 1.0, np.concatenate([known, divided[selector.selected_idx_]]))
    variances = energy(sigma, 1.0, divided)
    np.testing.assert_allclose(selector.posterior_.variance(X), variances, rtol=1e-6, atol=1e-9 * variances.max())


@given(pools(), st.sampled_from(SCALES), st.integers(-60, 60))
@settings(max_examples=60, deadline=None)
def test_the_unit_of_the_features_does_not_matter(case, scale, exponent):
    X, core = case
    factor = X.dtype.type(2.0**exponent)
    with np.errstate(over="ignore"):
        larger = (X * factor, None if core is None else core * factor)
    assert np.isfinite(larger[0]).all()
    first = prior_from_ridge(1e-4, 1.0, X, core, scale)
    second = prior_from_ridge(1e-4, 1.0, *larger, scale)
    np.testing.assert_allclose(second, first * float(factor) ** 2, rtol=1e-12)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_in_parts_have_the_prior_of_the_whole(scale, dtype):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((5000, 12)) / np.arange(1, 13) + 2.0).astype(dtype)
    core = X[:7].copy()
    for known in (None, core):
        whole = prior_from_ridge(1e-4, 2.0, X, known, scale)
        np.testing.assert_allclose(whole, 2.0 * prior_precision(1e-4, *in_all(X, known), scale=scale), rtol=1e-9)
        for shard in (700, 1024, 5000):
            parts = prior_from_ridge(1e-4, 2.0, Rows(X, shard), known, scale)
            if scale == "none":
                np.testing.assert_allclose(parts, whole, rtol=1e-12)
            else:
                np.testing.assert_array_equal(parts, whole)
        np.testing.assert_array_equal(prior_from_ridge(1e-4, 2.0, X, known, scale, n_threads=1), whole)


def test_columns_that_do_not_vary_count_for_little():
    X = np.random.default_rng(0).standard_normal((50, 4)) * [1.0, 2.0, 1.0, 1.0]
    X[:, 2], X[:, 3] = 0.0, 1e-18 * X[:, 3]
    precisions = prior_from_ridge(1e-4, 1.0, X, None, "standard")
    assert precisions[2] == precisions[3] == precisions[1]
    assert precisions[0] == pytest.approx(precisions[1] * X[:, 0].var() / X[:, 1].var())
    # A standard deviation that is one is not that of a constant.
    X[:, 0] = np.tile([1.0, -1.0], 25)
    precisions = prior_from_ridge(1e-4, 1.0, X, None, "standard")
    assert precisions[0] == pytest.approx(precisions[1] / X[:, 1].var())
    same = np.ones((5, 3))
    np.testing.assert_array_equal(prior_from_ridge(1e-4, 1.0, same, None), 1e-4)
    np.testing.assert_array_equal(prior_from_ridge(1e-4, 1.0, 0.0 * same, None), 1e-4)


def test_much_reading_is_told_before_it_begins(caplog, monkeypatch):
    X = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    monkeypatch.setattr(bayesian, "MUCH_TO_READ", 200 * 4 * 5)
    with caplog.at_level(logging.WARNING, logger="mlipselect"):
        ms.BayesianSelector(5, score="pool_std").fit(Rows(X, 50))
        ms.BayesianSelector(6, score="pool_std").fit(X)
        ms.BayesianSelector(6, score="pool_variance").fit(Rows(X, 50))
        ms.BayesianSelector(6, score="energy").fit(Rows(X, 50))
        assert not caplog.messages
        ms.BayesianSelector(6, score="pool_std").fit(Rows(X, 50))
    (said,) = caplog.messages
    assert said.startswith("pool_std goes through all 200 rows of 4 features for each of 6 picks and reads")
    assert said.endswith("the score pool_variance (--score pool_variance) reads almost nothing after its first pass")
