"""k-medoids against an exhaustive look at its objective."""

import logging
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlipselect import KMedoids
from mlipselect._core import MedoidSwaps
from mlipselect.exceptions import InvalidInputError, MemoryLimitError, StructureError
from reference.kmedoids import best_swap, build, distances, loss

STARTS = ["build", "lab", "k_medoids++"]


@st.composite
def pools(draw):
    """Draw clustered rows, perhaps with duplicates and constant columns, and perhaps a core."""
    n, d = draw(st.integers(1, 40)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centres = 3.0 * rng.standard_normal((4, d))
    X = centres[rng.integers(4, size=n)] + rng.standard_normal((n, d)) / np.arange(1, d + 1)
    if draw(st.booleans()):
        X[rng.integers(n, size=n // 3)] = X[rng.integers(n, size=n // 3)]
    if draw(st.booleans()):
        X[:, rng.integers(d)] = 0.0
    core = centres[:2] + rng.standard_normal((2, d)) if draw(st.booleans()) else None
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return X.astype(dtype), None if core is None else core.astype(dtype)


@given(pools(), st.sampled_from(STARTS), st.sampled_from(["standard", "none"]), st.data())
@settings(max_examples=150, deadline=None)
def test_no_swap_improves_the_loss_that_is_reported(case, start, scale, data):
    (X, core), n = case, data.draw(st.integers(1, len(case[0])))
    selector = KMedoids(n, initialize=start, scale=scale, random_state=data.draw(st.integers(0, 9))).fit(X, core=core)
    medoids = selector.selected_idx_
    assert len(set(medoids)) == n
    between, to_core = distances(X, core, scale)
    # Distances come from float32 rows; the loss is summed in float64.
    tolerance = 2e-5 * (between.max() * len(X) + 1e-30)
    assert selector.loss_ == pytest.approx(loss(between, to_core, medoids), rel=1e-5, abs=tolerance)
    assert best_swap(between, to_core, medoids) >= selector.loss_ - tolerance


@given(pools(), st.sampled_from(STARTS), st.data())
@settings(max_examples=40, deadline=None)
def test_labels_name_the_nearest_medoid(case, start, data):
    (X, core), n = case, data.draw(st.integers(1, len(case[0])))
    selector = KMedoids(n, initialize=start, n_threads=1).fit(X, core=core)
    between, to_core = distances(X, core, "standard")
    own = np.append(selector.selected_idx_, 0)[selector.labels_]
    nearest = np.where(selector.labels_ < 0, to_core, between[np.arange(len(X)), own])
    best = np.minimum(between[:, selector.selected_idx_].min(axis=1), to_core)
    np.testing.assert_allclose(nearest, best, atol=1e-4 * (between.max() + 1.0))
    threaded = KMedoids(n, initialize=start, n_threads=3).fit(X, core=core)
    np.testing.assert_array_equal(threaded.selected_idx_, selector.selected_idx_)
    assert threaded.loss_ == selector.loss_


def wide_rows(kind, n, rng):
    """Rows that a few directions describe, of which k-medoids makes use, and rows for which none do."""
    centres = 2.0 * rng.standard_normal((8, 150))
    spectrum = 1.0 / np.arange(1, 151) if kind == "decaying" else np.ones(150)
    return (centres[rng.integers(8, size=n)] + rng.standard_normal((n, 150))) * spectrum


@pytest.mark.parametrize("kind", ["decaying", "isotropic"])
@pytest.mark.parametrize("with_core", [False, True])
@pytest.mark.parametrize("start", STARTS)
def test_wide_rows_end_in_a_local_optimum_with_lists_of_all_or_of_some_rows(kind, with_core, start, caplog):
    rng = np.random.default_rng(5)
    X, core = wide_rows(kind, 1300, rng), wide_rows(kind, 20, rng) if with_core else None
    between, to_core = distances(X, core, "none")
    just_the_rows = MedoidSwaps.row_bytes(len(X), 0 if core is None else len(core), X.shape[1], 7)
    with pytest.raises(MemoryLimitError) as refusal:
        KMedoids(7, initialize=start, scale="none", max_memory=just_the_rows).fit(X, core=core)
    least = int(re.search(r"([\d,]+) bytes", str(refusal.value)).group(1).replace(",", ""))
    losses = []
    for max_memory in (least, 1 << 30):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="mlipselect"):
            selector = KMedoids(7, initialize=start, scale="none", max_memory=max_memory).fit(X, core=core)
        assert ("neighbours of all rows" in caplog.text) == (max_memory > least)
        tolerance = 1e-5 * between.max() * len(X)
        assert selector.loss_ == pytest.approx(loss(between, to_core, selector.selected_idx_), rel=1e-9)
        assert best_swap(between, to_core, selector.selected_idx_) >= selector.loss_ - tolerance
        losses.append(selector.loss_)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("kind", ["decaying", "isotropic"])
@pytest.mark.parametrize("with_core", [False, True])
def test_build_starts_from_the_medoids_of_the_textbook(kind, with_core):
    rng = np.random.default_rng(9)
    X, core = wide_rows(kind, 400, rng), wide_rows(kind, 5, rng) if with_core else None
    search = MedoidSwaps(X, 12, core=core, init="build", scale="none")
    while search.list_bytes is None:
        search.advance(1)
    assert search.swaps == 0
    assert sorted(search.result()[0]) == sorted(build(*distances(X, core, "none"), 12))


def test_one_medoid_is_the_row_with_the_smallest_sum_of_distances():
    X = np.random.default_rng(3).standard_normal((60, 5))
    between, _ = distances(X, None, "standard")
    for start in STARTS:
        assert KMedoids(1, initialize=start).fit(X).selected_idx_[0] == between.sum(axis=1).argmin()


def test_seeds_matter_only_where_the_start_is_random():
    X = np.random.default_rng(3).standard_normal((300, 5))
    for start in STARTS:
        picks = [KMedoids(10, initialize=start, random_state=seed).fit(X).selected_idx_ for seed in (0, 0, 1)]
        np.testing.assert_array_equal(picks[0], picks[1])
        assert (start == "build") == np.array_equal(picks[0], picks[2])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_to_select": 0}, "n_to_select must be"),
        ({"n_to_select": 11}, "11"),
        ({"initialize": "random"}, "initialize: expected one of build, lab, k_medoids\\+\\+, got 'random'"),
        ({"metric": "cosine"}, "metric must be"),
        ({"scale": "minmax"}, "scale must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"n_threads": 0}, "n_threads: expected a number"),
        ({"max_memory": -1}, "max_memory must be at least 0"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    with pytest.raises(InvalidInputError, match=message):
        KMedoids(**{"n_to_select": 2, **parameters}).fit(np.random.default_rng(0).standard_normal((10, 3)))


def test_bad_features_are_refused():
    X = np.random.default_rng(0).standard_normal((10, 3))
    bad = X.copy()
    bad[4, 1] = np.nan
    with pytest.raises(StructureError, match=r"structure 4: .*not finite"):
        KMedoids(2).fit(bad)
    with pytest.raises(InvalidInputError, match="features"):
        KMedoids(2).fit(X, core=X[:, :2].copy())
    with pytest.raises(InvalidInputError, match="without warm_start"):
        KMedoids(2).fit(X, warm_start=True)
    with pytest.raises(MemoryLimitError, match="max_memory"):
        KMedoids(2, max_memory=10).fit(X)
