"""Quotas, budgets, distances to keep and stops: the best candidate that fits, and nothing that does not."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlipselect import (
    CUR,
    FPS,
    BayesianSelector,
    Budget,
    Constraint,
    FacilityLocation,
    MinDistance,
    Quota,
    RandomSelector,
)
from mlipselect.exceptions import InvalidInputError
from reference import fps, posterior

MAKERS = {
    "energy": lambda n, **how: BayesianSelector(n, score="energy", prior_precision=1e-3, **how),
    "pool_variance": lambda n, **how: BayesianSelector(n, score="pool_variance", **how),
    "fps": lambda n, **how: FPS(n, scale="none", **how),
    "facility location": lambda n, **how: FacilityLocation(n, **how),
}


def scores(name, picks, pool, core):
    """Score of every candidate, from the definition."""
    if name == "fps":
        return fps.scores_along(np.array([*picks, 0]), pool, core, metric="euclidean", scale="none")[-1]
    sigma = posterior.covariance(1e-3 * np.eye(pool.shape[1]), 1.0, np.vstack([core, pool[picks]]))
    return posterior.energy(sigma, 1.0, pool)


def best_that_fits(name, n, pool, core, fits):
    """Pick the best of the candidates that fit, until none does."""
    picks: list[int] = []
    while len(picks) < n:
        row = scores(name, picks, pool, core)
        fitting = [i for i in range(len(pool)) if i not in picks and fits(picks, i)]
        if not fitting:
            break
        picks.append(max(fitting, key=lambda i: row[i]))
    return picks


@st.composite
def pools(draw):
    """Draw a pool without ties, and a core."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d = draw(st.integers(2, 30)), draw(st.integers(1, 5))
    return rng.standard_normal((n, d)), rng.standard_normal((draw(st.integers(1, 5)), d)), rng


@given(pools(), st.sampled_from(["energy", "fps"]), st.integers(0, 2), st.data())
@settings(max_examples=150, deadline=None)
def test_quota(case, name, minimum, data):
    pool, core, rng = case
    labels = rng.integers(3, size=len(pool))
    sizes = Counter(labels.tolist())
    maximum = data.draw(st.one_of(st.none(), st.integers(max(1, minimum), 12)))
    least = sum(min(minimum, size) for size in sizes.values())
    most = sum(size if maximum is None else min(maximum, size) for size in sizes.values())
    n = data.draw(st.integers(max(1, least), most))

    def fits(picks, i):
        counts = Counter(labels[picks].tolist())
        counts[labels[i]] += 1
        missing = sum(max(0, min(minimum, size) - counts[group]) for group, size in sizes.items())
        return (maximum is None or counts[labels[i]] <= maximum) and missing <= n - len(picks) - 1

    quota = Quota(labels.tolist(), minimum=minimum, maximum=maximum)
    selector = MAKERS[name](n).fit(pool, core=core, constraints=[quota])
    assert selector.selected_idx_.tolist() == best_that_fits(name, n, pool, core, fits)
    assert len(selector.scores_) == n
    assert selector.stop_reason_ is None


@given(pools(), st.sampled_from(["energy", "fps"]), st.data())
@settings(max_examples=150, deadline=None)
def test_budget(case, name, data):
    pool, core, rng = case
    costs = rng.integers(0, 9, size=len(pool)).astype(float)
    limit = data.draw(st.integers(1, 40))
    n = data.draw(st.integers(1, len(pool)))
    expected = best_that_fits(name, n, pool, core, lambda picks, i: costs[picks].sum() + costs[i] <= limit)
    budget = Budget(costs, limit)
    selector = MAKERS[name](n).fit(pool, core=core, constraints=[budget])
    assert selector.selected_idx_.tolist() == expected
    assert selector.stop_reason_ == (None if len(expected) == n else "constraints")
    assert budget.spent == costs[expected].sum()


@given(pools(), st.sampled_from(["energy", "fps"]), st.floats(1e-3, 2.0), st.data())
@settings(max_examples=150, deadline=None)
def test_distance_to_keep(case, name, distance, data):
    pool, core, rng = case
    near = rng.integers(len(pool), size=len(pool))
    pool = np.vstack([pool, pool[near] + 1e-3 * rng.standard_normal(pool.shape)])
    n = data.draw(st.integers(1, len(pool)))
    deviation = np.vstack([pool, core]).std(axis=0)

    def fits(picks, i):
        others = np.vstack([core, pool[picks]])
        return (np.sqrt((((others - pool[i]) / deviation) ** 2).mean(axis=1)) >= distance).all()

    guard = MinDistance(distance)
    selector = MAKERS[name](n).fit(pool, core=core, constraints=[guard])
    expected = best_that_fits(name, n, pool, core, fits)
    assert selector.selected_idx_.tolist() == expected
    assert selector.stop_reason_ == (None if len(expected) == n else "constraints")
    assert not set(guard.rejected) & set(expected)


