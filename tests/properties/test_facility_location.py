"""Facility location: every engine and thread count returns the picks of the definition."""

import logging
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlipselect import FacilityLocation, KMedoids
from mlipselect.exceptions import InvalidInputError, MemoryLimitError, StructureError
from reference import facility_location as reference
from reference.fps import points
from reference.pools import clustered_pools

METRICS = st.sampled_from(["euclidean", "cosine"])
SCALES = st.sampled_from(["standard", "none"])


@given(clustered_pools(zeros=False), METRICS, SCALES, st.sampled_from(["lazy", "naive"]), st.data())
@settings(max_examples=200, deadline=None)
def test_every_pick_gains_most(case, metric, scale, engine, data):
    pool, core = case
    n = data.draw(st.integers(1, len(pool)))
    selector = FacilityLocation(n, metric=metric, scale=scale, engine=engine).fit(pool, core=core)
    picks = selector.selected_idx_
    assert len(set(picks)) == n
    gains = reference.gains_along(picks, pool, core, metric=metric, scale=scale)
    chosen = gains[np.arange(n), picks]
    floor = 1e-9 * len(pool) * max(1.0, np.abs(points(pool, core, metric, scale)[0]).max())
    # What rounding leaves undecided may be decided either way by two evaluations.
    best = gains.max(axis=1)
    assert (chosen >= best - 1e-8 * np.abs(best) - floor).all()
    start = int(core is None)
    np.testing.assert_allclose(selector.scores_[start:], chosen[start:], rtol=1e-8, atol=floor)
    assert core is not None or selector.scores_[0] == np.inf
    assert (np.diff(selector.scores_[start:]) <= floor).all()
    loss = reference.loss(picks, pool, core, metric=metric, scale=scale)
    assert selector.loss_ == pytest.approx(loss, rel=1e-8, abs=floor)


