"""Farthest point sampling: every engine, start and thread count returns the picks of the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlipselect import FPS
from mlipselect.exceptions import InvalidInputError, NotFittedError, StructureError
from reference import fps as reference
from reference.pools import clustered_pools

METRICS = st.sampled_from(["euclidean", "cosine"])
SCALES = st.sampled_from(["standard", "none"])


@given(clustered_pools(zeros=False), METRICS, SCALES, st.sampled_from(["lazy", "naive"]), st.data())
@settings(max_examples=200, deadline=None)
def test_every_pick_is_the_farthest_there_was(case, metric, scale, engine, data):
    pool, core = case
    n = data.draw(st.integers(1, len(pool)))
    selector = FPS(n, metric=metric, scale=scale, engine=engine).fit(pool, core=core)
    picks = selector.selected_idx_
    assert len(set(picks)) == n
    scores = reference.scores_along(picks, pool, core, metric=metric, scale=scale)
    chosen = scores[np.arange(n), picks]
    floor = 1e-9 * max(1.0, np.abs(reference.points(pool, core, metric, scale)[0]).max())
    # What rounding leaves undecided may be decided either way by two evaluations.
    assert (chosen >= scores.max(axis=1) * (1 - 1e-8) - floor).all()
    start = int(core is None)
    np.testing.assert_allclose(selector.scores_[start:], chosen[start:], rtol=1e-8, atol=floor)
    assert (np.diff(selector.scores_[start:]) <= 0).all()
    assert core is not None or selector.scores_[0] == np.inf


@given(clustered_pools(), SCALES, st.data())
@settings(max_examples=100, deadline=None)
def test_picks_are_those_of_the_definition(case, scale, data):
    pool, core = case
    n = data.draw(st.integers(1, len(pool)))
    picks, scores = reference.greedy(n, pool, core, scale=scale)
    selector = FPS(n, scale=scale).fit(pool, core=core)
    np.testing.assert_array_equal(selector.selected_idx_, picks)
    np.testing.assert_allclose(selector.scores_, scores, rtol=1e-8, atol=1e-12)


@given(clustered_pools(max_rows=300, max_dim=30, zeros=False), METRICS, SCALES, st.data())
@settings(max_examples=60, deadline=None)
def test_engines_threads_and_steps_change_nothing(case, metric, scale, data):
    (pool, core), n = case, data.draw(st.integers(1, len(case[0])))
    how = {"metric": metric, "scale": scale}
    whole = FPS(n, n_threads=1, **how).fit(pool, core=core)
    for other in (FPS(n, n_threads=3, **how), FPS(n, engine="naive", **how)):
        other.fit(pool, core=core)
        np.testing.assert_array_equal(other.selected_idx_, whole.selected_idx_)
        np.testing.assert_array_equal(other.scores_, whole.scores_)
    parts = FPS(data.draw(st.integers(1, n)), **how).fit(pool, core=core)
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_[: parts.n_to_select])
    parts.n_to_select = n
    parts.fit(pool, warm_start=True)
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_)
    np.testing.assert_array_equal(parts.scores_, whole.scores_)


@given(clustered_pools(), st.data())
@settings(max_examples=60, deadline=None)
def test_picks_continue_as_a_core_and_exclusions_are_kept(case, data):
    pool, core = case
    out = data.draw(st.sets(st.integers(0, len(pool) - 1), max_size=len(pool) - 1))
    n = data.draw(st.integers(1, len(pool) - len(out)))
    selector = FPS(n, scale="none").fit(pool, core=core, exclude=out)
    assert not out & set(selector.selected_idx_)
    naive = FPS(n, scale="none", engine="naive").fit(pool, core=core, exclude=sorted(out))
    np.testing.assert_array_equal(selector.selected_idx_, naive.selected_idx_)
    first = selector.selected_idx_[: n // 2]
    if len(first):
        known = pool[first] if core is None else np.vstack([core, pool[first]])
        rest = FPS(n - len(first), scale="none").fit(pool, core=known, exclude=[*out, *first])
        np.testing.assert_array_equal(rest.selected_idx_, selector.selected_idx_[n // 2 :])
        np.testing.assert_array_equal(rest.scores_, selector.scores_[n // 2 :])


@given(st.integers(0, 2**32 - 1), METRICS)
@settings(max_examples=30, deadline=None)
def test_rows_of_very_different_lengths_keep_their_order(seed, metric):
    rng = np.random.default_rng(seed)
    pool = rng.standard_normal((60, 5)) * 10.0 ** rng.integers(-8, 9, (60, 1))
    lazy, naive = (FPS(60, metric=metric, scale="none", engine=engine).fit(pool) for engine in ("lazy", "naive"))
    np.testing.assert_array_equal(lazy.selected_idx_, naive.selected_idx_)
    np.testing.assert_array_equal(lazy.scores_, naive.scores_)


@pytest.mark.parametrize("power", [-100, 100, 200, 450])
def test_the_unit_does_not_matter(power):
    pool = np.random.default_rng(0).standard_normal((50, 4))
    plain = FPS(50, scale="none").fit(pool)
    scaled = FPS(50, scale="none").fit(pool * 2.0**power)
    np.testing.assert_array_equal(scaled.selected_idx_, plain.selected_idx_)
    np.testing.assert_allclose(scaled.scores_[1:], plain.scores_[1:] * 2.0**power, rtol=1e-12)


def test_a_pool_beyond_the_cache_and_a_large_core_give_the_same_picks():
    rng = np.random.default_rng(7)
    X = (rng.standard_normal((60_000, 40)) / np.arange(1, 41)).astype(np.float32)
    X[1_000:2_000] = X[:1_000]
    for core in (None, X[500:2_500] + np.float32(0.1)):
        lazy = FPS(8).fit(X, core=core)
        naive = FPS(8, engine="naive").fit(X, core=core)
        np.testing.assert_array_equal(lazy.selected_idx_, naive.selected_idx_)
        np.testing.assert_array_equal(lazy.scores_, naive.scores_)


def test_the_picks_of_a_line_are_known():
    X = np.arange(9.0)[:, None]
    for engine in ("lazy", "naive"):
        selector = FPS(5, scale="none", engine=engine).fit(X)
        np.testing.assert_array_equal(selector.selected_idx_, [0, 8, 4, 2, 6])
        np.testing.assert_array_equal(selector.scores_, [np.inf, 8.0, 4.0, 2.0, 2.0])
        selector = FPS(2, scale="none", initialize=3, engine=engine).fit(X)
        np.testing.assert_array_equal(selector.selected_idx_, [3, 8])


def test_the_cosine_sees_directions_only():
    X = np.array([[1.0, 0.0], [5.0, 0.0], [0.0, 0.1], [-3.0, 0.0], [2.0, 2.0]])
    selector = FPS(5, metric="cosine", scale="none", initialize=0).fit(X)
    np.testing.assert_array_equal(selector.selected_idx_, [0, 3, 2, 4, 1])
    np.testing.assert_allclose(selector.scores_[1:], [2.0, 1.0, 1.0 - np.sqrt(0.5), 0.0], atol=1e-15)


def test_multiples_of_a_row_tie_at_no_angle_at_all():
    row = np.random.default_rng(1).standard_normal(7)
    X = row * np.array([1.0, 3.0, 0.1, 7.0, 1e-3])[:, None]
    for engine in ("lazy", "naive"):
        selector = FPS(5, metric="cosine", scale="none", initialize=2, engine=engine).fit(X)
        np.testing.assert_array_equal(selector.selected_idx_, [2, 0, 1, 3, 4])
        np.testing.assert_array_equal(selector.scores_[1:], 0.0)


def test_duplicates_come_last_in_the_order_of_the_pool():
    X = np.repeat([[2.0, 0.0], [0.0, 1.0]], 3, axis=0)
    for engine in ("lazy", "naive"):
        selector = FPS(6, engine=engine, initialize=4).fit(X)
        np.testing.assert_array_equal(selector.selected_idx_, [4, 0, 1, 2, 3, 5])
        np.testing.assert_array_equal(selector.scores_[2:], 0.0)
        selector = FPS(6, engine=engine).fit(X, core=X)
        np.testing.assert_array_equal(selector.selected_idx_, np.arange(6))


def test_the_unit_of_a_feature_does_not_matter_when_standardised():
    X = np.random.default_rng(3).standard_normal((80, 4))
    picks = FPS(20).fit(X).selected_idx_
    np.testing.assert_array_equal(FPS(20).fit(X * [1.0, 1e6, 1e-6, 8.0] + 3.0).selected_idx_, picks)


def test_support_and_warm_starts_that_cannot_be():
    X = np.diag([1.0, 3.0, 2.0])
    selector = FPS(2, scale="none").fit(X)
    np.testing.assert_array_equal(selector.get_support(), [False, True, True])
    with pytest.raises(NotFittedError, match="call fit first"):
        FPS(2).get_support()
    with pytest.raises(NotFittedError, match="no selection to continue"):
        FPS(2).fit(X, warm_start=True)
    with pytest.raises(InvalidInputError, match="leave core out"):
        selector.fit(X, core=X, warm_start=True)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_to_select": 0}, "n_to_select must be an integer of at least 1, .* given 0"),
        ({"n_to_select": 2.5}, r"n_to_select must be an integer of at least 1, .* given 2\.5"),
        ({"n_to_select": 11}, "cannot select 11 structures from a pool of 10"),
        ({"metric": "manhattan"}, "metric must be 'euclidean' or 'cosine', given 'manhattan'"),
        ({"scale": "minmax"}, "scale must be 'standard' or 'none', given 'minmax'"),
        ({"engine": "eager"}, "engine must be 'lazy' or 'naive', given 'eager'"),
        ({"initialize": -1}, "initialize must be at least 0, given -1"),
        ({"initialize": "random"}, "initialize must be an integer, given 'random'"),
        ({"initialize": 10}, "the pool has 10 candidates, given 10"),
        ({"n_threads": 0}, "n_threads: expected a number of threads"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    X = np.random.default_rng(0).standard_normal((10, 3))
    with pytest.raises(InvalidInputError, match=message):
        FPS(**{"n_to_select": 2, **parameters}).fit(X)


def test_bad_features_are_refused():
    X = np.random.default_rng(0).standard_normal((10, 3))
    for bad in (np.nan, np.inf):
        broken = X.copy()
        broken[4, 1] = bad
        for how in ({}, {"scale": "none"}, {"scale": "none", "metric": "cosine"}):
            with pytest.raises(StructureError, match="structure 4: the pool has a feature that is not finite"):
                FPS(2, **how).fit(broken)
            with pytest.raises(StructureError, match="structure 4: the core has a feature that is not finite"):
                FPS(2, **how).fit(X, core=broken)
    zero = X.copy()
    zero[7] = 0.0
    assert len(FPS(2).fit(zero).selected_idx_) == 2
    with pytest.raises(StructureError, match="structure 7: the pool: expected a direction"):
        FPS(2, metric="cosine").fit(zero)
    with pytest.raises(StructureError, match="structure 7: the core: expected a direction"):
        FPS(2, metric="cosine").fit(X, core=zero)
    with pytest.raises(
        StructureError, match="structure 0: the pool has features so large that their squares exceed float64: scale"
    ):
        FPS(2, scale="none").fit(X * 1e200)
    with pytest.raises(InvalidInputError, match="core has 2 per structure, the pool 3"):
        FPS(2).fit(X, core=X[:, :2])
    with pytest.raises(InvalidInputError, match="the pool has rows without features"):
        FPS(1).fit(np.empty((2, 0)))
    with pytest.raises(InvalidInputError, match="cannot select 1 structures from a pool of 0"):
        FPS(1).fit(np.empty((0, 3)))


def test_a_start_and_what_contradicts_it_are_refused():
    X = np.random.default_rng(0).standard_normal((10, 3))
    with pytest.raises(InvalidInputError, match="a core is where the selection begins: leave initialize out"):
        FPS(2, initialize=3).fit(X, core=X)
    with pytest.raises(InvalidInputError, match="candidate 3 cannot be excluded: the selection begins with it"):
        FPS(2, initialize=3).fit(X, exclude=[3])
    with pytest.raises(InvalidInputError, match="cannot pick 10 more structures: the pool has 9 left"):
        FPS(10).fit(X, exclude=[3])
    with pytest.raises(InvalidInputError, match="candidate 10 cannot be excluded: the pool has 10 candidates"):
        FPS(1).fit(X, exclude=[10])
