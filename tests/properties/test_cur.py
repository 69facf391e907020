"""CUR: leverages are those of a singular value decomposition, and draws have the probabilities of the definition."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlipselect import CUR, Features
from mlipselect.exceptions import InvalidInputError, NotFittedError, StructureError
from reference import cur as reference
from reference.pools import clustered_pools

SCALES = st.sampled_from(["none", "standard"])


@st.composite
def spectra(draw, max_rows=60, max_dim=20):
    """Draw rows, more or fewer than features, whose singular values are apart by known factors, and perhaps a core."""
    n, d = draw(st.integers(1, max_rows)), draw(st.integers(1, max_dim))
    n_core = draw(st.sampled_from([0, 0, 1, 30]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k = min(n + n_core, d)
    U, _ = np.linalg.qr(rng.standard_normal((n + n_core, k)))
    V, _ = np.linalg.qr(rng.standard_normal((d, k)))
    s = 10.0 ** draw(st.floats(-3, 3)) * draw(st.floats(0.3, 0.95)) ** np.arange(k)
    rows = ((U * s) @ V.T).astype(draw(st.sampled_from([np.float64, np.float32])))
    return rows[:n], rows[n:] if n_core else None


@given(spectra(), SCALES, st.data())
@settings(max_examples=200, deadline=None)
def test_leverage_is_that_of_a_singular_value_decomposition(case, scale, data):
    pool, core = case
    s = np.linalg.svd(reference.stacked(pool, core, scale), compute_uv=False)
    # Where neighbours are as good as equal, which of them is among the first is for rounding to decide.
    ranks = [k for k in range(1, len(s) + 1) if s[k - 1] > 1e-6 * s[0] and (k == len(s) or s[k] < 0.99 * s[k - 1])]
    how = data.draw(
        st.sampled_from([{"rank": k} for k in ranks] + [{"ridge": ridge} for ridge in (1e-8, 1e-3, 1.0, 100.0)] or [{}])
    )
    expected, rank = reference.leverage(pool, core, scale=scale, **how)
    selector = CUR(1, scale=scale, **how).fit(pool, core=core)
    np.testing.assert_allclose(selector.leverage_, expected, rtol=1e-8, atol=1e-9)
    assert selector.leverage_.dtype == np.float64
    rank = min(len(s), pool.shape[1]) if "ridge" in how else rank
    assert selector.rank_ == rank
    assert selector.explained_ == pytest.approx((s[:rank] ** 2).sum() / (s**2).sum())
    if core is None and "rank" in how:
        assert selector.leverage_.sum() == pytest.approx(how["rank"])
    assert (selector.leverage_ <= 1 + 1e-9).all()


@given(clustered_pools(), SCALES)
@settings(max_examples=150, deadline=None)
def test_the_default_rank_holds_the_share_that_is_stated(case, scale):
    pool, core = case
    s = np.linalg.svd(reference.stacked(pool, core, scale), compute_uv=False) ** 2
    selector = CUR(1, scale=scale).fit(pool, core=core)
    if s.sum() == 0.0:
        assert (selector.rank_, selector.explained_) == (0, 1.0)
        np.testing.assert_array_equal(selector.leverage_, 0.0)
        return
    held = np.cumsum(s) / s.sum()
    assert held[selector.rank_ - 1] >= 0.999 - 1e-9
    assert selector.rank_ == 1 or held[selector.rank_ - 2] < 0.999 + 1e-9
    assert selector.explained_ == pytest.approx(held[selector.rank_ - 1])
    k = selector.rank_
    if k == len(s) or s[k] < 0.99 * s[k - 1]:
        expected, _ = reference.leverage(pool, core, rank=k, scale=scale)
        np.testing.assert_allclose(selector.leverage_, expected, rtol=1e-7, atol=1e-8)


@given(clustered_pools(max_rows=60), SCALES, st.sampled_from([{}, {"ridge": 1e-3}, {"ridge": 1e-9}]), st.data())
@settings(max_examples=80, deadline=None)
def test_the_order_of_the_rows_does_not_matter(case, scale, how, data):
    pool, core = case
    order = np.array(data.draw(st.permutations(range(len(pool)))))
    there, back = (
        CUR(1, scale=scale, **how).fit(pool, core=core),
        CUR(1, scale=scale, **how).fit(pool[order], core=core),
    )
    if there.rank_ == back.rank_:
        np.testing.assert_allclose(back.leverage_, there.leverage_[order], rtol=1e-7, atol=1e-8)


@given(clustered_pools(max_rows=300, max_dim=30), SCALES, st.booleans(), st.data())
@settings(max_examples=60, deadline=None)
def test_threads_change_nothing_and_few_picks_begin_more(case, scale, deterministic, data):
    (pool, core), n = case, data.draw(st.integers(1, len(case[0])))
    how = {"scale": scale, "deterministic": deterministic, "random_state": data.draw(st.integers(0, 5))}
    how |= data.draw(st.sampled_from([{}, {"ridge": 1e-6}]))
    whole = CUR(n, n_threads=1, **how).fit(pool, core=core)
    other = CUR(n, n_threads=3, **how).fit(pool, core=core)
    np.testing.assert_array_equal(other.leverage_, whole.leverage_)
    np.testing.assert_array_equal(other.selected_idx_, whole.selected_idx_)
    np.testing.assert_array_equal(whole.scores_, whole.leverage_[whole.selected_idx_])
    parts = CUR(data.draw(st.integers(1, n)), **how).fit(pool, core=core)
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_[: parts.n_to_select])
    parts.n_to_select = n
    parts.fit(pool, warm_start=True)
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_)
    np.testing.assert_array_equal(parts.scores_, whole.scores_)


@given(clustered_pools(), st.booleans(), st.data())
@settings(max_examples=60, deadline=None)
def test_excluded_structures_are_passed_over(case, deterministic, data):
    pool, core = case
    out = data.draw(st.sets(st.integers(0, len(pool) - 1), max_size=len(pool) - 1))
    n = len(pool) - len(out)
    everything = CUR(len(pool), deterministic=deterministic).fit(pool, core=core).selected_idx_
    picks = CUR(n, deterministic=deterministic).fit(pool, core=core, exclude=out).selected_idx_
    if deterministic:
        # What the excluded ones tie with may come in another order without them.
        assert set(picks) == set(everything) - out
    else:
        np.testing.assert_array_equal(picks, [i for i in everything if i not in out])
    half = CUR((n + 1) // 2, deterministic=deterministic).fit(pool, core=core, exclude=out)
    half.n_to_select = n
    np.testing.assert_array_equal(half.fit(pool, warm_start=True).selected_idx_, picks)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.booleans(), st.sampled_from([{}, {"rank": 1}, {"ridge": 0.1}]))
@settings(max_examples=60, deadline=None)
def test_leverage_of_atoms_adds_up_over_structures(seed, n, with_core, how):
    rng = np.random.default_rng(seed)

    def features(count):
        n_atoms = rng.integers(1, 6, count)
        offsets = np.concatenate([[0], np.cumsum(n_atoms)])
        atoms = rng.standard_normal((offsets[-1], 4)) * [4.0, 1.0, 0.5, 1e-3]
        structure = np.array([atoms[a:b].mean(axis=0) for a, b in itertools.pairwise(offsets)])
        return Features(per_structure=structure, n_atoms=n_atoms, per_atom=atoms, offsets=offsets)

    pool, core = features(n), features(3) if with_core else None
    known = core.per_atom if with_core else None
    expected, rank = reference.leverage(pool.per_atom, known, offsets=pool.offsets, **how)
    selector = CUR(n, rows="atoms", **how).fit(pool, core=core)
    np.testing.assert_allclose(selector.leverage_, expected, rtol=1e-8, atol=1e-12)
    assert selector.rank_ == rank
    assert len(selector.leverage_) == n
    plain, _ = reference.leverage(pool.per_structure, core.per_structure if with_core else None, **how)
    np.testing.assert_allclose(CUR(1, **how).fit(pool, core=core).leverage_, plain, rtol=1e-8, atol=1e-12)


def test_the_largest_come_first_and_equal_rows_in_the_order_of_the_pool():
    rng = np.random.default_rng(2)
    for n, d in ((200, 6), (24, 30)):
        X = np.repeat(rng.standard_normal((n // 4, d)), 4, axis=0)[rng.permutation(n)]
        selector = CUR(n, rank=2, deterministic=True).fit(X)
        values = selector.leverage_
        _, first, same = np.unique(X, axis=0, return_index=True, return_inverse=True)
        np.testing.assert_allclose(values, values[first][same.ravel()], rtol=1e-12)
        np.testing.assert_array_equal(selector.selected_idx_, np.lexsort((np.arange(n), -values[first][same.ravel()])))
        np.testing.assert_array_equal(
            CUR(3, rank=2, deterministic=True).fit(X).selected_idx_, selector.selected_idx_[:3]
        )


def test_draws_have_the_probabilities_of_the_definition():
    X = np.diag([1.0, 2.0, 3.0, 0.0, 1.0, 0.5])
    X[4, 0] = 2.0
    weights, _ = reference.leverage(X, ridge=0.5)
    n_draws = 4000
    for n in (1, 2, 3):
        expected = reference.inclusion(weights, n)
        counts = np.zeros(len(X))
        for seed in range(n_draws):
            counts[CUR(n, ridge=0.5, random_state=seed, n_threads=1).fit(X).selected_idx_] += 1
        error = np.sqrt(np.maximum(expected * (1 - expected), 1e-300) / n_draws)
        assert (np.abs(counts / n_draws - expected) <= 4 * error).all()
        assert counts[3] == 0


def test_structures_without_leverage_come_last_in_random_order():
    X = np.zeros((12, 3))
    X[5] = 1.0
    orders = {tuple(CUR(12, random_state=seed).fit(X).selected_idx_) for seed in range(20)}
    assert len(orders) == 20
    assert {order[0] for order in orders} == {5}
    assert len({tuple(CUR(12, random_state=seed).fit(X * 0).selected_idx_) for seed in range(20)}) == 20


def test_a_core_takes_leverage_away_where_it_is():
    X = np.eye(3)
    alone = CUR(1, rank=3).fit(X).leverage_
    np.testing.assert_allclose(alone, 1.0)
    shared = CUR(1, rank=3).fit(X, core=np.array([[0.0, 3.0, 0.0]])).leverage_
    np.testing.assert_allclose(shared, [1.0, 0.1, 1.0])


def test_small_directions_are_resolved_where_they_count():
    rng = np.random.default_rng(5)
    for n, d in ((300, 12), (12, 40)):
        U, _ = np.linalg.qr(rng.standard_normal((n, 12)))
        V, _ = np.linalg.qr(rng.standard_normal((d, 12)))
        X = (U * 10.0 ** -np.arange(12)) @ V.T
        for rank in (3, 5, 8, 10):
            # Rounding the features themselves to float64 moves them by that much.
            tolerance = 1e-8 + 1e-14 * 10.0**rank
            values = CUR(1, rank=rank).fit(X).leverage_
            np.testing.assert_allclose(values, (U[:, :rank] ** 2).sum(axis=1), atol=tolerance)
        for ridge in (1e-2, 1e-6, 1e-10):
            s = 10.0 ** -np.arange(12)
            weights = s**2 / (s**2 + ridge * (s**2).sum() / X.size)
            values = CUR(1, ridge=ridge).fit(X).leverage_
            np.testing.assert_allclose(values, (U**2 * weights).sum(axis=1), atol=1e-4)


def test_large_float32_pools_agree_to_the_accuracy_that_is_stated():
    rng = np.random.default_rng(11)
    n, d = 30_000, 150
    basis, _ = np.linalg.qr(rng.standard_normal((d, d)))
    X = ((rng.standard_normal((n, d)) / np.arange(1, d + 1)) @ basis).astype(np.float32)
    X[7_000:7_100] = X[100:200]
    core = X[:50] * np.float32(2.0)
    for how in ({}, {"rank": 20}, {"ridge": 1e-2}):
        for known in (None, core):
            expected, rank = reference.leverage(X, known, **how)
            selector = CUR(1, **how).fit(X, core=known)
            np.testing.assert_allclose(selector.leverage_, expected, rtol=1e-4)
            assert selector.rank_ == rank
            np.testing.assert_array_equal(selector.leverage_[7_000:7_100], selector.leverage_[100:200])
            np.testing.assert_array_equal(CUR(1, n_threads=3, **how).fit(X, core=known).leverage_, selector.leverage_)
    wide = np.zeros((n, d + 10), np.float32)
    wide[:, :d] = X
    np.testing.assert_array_equal(CUR(1).fit(wide[:, :d]).leverage_, CUR(1).fit(X).leverage_)


def test_what_float32_cannot_hold_is_done_in_float64():
    rng = np.random.default_rng(12)
    n, d = 30_000, 150
    X = (rng.standard_normal((n, d)) * 10.0 ** -np.linspace(0, 5, d)).astype(np.float32)
    expected, _ = reference.leverage(X, rank=d)
    np.testing.assert_allclose(CUR(1, rank=d).fit(X).leverage_, expected, rtol=1e-7)
    expected, _ = reference.leverage(X, rank=3)
    for power in (-60, 60):
        scaled = X * np.float32(2.0**power)
        np.testing.assert_allclose(CUR(1, rank=3).fit(scaled).leverage_, expected, rtol=1e-8)
    np.testing.assert_allclose(CUR(1, rank=3).fit(X, core=X[:9].astype(np.float64) * 0).leverage_, expected, rtol=1e-8)
    X[17_000, 3] = np.nan
    with pytest.raises(StructureError, match="structure 17000: the pool has a feature that is not finite"):
        CUR(1).fit(X)


@pytest.mark.parametrize("power", [-60, 0, 60, 400])
def test_the_unit_does_not_matter(power):
    X = np.random.default_rng(0).standard_normal((50, 4))
    plain, scaled = CUR(1, rank=2).fit(X), CUR(1, rank=2).fit(X * 2.0**power)
    np.testing.assert_allclose(scaled.leverage_, plain.leverage_, rtol=1e-12)


def test_support_and_warm_starts_that_cannot_be():
    X = np.diag([1.0, 3.0, 2.0])
    selector = CUR(2, rank=2, deterministic=True).fit(X)
    np.testing.assert_array_equal(selector.get_support(), [False, True, True])
    with pytest.raises(NotFittedError, match="call fit first"):
        CUR(2).get_support()
    with pytest.raises(NotFittedError, match="no selection to continue"):
        CUR(2).fit(X, warm_start=True)
    with pytest.raises(InvalidInputError, match="leave core out"):
        selector.fit(X, core=X, warm_start=True)
    with pytest.raises(InvalidInputError, match="began with 3 candidates, given 2"):
        selector.fit(X[:2], warm_start=True)
    selector.n_to_select = 1
    with pytest.raises(InvalidInputError, match="n_to_select is 1, but 2 structures are selected already"):
        selector.fit(X, warm_start=True)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_to_select": 0}, "n_to_select must be an integer of at least 1, .* given 0"),
        ({"n_to_select": 11}, "cannot select 11 structures from a pool of 10"),
        ({"rank": 0}, "rank must be at least 1, given 0"),
        ({"rank": 4}, "rank must be between 1 and .*, given 4 for 10 rows of 3 features"),
        ({"rank": 1.5}, r"rank must be an integer, given 1\.5"),
        ({"ridge": 0.0}, "ridge must be a number above 0, given 0"),
        ({"ridge": -1.0}, "ridge must be a number above 0, given -1"),
        ({"ridge": np.nan}, "ridge must be a number above 0, given NaN"),
        ({"rank": 2, "ridge": 1.0}, "give rank or ridge, not both"),
        ({"rows": "cells"}, "rows must be 'structure' or 'atoms', given 'cells'"),
        ({"rows": "atoms"}, "rows='atoms' needs the atomic rows of the pool"),
        ({"scale": "minmax"}, "scale must be 'standard' or 'none', given 'minmax'"),
        ({"random_state": -1}, "random_state must be None, an integer of at least 0 or a numpy Generator, given -1"),
        ({"n_threads": 0}, "n_threads: expected a number of threads"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    X = np.random.default_rng(0).standard_normal((10, 3))
    with pytest.raises(InvalidInputError, match=message):
        CUR(**{"n_to_select": 2, **parameters}).fit(X)


def test_bad_features_are_refused():
    X = np.random.default_rng(0).standard_normal((10, 3))
    for bad in (np.nan, np.inf):
        for shape in ((10, 3), (10, 30)):
            broken = np.ones(shape)
            broken[4, 1] = bad
            for scale in ("none", "standard"):
                with pytest.raises(StructureError, match="structure 4: the pool has a feature that is not finite"):
                    CUR(2, scale=scale).fit(broken)
                with pytest.raises(StructureError, match="structure 4: the core has a feature that is not finite"):
                    CUR(2, scale=scale).fit(np.ones(shape), core=broken)
        atoms = X.copy()
        atoms[4, 1] = bad
        offsets = np.array([0, 3, 6, 10])
        pool = Features(per_structure=X[:3], n_atoms=np.diff(offsets), per_atom=atoms, offsets=offsets)
        for scale in ("none", "standard"):
            with pytest.raises(StructureError, match="structure 1: the pool has a feature that is not finite"):
                CUR(2, rows="atoms", scale=scale).fit(pool)
    with pytest.raises(InvalidInputError, match="rank is 3, but the features have rank 1 only: lower it"):
        CUR(2, rank=3).fit(np.outer(np.arange(10.0), [1.0, 2.0, 3.0]))
    with pytest.raises(InvalidInputError, match="squares of the features exceed float64: scale the features down"):
        CUR(2).fit(X * 1e200)
    with pytest.raises(InvalidInputError, match="squares of the features vanish in float64: scale the features up"):
        CUR(2).fit(X * 1e-200)
    with pytest.raises(InvalidInputError, match="core has 2 per structure, the pool 3"):
        CUR(2).fit(X, core=X[:, :2])
    with pytest.raises(InvalidInputError, match="the rows of the pool have no features"):
        CUR(1).fit(np.empty((2, 0)))
    with pytest.raises(InvalidInputError, match="cannot select 1 structures from a pool of 0"):
        CUR(1).fit(np.empty((0, 3)))
    with pytest.raises(InvalidInputError, match="candidate 10 cannot be excluded: the pool has 10 candidates"):
        CUR(1).fit(X, exclude=[10])
    with pytest.raises(InvalidInputError, match="cannot pick 10 more structures: the pool has 9 left"):
        CUR(10).fit(X, exclude=[3])