@given(clustered_pools(max_rows=25), SCALES, st.data())
@settings(max_examples=60, deadline=None)
def test_picks_are_those_of_the_definition(case, scale, data):
    pool, core = case
    n = data.draw(st.integers(1, max(1, len(np.unique(pool, axis=0)) // 2)))
    picks, gains = reference.greedy(n, pool, core, scale=scale)
    selector = FacilityLocation(n, scale=scale).fit(pool, core=core)
    floor = 1e-12 * np.abs(points(pool, core, "euclidean", scale)[0]).sum()
    if (gains > 1e6 * floor).all():
        np.testing.assert_array_equal(selector.selected_idx_, picks)
    np.testing.assert_allclose(selector.scores_, gains, rtol=1e-8, atol=floor)


def test_a_core_may_be_farther_away_than_the_pool_is_wide():
    pool = np.array([[-1.6], [-2.0], [1.6], [1.1], [0.3], [-2.9], [-0.1]])
    for distance in (2.2, 20.0, 1e6):
        core = np.array([[distance]])
        picks, gains = reference.greedy(3, pool, core, scale="none")
        selector = FacilityLocation(3, scale="none").fit(pool, core=core)
        np.testing.assert_array_equal(selector.selected_idx_, picks)
        np.testing.assert_allclose(selector.scores_, gains, rtol=1e-8, atol=1e-10)


@given(clustered_pools(max_rows=150, max_dim=60, zeros=False), METRICS, SCALES, st.data())
@settings(max_examples=60, deadline=None)
def test_engines_threads_and_steps_change_nothing(case, metric, scale, data):
    (pool, core), n = case, data.draw(st.integers(1, len(case[0])))
    how = {"metric": metric, "scale": scale}
    whole = FacilityLocation(n, n_threads=1, **how).fit(pool, core=core)
    for other in (FacilityLocation(n, n_threads=3, **how), FacilityLocation(n, engine="naive", **how)):
        other.fit(pool, core=core)
        np.testing.assert_array_equal(other.selected_idx_, whole.selected_idx_)
        np.testing.assert_array_equal(other.scores_, whole.scores_)
        assert other.loss_ == whole.loss_
    parts = FacilityLocation(data.draw(st.integers(1, n)), **how).fit(pool, core=core)
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_[: parts.n_to_select])
    parts.n_to_select = n
    parts.fit(pool, warm_start=True)
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_)
    np.testing.assert_array_equal(parts.scores_, whole.scores_)


@given(clustered_pools(), st.data())
@settings(max_examples=40, deadline=None)
def test_picks_continue_as_a_core_and_exclusions_are_kept(case, data):
    pool, core = case
    out = data.draw(st.sets(st.integers(0, len(pool) - 1), max_size=len(pool) - 1))
    n = data.draw(st.integers(1, len(pool) - len(out)))
    selector = FacilityLocation(n, scale="none").fit(pool, core=core, exclude=out)
    assert not out & set(selector.selected_idx_)
    first = selector.selected_idx_[: n // 2]
    if len(first):
        known = pool[first] if core is None else np.vstack([core, pool[first]])
        rest = FacilityLocation(n - len(first), scale="none").fit(pool, core=known, exclude=[*out, *first])
        np.testing.assert_array_equal(rest.selected_idx_, selector.selected_idx_[n // 2 :])
        np.testing.assert_array_equal(rest.scores_, selector.scores_[n // 2 :])


def test_a_pool_with_leading_directions_gives_the_same_picks():
    rng = np.random.default_rng(5)
    X = rng.standard_normal((1_500, 150)) / np.arange(1, 151) ** 2
    X[700:900] = X[:200]
    for core in (None, X[300:400] + 0.01):
        lazy = FacilityLocation(12, scale="none").fit(X, core=core)
        naive = FacilityLocation(12, scale="none", engine="naive").fit(X, core=core)
        np.testing.assert_array_equal(lazy.selected_idx_, naive.selected_idx_)
        np.testing.assert_array_equal(lazy.scores_, naive.scores_)


@pytest.mark.parametrize("power", [-100, 100, 400])
def test_the_unit_does_not_matter(power):
    pool = np.random.default_rng(0).standard_normal((60, 4))
    plain = FacilityLocation(20, scale="none").fit(pool)
    scaled = FacilityLocation(20, scale="none").fit(pool * 2.0**power)
    np.testing.assert_array_equal(scaled.selected_idx_, plain.selected_idx_)
    np.testing.assert_allclose(scaled.scores_[1:], plain.scores_[1:] * 2.0**power, rtol=1e-12)


def test_the_first_pick_is_the_medoid():
    X = np.random.default_rng(2).standard_normal((300, 6))
    one = FacilityLocation(1).fit(X)
    medoid = KMedoids(1).fit(X)
    np.testing.assert_array_equal(one.selected_idx_, medoid.selected_idx_)
    assert one.loss_ == pytest.approx(medoid.loss_, rel=1e-6)


def test_the_fall_of_the_loss_is_near_that_of_the_best_set():
    rng = np.random.default_rng(4)
    X, core = rng.standard_normal((12, 3)), rng.standard_normal((2, 3))
    how = {"metric": "euclidean", "scale": "none"}
    before = reference.loss(np.array([], dtype=int), X, core, **how)
    best = min(reference.loss(np.array(picks), X, core, **how) for picks in combinations(range(12), 3))
    selector = FacilityLocation(3, scale="none").fit(X, core=core)
    assert before - selector.loss_ >= (1 - 1 / np.e) * (before - best)
    assert before - selector.scores_.sum() == pytest.approx(selector.loss_)


def test_duplicates_gain_nothing_and_go_in_the_order_of_the_pool():
    X = np.repeat([[2.0, 0.0], [0.0, 1.0]], 3, axis=0)
    for engine in ("lazy", "naive"):
        selector = FacilityLocation(6, engine=engine).fit(X)
        np.testing.assert_array_equal(selector.selected_idx_, [0, 3, 1, 2, 4, 5])
        np.testing.assert_array_equal(selector.scores_[2:], 0.0)
        assert selector.loss_ == 0.0
        selector = FacilityLocation(6, engine=engine).fit(X, core=X)
        np.testing.assert_array_equal(selector.selected_idx_, np.arange(6))


def test_memory_is_said_before_it_is_taken_and_limited(caplog):
    X = np.ones((100, 20))
    with caplog.at_level(logging.INFO, logger="mlipselect"):
        FacilityLocation(2).fit(X)
    assert "facility location: 100 rows take up to 0.2 MB" in caplog.text
    with pytest.raises(MemoryLimitError, match=r"facility location needs \d+ bytes, more than the 5000 allowed"):
        FacilityLocation(2, max_memory=5000).fit(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_to_select": 0}, "n_to_select must be an integer of at least 1, .* given 0"),
        ({"n_to_select": 11}, "cannot select 11 structures from a pool of 10"),
        ({"metric": "manhattan"}, "metric must be 'euclidean' or 'cosine', given 'manhattan'"),
        ({"scale": "minmax"}, "scale must be 'standard' or 'none', given 'minmax'"),
        ({"engine": "eager"}, "engine must be 'lazy' or 'naive', given 'eager'"),
        ({"max_memory": -1}, "max_memory must be at least 0, given -1"),
        ({"n_threads": 0}, "n_threads: expected a number of threads"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    X = np.random.default_rng(0).standard_normal((10, 3))
    with pytest.raises(InvalidInputError, match=message):
        FacilityLocation(**{"n_to_select": 2, **parameters}).fit(X)


def test_bad_features_are_refused():
    X = np.random.default_rng(0).standard_normal((10, 3))
    broken = X.copy()
    broken[4, 1] = np.nan
    with pytest.raises(StructureError, match="structure 4: the pool has a feature that is not finite"):
        FacilityLocation(2).fit(broken)
    with pytest.raises(StructureError, match="structure 4: the core has a feature that is not finite"):
        FacilityLocation(2, scale="none").fit(X, core=broken)
    X[7] = 0.0
    with pytest.raises(StructureError, match="structure 7: the pool: expected a direction"):
        FacilityLocation(2, metric="cosine").fit(X)
    with pytest.raises(InvalidInputError, match="core has 2 per structure, the pool 3"):
        FacilityLocation(2).fit(X, core=X[:, :2])
