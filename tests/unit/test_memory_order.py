"""Matrices in column order, of integers and from data frames are taken like any other."""

from __future__ import annotations

import logging

import numpy as np
import pandas
import pytest

from mlipselect import CUR, FPS, BayesianSelector, FacilityLocation, KMedoids, MinDistance, Posterior, RandomSelector
from mlipselect.exceptions import InvalidInputError
from mlipselect.selectors import base

SELECTORS = [
    BayesianSelector(5),
    BayesianSelector(5, score="energy"),
    BayesianSelector(5, score="pool_std"),
    FPS(5),
    FacilityLocation(5),
    KMedoids(5),
    CUR(5),
    RandomSelector(5),
]


def unaligned(X):
    return np.frombuffer(b"-" + X.tobytes(), np.uint8)[1:].view(X.dtype).reshape(X.shape)


#: The same numbers, small integers, in other forms: all must give the picks of a float64 matrix in row order.
FORMS = {
    "column order": np.asfortranarray,
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "reversed rows": lambda X: X[::-1].copy()[::-1],
    "unaligned": unaligned,
    "other byte order": lambda X: X.astype(X.dtype.newbyteorder()),
    "int64": lambda X: X.astype(np.int64),
    "int16 in column order": lambda X: np.asfortranarray(X.astype(np.int16)),
    "float16": lambda X: X.astype(np.float16),
    "lists": lambda X: X.tolist(),
    "data frame": pandas.DataFrame,
    "data frame of integers": lambda X: pandas.DataFrame(X.astype(np.int64)),
    "data frame of several types": lambda X: pandas.DataFrame(X).astype({0: np.int32, 1: np.float32}),
}


def numbers(n, dtype=np.float64):
    return np.random.default_rng(n).integers(-50, 50, size=(n, 4)).astype(dtype)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("selector", SELECTORS, ids=repr)
def test_the_form_of_a_matrix_does_not_matter(selector, form):
    X, core = numbers(60), numbers(7)
    expected = selector.fit(X, core=core).selected_idx_.copy()
    given = FORMS[form](X)
    np.testing.assert_array_equal(selector.fit(given, core=FORMS[form](core)).selected_idx_, expected)
    assert selector.n_features_in_ == 4 or isinstance(given, list)


@pytest.mark.parametrize(
    "form", ["column order", "every other column", "reversed rows", "unaligned", "other byte order"]
)
@pytest.mark.parametrize("selector", SELECTORS, ids=repr)
def test_single_precision_stays_single(selector, form):
    X = numbers(60, np.float32)
    expected = selector.fit(X).selected_idx_.copy()
    assert base.by_rows(FORMS[form](X)).dtype == np.float32
    np.testing.assert_array_equal(selector.fit(FORMS[form](X)).selected_idx_, expected)


@pytest.mark.parametrize("form", FORMS)
def test_posteriors_targets_and_constraints_take_any_form(form):
    X, given = numbers(60), FORMS[form](numbers(60))
    fitted = [
        BayesianSelector(5, score="pool_variance").fit(pool, target=pool[:20], constraints=[MinDistance(0.1)])
        for pool in (X, given)
    ]
    np.testing.assert_array_equal(*(selector.selected_idx_ for selector in fitted))
    expected, posterior = Posterior(4, np.ones(4)), Posterior(4, FORMS[form](np.eye(4)))
    expected.update(X)
    posterior.update(given)
    np.testing.assert_array_equal(posterior.covariance, expected.covariance)
    np.testing.assert_array_equal(posterior.variance(given), expected.variance(X))


def test_a_matrix_in_row_order_is_not_copied():
    for dtype in (np.float32, np.float64):
        X = numbers(60, dtype)
        assert base.structure_rows(X) is X


@pytest.mark.parametrize("dtype", [np.longdouble, object, str, complex, "datetime64[s]"])
def test_numbers_that_float64_does_not_hold_are_refused(dtype):
    X = numbers(60).astype(np.int64).astype(dtype)
    for selector in SELECTORS[:-1]:
        with pytest.raises(InvalidInputError, match=r"features must be (a matrix of float32 or float64|real)"):
            selector.fit(X)
    with pytest.raises(InvalidInputError, match=r"features must be (a matrix of float32 or float64|real)"):
        Posterior(4, 1.0).update(X)


def test_masked_values_are_refused_and_a_mask_without_any_is_not():
    X = np.ma.masked_array(numbers(60), mask=False)
    expected = [selector.fit(numbers(60)).selected_idx_.copy() for selector in SELECTORS]
    found = [selector.fit(X).selected_idx_.copy() for selector in SELECTORS]
    np.testing.assert_array_equal(found, expected)
    X[3, 1] = np.ma.masked
    for selector in SELECTORS:
        with pytest.raises(InvalidInputError, match="given a matrix with masked values"):
            selector.fit(X)
    for selector in SELECTORS[:-1]:
        with pytest.raises(InvalidInputError, match="given a matrix with masked values"):
            selector.fit(numbers(60), core=X)
    with pytest.raises(InvalidInputError, match="given a matrix with masked values"):
        Posterior(4, 1.0).update(X)


def test_a_large_copy_is_logged(caplog, monkeypatch):
    monkeypatch.setattr(base, "LARGE", 1_000_000)
    with caplog.at_level(logging.INFO, logger="mlipselect"):
        base.by_rows(np.zeros((4, 40_000), order="F"))
        base.by_rows(np.zeros((4, 40_000), dtype=np.int8))
        base.by_rows(np.zeros((4, 30_000), order="F"))
    assert caplog.messages == [
        "the features are not in row order: a copy takes 1 MB",
        "the features are of int8: a copy takes 1 MB",
    ]
