"""Selections for a target: picks are those of dense matrices, whatever the weights, the objective and the update."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError
from mlipselect.selectors import target as target_module
from properties.test_derivative_scores import PRIOR, blocks, crystals
from reference.pairs import Pairs
from reference.posterior import greedy, observe
from reference.stored_rows import Rows

SCORES = st.sampled_from(["pool_variance", "pool_std"])


def uncertainty(score, sigma, rows, weights):
    """Weighted mean variance, or standard deviation, of rows."""
    values = np.maximum(np.einsum("id,de,ie->i", rows, sigma, rows), 0.0)
    return float(np.average(values if score == "pool_variance" else np.sqrt(values), weights=weights))


def brute_force(n, pool, core, target, weights, score, objective, update):
    """Pick what lowers the uncertainty of the target most, as a difference of two weighted means."""
    rows, own, known = [[blocks(atoms) for atoms in part] for part in (pool, target, core)]
    kinds = {"energy": ["energy"], "forces": ["force"], "both": ["energy", "force"]}[objective]
    more = {"structure": [], "forces": ["force"], "stress": ["stress"]}[update]
    aims = []
    for kind in kinds:
        repeats = [len(one[kind]) for one in own]
        aims.append((np.concatenate([one[kind] for one in own]), np.repeat(weights, repeats)))
    sigma = np.eye(4) / PRIOR
    for one in known:
        for name in ["energy", *more]:
            sigma = observe(sigma, 1.0, one[name])
    units = [uncertainty(score, sigma, *aim) if len(kinds) > 1 else 1.0 for aim in aims]

    def left(sigma):
        return sum(uncertainty(score, sigma, *aim) / unit for aim, unit in zip(aims, units, strict=True))

    picks, scores = [], []
    for _ in range(n):
        falls = np.array([left(sigma) - left(observe(sigma, 1.0, one["energy"])) for one in rows])
        falls[picks] = -np.inf
        picks.append(int(np.flatnonzero(falls >= falls.max() * (1 - 1e-9))[0]))
        scores.append(falls[picks[-1]])
        for name in ["energy", *more]:
            sigma = observe(sigma, 1.0, rows[picks[-1]][name])
    return np.array(picks), np.array(scores), sigma


@given(
    st.integers(2, 9), st.integers(1, 5), SCORES, st.sampled_from(["energy", "forces", "both"]),
    st.sampled_from(["structure", "forces", "stress"]), st.booleans(), st.booleans(), st.integers(0, 10**6),
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_picks_are_those_of_the_definition(size, n_target, score, objective, update, is_weighted, is_pool, seed):
    pool, core = crystals(size, seed), crystals(2, seed + 1)
    target = pool if is_pool else crystals(n_target, seed + 2)
    is_weighted = is_weighted and not is_pool
    weights = np.random.default_rng(seed).integers(0, 4, len(target)) + 1.0 * (np.arange(len(target)) == 0)
    weights = weights if is_weighted else np.ones(len(target))
    X, X_core, X_target = (ms.featurize(part, Pairs()) for part in (pool, core, target))
    given_target = {} if is_pool else {"target": X_target, "target_designs": ms.Designs(target, Pairs())}
    n = max(1, size // 2)
    selector = ms.BayesianSelector(n, score=score, objective=objective, update=update, prior_precision=PRIOR).fit(
        X, core=X_core, designs=ms.Designs(pool, Pairs()), core_designs=ms.Designs(core, Pairs()),
        target_weights=weights if is_weighted else None, **given_target,
    )  # fmt: skip
    picks, scores, covariance = brute_force(n, pool, core, target, weights, score, objective, update)
    # A score far below the first is the rounding of differences in the reference.
    told = scores > 1e-7 * scores[0]
    np.testing.assert_allclose(selector.scores_[told], scores[told], rtol=1e-5)
    if told.all() and np.unique(scores).size == n:
        np.testing.assert_array_equal(selector.selected_idx_, picks)
        np.testing.assert_allclose(selector.posterior_.covariance, covariance, rtol=1e-6, atol=1e-9 * covariance.max())


@given(st.integers(0, 10**6), SCORES, st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_weight_is_a_number_of_copies_wherever_rows_are(seed, score, is_stored):
    rng = np.random.default_rng(seed)
    X, target = rng.normal(size=(40, 5)), rng.normal(size=(7, 5))
    weights = rng.integers(0, 4, 7)
    weights[0] += 1
    given = Rows(target, 3) if is_stored else target
    weighted = ms.BayesianSelector(6, score=score).fit(X, target=given, target_weights=weights)
    copied = ms.BayesianSelector(6, score=score).fit(X, target=np.repeat(target, weights, axis=0))
    np.testing.assert_array_equal(weighted.selected_idx_, copied.selected_idx_)
    np.testing.assert_allclose(weighted.scores_, copied.scores_, rtol=1e-8)


@pytest.mark.parametrize("score", ["pool_variance", "pool_std"])
def test_the_pool_as_target_changes_nothing(score):
    X = np.random.default_rng(1).normal(size=(50, 4))
    plain, named = (ms.BayesianSelector(9, score=score).fit(X, **how) for how in ({}, {"target": X}))
    np.testing.assert_array_equal(plain.selected_idx_, named.selected_idx_)
    np.testing.assert_array_equal(plain.scores_, named.scores_)
    stored = ms.BayesianSelector(9, score=score).fit(X, target=Rows(X, 7))
    np.testing.assert_array_equal(plain.selected_idx_, stored.selected_idx_)
    np.testing.assert_allclose(plain.scores_, stored.scores_, rtol=1e-8)
    reference, _ = greedy(3, X, np.diag(np.full(4, 0.1)), score=score, target=X)
    fitted = ms.BayesianSelector(3, score=score, prior_precision=0.1).fit(X, target=X)
    np.testing.assert_array_equal(fitted.selected_idx_, reference)


def test_a_target_draws_picks_towards_it():
    """On paper: two independent features; a target along one of them has no use for the other."""
    X = np.array([[10.0, 0.0], [0.0, 1.0], [9.0, 0.0]])
    for score in ("pool_variance", "pool_std"):
        selector = ms.BayesianSelector(1, score=score, prior_precision=1.0)
        assert selector.fit(X).selected_idx_.tolist() == [0]
        assert selector.fit(X, target=np.array([[0.0, 3.0]])).selected_idx_.tolist() == [1]
        # Variance 9 falls to 9 / (1 + 1).
        expected = 4.5 if score == "pool_variance" else 3.0 - 4.5**0.5
        np.testing.assert_allclose(selector.scores_, [expected])


@pytest.mark.parametrize("kind", ["energy", "forces"])
def test_pool_std_draws_rows_of_a_large_target_by_the_seed(monkeypatch, kind):
    monkeypatch.setattr(target_module, "POOL_STD_TARGETS", 6)
    pool, target = crystals(9, 5), crystals(8, 6)
    X, X_target = ms.featurize(pool, Pairs()), ms.featurize(target, Pairs())
    designs = ms.Designs(target, Pairs())
    posterior = ms.Posterior(4, 1.0)
    found = target_module.Target(X_target.per_structure, np.arange(8.0), designs)
    rows = [found.for_score("pool_std", kind, posterior, seed) for seed in (0, 0, 1)]
    assert rows[0].shape == (6, 4)
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])
    whole = X_target.per_structure if kind == "energy" else np.concatenate(list(designs.forces(range(8))))
    for row in rows[0]:
        along = np.abs(whole @ row) / np.maximum(np.linalg.norm(whole, axis=1) * np.linalg.norm(row), 1e-300)
        assert not row.any() or along.max() > 1 - 1e-9
    fitted = ms.BayesianSelector(3, score="pool_std", objective=kind)
    fitted.fit(X, target=X_target, target_designs=designs)
    assert len(set(fitted.selected_idx_.tolist())) == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target": np.ones((2, 4))}, "target: expected 3 features as of the pool, got 4"),
        ({"target": np.empty((0, 3))}, "target: expected at least one structure"),
        ({"target_weights": [1.0]}, "target_weights: expected `target` with it"),
        ({"target": np.ones((2, 3)), "target_weights": [1.0]}, "expected one weight for each of 2 structures"),
        ({"target": np.ones((2, 3)), "target_weights": [1.0, -1.0]}, "expected finite numbers of at least 0, got -1"),
        ({"target": np.ones((2, 3)), "target_weights": [0.0, 0.0]}, "expected a weight above 0, got 0 for all"),
        ({"target": np.full((2, 3), np.nan), "target_weights": [0.0, 1.0]}, "row 1 of the target is not finite"),
        ({"target": np.full((2, 3), np.nan)}, "not finite|NaN|finite"),
    ],
)
def test_targets_that_cannot_be_are_refused(given, message):
    X = np.random.default_rng(0).normal(size=(9, 3))
    with pytest.raises(InvalidInputError, match=message):
        ms.BayesianSelector(2).fit(X, **given)


def test_what_has_no_target_refuses_one():
    X = np.random.default_rng(0).normal(size=(9, 3))
    with pytest.raises(InvalidInputError, match="target: expected one of the scores pool_variance and pool_std"):
        ms.BayesianSelector(2, score="energy").fit(X, target=X[:2])
    with pytest.raises(InvalidInputError, match="need target_designs="):
        ms.BayesianSelector(2, objective="forces").fit(X, target=X[:2])
    designs = ms.Designs([Atoms("Cu")], Pairs())
    with pytest.raises(InvalidInputError, match="target_designs: expected those of 2 structures, got 1"):
        ms.BayesianSelector(2, objective="forces").fit(X, target=X[:2], target_designs=designs)


def test_a_warm_start_keeps_the_target():
    rng = np.random.default_rng(4)
    X, target = rng.normal(size=(30, 4)), rng.normal(size=(5, 4))
    whole = ms.BayesianSelector(9).fit(X, target=target)
    parts = ms.BayesianSelector(4).fit(X, target=target)
    parts.n_to_select = 9
    np.testing.assert_array_equal(parts.fit(X, warm_start=True).selected_idx_, whole.selected_idx_)
    with pytest.raises(InvalidInputError, match="a warm start continues with the target"):
        parts.fit(X, target=target, warm_start=True)
