"""Bayesian selection: every engine, storage and thread count returns the picks of the definition."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlipselect import BayesianSelector, Posterior
from mlipselect.exceptions import InvalidInputError, MemoryLimitError, NotFittedError, StructureError
from reference.posterior import SCORES, greedy, observe, prior_precision, scores_along


@dataclass
class Rows:
    """Features with atomic rows."""

    per_structure: np.ndarray
    per_atom: np.ndarray
    offsets: np.ndarray

    def groups(self):
        return [self.per_atom[a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True)]


@st.composite
def pools(draw, max_rows=40, max_dim=12):
    """Draw a pool with a decaying spectrum, perhaps with duplicates and zero rows and columns, and perhaps a core."""
    n, d = draw(st.integers(1, max_rows)), draw(st.integers(1, max_dim))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = rng.integers(1, 5, n)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    scales = 1.0 / np.arange(1, d + 1)
    atoms = rng.standard_normal((offsets[-1], d)) * scales
    if draw(st.booleans()):
        atoms[:, rng.integers(d)] = 0.0
    structure = np.add.reduceat(atoms, offsets[:-1]) / sizes[:, None]
    if draw(st.booleans()):
        structure[rng.integers(n, size=n // 3)] = structure[rng.integers(n, size=n // 3)]
    if draw(st.booleans()):
        structure[rng.integers(n)] = 0.0
    core = rng.standard_normal((draw(st.integers(1, 2 * d)), d)) * scales if draw(st.booleans()) else None
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    core = None if core is None else core.astype(dtype)
    return Rows(structure.astype(dtype), atoms.astype(dtype), offsets), core


def reference(pool, core, n, score, update, ridge, scale="root"):
    """Return the prior and the rest of what the definition needs."""
    X = pool.per_structure
    prior = prior_precision(ridge, X, *([] if core is None else [core]), scale=scale)
    groups = pool.groups() if update == "atoms" else None
    how = {"core": core, "score": score, "groups": groups}
    return np.diag(prior), how


@given(pools(), st.sampled_from(sorted(SCORES)), st.sampled_from(["structure", "atoms"]), st.data())
@settings(max_examples=150, deadline=None)
def test_every_pick_is_the_best_there_was(case, score, update, data):
    pool, core = case
    n = data.draw(st.integers(1, len(pool.per_structure)))
    ridge = data.draw(st.sampled_from([1e-2, 1e-3]))
    scale = data.draw(st.sampled_from(["root", "standard", "none"]))
    prior, how = reference(pool, core, n, score, update, ridge, scale)
    core_features = Rows(core, core, np.arange(len(core) + 1)) if core is not None and update == "atoms" else core
    engine = data.draw(st.sampled_from(["lazy", "naive"]))
    selector = BayesianSelector(n, score=score, update=update, ridge=ridge, scale=scale, engine=engine)
    selector.fit(pool, core=core_features)
    picks = selector.selected_idx_
    assert len(set(picks)) == n
    scores = scores_along(picks, pool.per_structure, prior, **how)
    # What rounding leaves undecided may be decided either way by two evaluations.
    floor = 1e-9 * max(scores[0].max(), 1e-300)
    best = scores.max(axis=1)
    chosen = scores[np.arange(n), picks]
    assert (chosen >= best - 1e-8 * best - floor).all()
    np.testing.assert_allclose(selector.scores_, chosen, rtol=1e-8, atol=floor)


@pytest.mark.parametrize("score", sorted(SCORES))
@pytest.mark.parametrize("update", ["structure", "atoms"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_picks_are_those_of_the_definition(score, update, dtype):
    rng = np.random.default_rng(5)
    atoms = (rng.standard_normal((180, 9)) / np.arange(1, 10)).astype(dtype)
    offsets = np.arange(0, 181, 3)
    pool = Rows(np.add.reduceat(atoms, offsets[:-1]) / dtype(3), atoms, offsets)
    core = (rng.standard_normal((7, 9)) / np.arange(1, 10)).astype(dtype)
    prior, how = reference(pool, core, 25, score, update, 1e-4)
    picks, scores = greedy(25, pool.per_structure, prior, **how)
    core_features = Rows(core, core, np.arange(8))
    for engine in ("lazy", "naive"):
        selector = BayesianSelector(25, score=score, update=update, ridge=1e-4, engine=engine)
        selector.fit(pool, core=core_features)
        np.testing.assert_array_equal(selector.selected_idx_, picks)
        np.testing.assert_allclose(selector.scores_, scores, rtol=1e-8)


@pytest.mark.parametrize("score", ["energy", "logdet"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_pool_beyond_the_cache_gives_the_same_picks(score, dtype):
    rng = np.random.default_rng(7)
    X = (rng.standard_normal((70_000, 60)) / np.arange(1, 61) @ np.linalg.qr(rng.standard_normal((60, 60)))[0]).astype(
        dtype
    )
    X[1_000:2_000] = X[:1_000]
    lazy = BayesianSelector(60, score=score).fit(X, core=X[:100])
    naive = BayesianSelector(60, score=score, engine="naive").fit(X, core=X[:100])
    np.testing.assert_array_equal(lazy.selected_idx_, naive.selected_idx_)
    np.testing.assert_allclose(lazy.scores_, naive.scores_, rtol=1e-8)


@pytest.mark.parametrize(("dtype", "of_target"), [(np.float32, False), (np.float64, True)])
def test_picks_ahead_from_a_large_pool_are_those_of_the_definition(dtype, of_target):
    rng = np.random.default_rng(11)
    turned = np.linalg.qr(rng.standard_normal((60, 60)))[0] / np.arange(1, 61)[:, None]
    X = (rng.standard_normal((70_000, 60)) @ turned).astype(dtype)
    X[1_000:2_000] = X[:1_000]
    core = X[:5]
    target = (rng.standard_normal((300, 60)) @ turned[:, rng.permutation(60)]).astype(dtype) if of_target else None
    selector = BayesianSelector(20, score="pool_variance", ridge=1e-4).fit(X, core=core, target=target)
    rows, meant = X.astype(np.float64), (X if target is None else target).astype(np.float64)
    M = meant.T @ meant / len(meant)
    sigma = observe(np.diag(1.0 / prior_precision(1e-4, X, core)), 1.0, core.astype(np.float64))
    taken = np.zeros(len(X), dtype=bool)
    for pick, found in zip(selector.selected_idx_, selector.scores_, strict=True):
        W = rows @ sigma
        scores = np.einsum("ij,jk,ik->i", W, M, W, optimize=True) / (1.0 + np.einsum("ij,ij->i", W, rows))
        best = scores[~taken].max()
        assert not taken[pick]
        assert scores[pick] >= best - 1e-8 * best
        assert found == pytest.approx(scores[pick], rel=1e-7)
        taken[pick], sigma = True, observe(sigma, 1.0, rows[[pick]])


@given(pools(max_rows=200, max_dim=30), st.sampled_from(sorted(SCORES)), st.data())
@settings(max_examples=40, deadline=None)
def test_threads_steps_and_restarts_change_nothing(case, score, data):
    (pool, core), n = case, data.draw(st.integers(1, len(case[0].per_structure)))
    X = pool.per_structure
    whole = BayesianSelector(n, score=score, n_threads=1).fit(X, core=core)
    threaded = BayesianSelector(n, score=score, n_threads=3).fit(X, core=core)
    np.testing.assert_array_equal(threaded.selected_idx_, whole.selected_idx_)
    np.testing.assert_array_equal(threaded.scores_, whole.scores_)
    parts = BayesianSelector(data.draw(st.integers(1, n)), score=score).fit(X, core=core)
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_[: parts.n_to_select])
    parts.n_to_select = n
    parts.fit(X, warm_start=True)
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_)
    np.testing.assert_array_equal(parts.scores_, whole.scores_)


@given(pools(), st.data())
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_rows_decides_ties_only(case, data):
    (pool, core), n = case, data.draw(st.integers(1, len(case[0].per_structure)))
    X = np.unique(pool.per_structure, axis=0)
    n = min(n, len(X), np.linalg.matrix_rank(X.astype(np.float64)))
    if n == 0:
        return
    order = np.random.default_rng(data.draw(st.integers(0, 100))).permutation(len(X))
    a = BayesianSelector(n, score="energy").fit(X, core=core)
    b = BayesianSelector(n, score="energy").fit(np.ascontiguousarray(X[order]), core=core)
    np.testing.assert_allclose(b.scores_, a.scores_, rtol=1e-8)


@given(pools(), st.data())
@settings(max_examples=40, deadline=None)
def test_a_saved_posterior_continues_where_it_stopped(tmp_path_factory, case, data):
    (pool, core), n = case, data.draw(st.integers(2, max(2, len(case[0].per_structure))))
    X = pool.per_structure
    n = min(n, len(X))
    whole = BayesianSelector(n, score="energy").fit(X, core=core)
    first = BayesianSelector(max(1, n // 2), score="energy").fit(X, core=core)
    path = tmp_path_factory.mktemp("posterior") / "p.safetensors"
    first.posterior_.save(path)
    rest = n - first.n_to_select
    if rest == 0:
        return
    second = BayesianSelector(rest, score="energy", posterior=Posterior.load(path)).fit(X, exclude=first.selected_idx_)
    floor = 1e-9 * whole.scores_[0]
    np.testing.assert_allclose(second.scores_, whole.scores_[-rest:], rtol=1e-8, atol=floor)


def test_duplicates_go_in_the_order_of_the_pool():
    X = np.repeat([[2.0, 0.0], [0.0, 1.0]], 3, axis=0)
    for score in SCORES:
        for engine in ("lazy", "naive"):
            selector = BayesianSelector(6, score=score, engine=engine).fit(X)
            np.testing.assert_array_equal(selector.selected_idx_[:2], [0, 3])
            assert sorted(selector.selected_idx_) == list(range(6))
            for kind in (X[selector.selected_idx_, 0] > 0, X[selector.selected_idx_, 1] > 0):
                assert (np.diff(selector.selected_idx_[kind]) > 0).all()


def test_zero_features_are_worth_nothing_and_still_selectable():
    selector = BayesianSelector(3).fit(np.zeros((3, 2)))
    np.testing.assert_array_equal(selector.selected_idx_, [0, 1, 2])
    np.testing.assert_array_equal(selector.scores_, 0.0)


def test_information_is_half_the_sum_of_what_each_pick_brought():
    X = np.random.default_rng(0).standard_normal((50, 5))
    selector = BayesianSelector(20, score="logdet").fit(X)
    np.testing.assert_allclose(np.cumsum(selector.scores_) / 2, selector.information_, rtol=1e-10)
    start = Posterior(5, prior_precision(1e-4, X))
    assert selector.posterior_.information() == pytest.approx(selector.information_[-1])
    start.update(X[selector.selected_idx_])
    assert start.logdet() == pytest.approx(selector.posterior_.logdet())


def test_pool_std_draws_its_target_by_the_seed():
    X = np.random.default_rng(0).standard_normal((2500, 4))
    picks = [BayesianSelector(3, score="pool_std", random_state=seed).fit(X).scores_ for seed in (0, 0, 1)]
    np.testing.assert_array_equal(picks[0], picks[1])
    assert (picks[0] != picks[2]).any()


def test_support_is_that_of_scikit_matter():
    X = np.diag([1.0, 3.0, 2.0])
    selector = BayesianSelector(2, score="energy").fit(X)
    np.testing.assert_array_equal(selector.get_support(), [False, True, True])
    np.testing.assert_array_equal(selector.get_support(indices=True), [1, 2])
    np.testing.assert_array_equal(selector.get_support(indices=True, ordered=True), [1, 2])
    with pytest.raises(NotFittedError, match="call fit first"):
        BayesianSelector(2).get_support()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_to_select": 0}, "n_to_select must be an integer of at least 1, .* given 0"),
        ({"max_memory": "4GB"}, "max_memory must be an integer, given '4GB'"),
        ({"max_memory": -1}, "max_memory must be at least 0, given -1"),
        ({"n_to_select": 2.5}, r"n_to_select must be an integer of at least 1, .* given 2\.5"),
        ({"n_to_select": 11}, "cannot select 11 structures from a pool of 10"),
        ({"score": "best"}, "score: expected one of energy, .* got 'best'"),
        ({"update": "rows"}, "update must be 'structure', 'atoms', 'forces' or 'stress', given 'rows'"),
        ({"update": "atoms"}, r"needs the atomic rows of the pool"),
        ({"engine": "eager"}, "engine must be 'lazy' or 'naive', given 'eager'"),
        ({"ridge": 0.0}, r"ridge must be a number above 0, given 0\.0"),
        ({"scale": "squares"}, "scale: expected one of root, standard, none, got 'squares'"),
        ({"ridge": float("nan")}, "ridge must be a number above 0, given nan"),
        ({"prior_precision": np.zeros(3)}, "singular prior: expected precisions above 0, feature 0 has 0"),
        ({"prior_precision": 1.0, "posterior": Posterior(3, 1.0)}, "prior_precision or posterior, not both"),
        ({"posterior": Posterior(4, 1.0)}, "the pool has 3 features per row, expected 4"),
        ({"noise_precision": -1.0}, "noise_precision must be a number above 0, given -1.0"),
        ({"objective": "stress"}, "objective: expected one of energy, forces, both, got 'stress'"),
        (
            {"objective": "forces", "score": "energy"},
            "objective: expected one of the scores pool_variance and pool_std",
        ),
        ({"objective": "forces"}, "scores, updates and objectives of forces and stress need designs="),
        ({"n_threads": 0}, "n_threads: expected a number of threads"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    X = np.random.default_rng(0).standard_normal((10, 3))
    with pytest.raises(InvalidInputError, match=message):
        BayesianSelector(**{"n_to_select": 2, **parameters}).fit(X)


def test_bad_features_are_refused():
    X = np.random.default_rng(0).standard_normal((10, 3))
    bad = X.copy()
    bad[4, 1] = np.inf
    for score in SCORES:
        for prior in (None, 1.0):
            with pytest.raises(StructureError, match="structure 4: the pool has a feature that is not finite"):
                BayesianSelector(2, score=score, prior_precision=prior).fit(bad)
            with pytest.raises(StructureError, match=r"structure 4: the (core|observed rows) has a feature"):
                BayesianSelector(2, score=score, prior_precision=prior).fit(X, core=bad)
    with pytest.raises(InvalidInputError, match="core has 2 per structure, the pool 3"):
        BayesianSelector(2).fit(X, core=X[:, :2])
    with pytest.raises(InvalidInputError, match="given 1 dimension"):
        BayesianSelector(2).fit(X[0])
    with pytest.raises(InvalidInputError, match="cannot select 1 structures from a pool of 0"):
        BayesianSelector(1).fit(np.empty((0, 3)))
    with pytest.raises(InvalidInputError, match="the pool has rows without features"):
        BayesianSelector(1).fit(np.empty((2, 0)))


def test_a_selection_that_cannot_go_on_says_so():
    X = np.random.default_rng(0).standard_normal((10, 3))
    with pytest.raises(NotFittedError, match="no selection to continue"):
        BayesianSelector(2).fit(X, warm_start=True)
    selector = BayesianSelector(4).fit(X)
    with pytest.raises(InvalidInputError, match="leave core out"):
        selector.fit(X, core=X, warm_start=True)
    selector.n_to_select = 3
    with pytest.raises(InvalidInputError, match="n_to_select is 3, but 4 structures are selected already"):
        selector.fit(X, warm_start=True)
    with pytest.raises(InvalidInputError, match="cannot pick 10 more structures: the pool has 9 left"):
        BayesianSelector(10).fit(X, exclude=[3])
    with pytest.raises(InvalidInputError, match="candidate 10 cannot be excluded: the pool has 10 candidates"):
        BayesianSelector(1).fit(X, exclude=[10])


def test_memory_is_asked_for_and_limited():
    X = np.ones((100, 2))
    with pytest.raises(MemoryLimitError, match=r"pool_std needs \d+ bytes, more than the 999 allowed") as refusal:
        BayesianSelector(2, score="pool_std", max_memory=999).fit(X)
    needed = int(re.search(r"needs (\d+) bytes", str(refusal.value)).group(1))
    BayesianSelector(2, score="pool_std", max_memory=needed).fit(X)


def test_a_large_ridge_is_warned_of():
    with pytest.warns(UserWarning, match=r"ridge 1\.0 is so large"):
        BayesianSelector(1, ridge=1.0).fit(np.eye(2))