@given(pools(), st.sampled_from(sorted(MAKERS)), st.floats(0.01, 0.99), st.booleans())
@settings(max_examples=100, deadline=None)
def test_stop_at_a_fraction_of_the_first_gain(case, name, fraction, has_core):
    pool, core, _ = case
    core = core if has_core else None
    whole = MAKERS[name](len(pool)).fit(pool, core=core)
    finite = whole.scores_[np.isfinite(whole.scores_)]
    assume(len(finite))
    margins = np.abs(whole.scores_ / (fraction * finite[0]) - 1)
    assume((margins > 1e-6).all())
    below = np.flatnonzero(whole.scores_ < fraction * finite[0])
    expected = whole.selected_idx_[: below[0]] if len(below) else whole.selected_idx_
    selector = MAKERS[name](len(pool), stop_gain=fraction).fit(pool, core=core)
    np.testing.assert_array_equal(selector.selected_idx_, expected)
    np.testing.assert_array_equal(selector.scores_, whole.scores_[: len(expected)])
    assert selector.stop_reason_ == (None if len(expected) == len(pool) else "stop_gain")
    if name == "energy" and len(expected) < len(pool):
        # What is not picked is not observed either.
        again = MAKERS[name](len(expected)).fit(pool, core=core)
        assert selector.posterior_.information() == again.posterior_.information()


@given(pools(), st.sampled_from(sorted(MAKERS)), st.integers(1, 30), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_engines_agree_and_constraints_add_up(case, name, limit, maximum):
    pool, core, rng = case
    labels, costs = rng.integers(2, size=len(pool)), rng.integers(1, 5, size=len(pool))
    n = min(len(pool), 2 * maximum, sum(min(maximum, size) for size in Counter(labels.tolist()).values()))

    def constraints():
        return [Quota(labels.tolist(), maximum=maximum), Budget(costs, limit), MinDistance(0.05)]

    lazy, naive = (MAKERS[name](n, engine=e).fit(pool, core=core, constraints=constraints()) for e in ("lazy", "naive"))
    np.testing.assert_array_equal(lazy.selected_idx_, naive.selected_idx_)
    picks = lazy.selected_idx_
    assert costs[picks].sum() <= limit
    assert max(Counter(labels[picks].tolist()).values(), default=0) <= maximum


@given(pools(), st.booleans(), st.integers(1, 40), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_drawn_picks_are_the_first_of_the_order_that_fit(case, by_leverage, limit, maximum):
    pool, core, rng = case
    labels, costs = rng.integers(2, size=len(pool)), rng.integers(0, 9, size=len(pool))
    make = CUR if by_leverage else RandomSelector
    order = make(len(pool)).fit(pool, core=core).selected_idx_
    n = sum(min(maximum, size) for size in Counter(labels.tolist()).values())
    expected: list[int] = []
    for i in order.tolist():
        fits = costs[expected].sum() + costs[i] <= limit and (labels[expected] == labels[i]).sum() < maximum
        expected += [i] if fits and len(expected) < n else []
    constraints = [Quota(labels.tolist(), maximum=maximum), Budget(costs, limit)]
    selector = make(n).fit(pool, core=core, constraints=constraints)
    assert selector.selected_idx_.tolist() == expected
    assert selector.stop_reason_ == (None if len(expected) == n else "constraints")
    with pytest.raises(InvalidInputError, match="with constraints cannot be continued"):
        selector.fit(pool, warm_start=True)


def test_no_constraint_changes_nothing():
    pool = np.random.default_rng(0).standard_normal((50, 4))
    for make in MAKERS.values():
        free = make(20).fit(pool)
        driven = make(20, stop_gain=1e-300).fit(pool, constraints=[Constraint()])
        np.testing.assert_array_equal(free.selected_idx_, driven.selected_idx_)
        np.testing.assert_array_equal(free.scores_, driven.scores_)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quota("aab", minimum=2, maximum=1), "0 <= minimum <= maximum"),
        (lambda: Quota("aab", maximum=0), "a maximum of at least 1"),
        (lambda: Budget([1.0, -1.0, 2.0], 3), "finite and not negative"),
        (lambda: Budget([1.0, 1.0, 2.0], 0), "above 0, given 0"),
        (lambda: MinDistance(-1.0), "above 0, given -1.0"),
        (lambda: MinDistance(float("nan")), "above 0, given nan"),
    ],
)
def test_impossible_constraints_are_refused(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ([Quota("aa")], "the group of each candidate: expected 3, given 2"),
        ([Budget([1.0], 1)], "one cost a candidate: expected 3, given 1"),
        ([Quota("abc", minimum=1)], "expected at least 3 picks, got 2"),
        ([Quota("aaa", maximum=1)], "expected at most 1 pick, got 2"),
        ([Quota("aab", minimum=1), Budget([1, 1, 9], 5)], "group 'b' got 0 of at least 1 picks"),
    ],
)
def test_constraints_that_a_pool_cannot_meet(constraints, message):
    with pytest.raises(InvalidInputError, match=message):
        FPS(2).fit(np.array([[0.0], [1.0], [3.0]]), constraints=constraints)


def test_a_selection_with_constraints_is_not_continued():
    pool = np.array([[0.0], [1.0], [3.0]])
    selector = FPS(1).fit(pool, constraints=[Quota("aab", maximum=1)])
    selector.n_to_select = 2
    with pytest.raises(InvalidInputError, match="with constraints cannot be continued"):
        selector.fit(pool, warm_start=True)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, float("nan")])
def test_stop_gain_is_a_fraction(fraction):
    with pytest.raises(InvalidInputError, match="stop_gain must be a fraction between 0 and 1"):
        FPS(1, stop_gain=fraction).fit(np.eye(2))
