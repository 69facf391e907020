"""Random selection: every set is as likely as it should be, and strata are picked in proportion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlipselect import Features, RandomSelector
from mlipselect.exceptions import InvalidInputError, NotFittedError

LABELS = st.lists(st.integers(0, 4).map(lambda k: k**3), min_size=1, max_size=60)


def seats(sizes, n):
    """Give out seats one by one, each to the party with the most votes for each 2 k + 1; say where that was a tie."""
    taken = [0] * len(sizes)
    for _ in range(n):
        quotients = [size / (2 * k + 1) for size, k in zip(sizes, taken, strict=True)]
        best = [i for i, quotient in enumerate(quotients) if quotient >= max(quotients) * (1 - 1e-12)]
        taken[best[0]] += 1
    return taken, len(best) > 1


@given(LABELS, st.integers(0, 2**64), st.data())
@settings(max_examples=200, deadline=None)
def test_strata_have_the_seats_of_their_sizes(labels, seed, data):
    n = data.draw(st.integers(1, len(labels)))
    selector = RandomSelector(n, random_state=seed).fit(labels, groups=labels)
    picks = selector.selected_idx_
    assert len(set(picks)) == n
    names = sorted(set(labels))
    sizes = [labels.count(name) for name in names]
    picked = [[labels[i] for i in picks].count(name) for name in names]
    expected, tie = seats(sizes, n)
    # Those of strata that tie are in the order of the names here and in a random one there.
    if not tie:
        assert picked == expected
    assert all(abs(a - n * size / len(labels)) <= len(names) for a, size in zip(picked, sizes, strict=True))
    share = dict(zip(names, np.divide(picked, sizes), strict=True))
    np.testing.assert_array_equal(selector.scores_, [share[labels[i]] for i in picks])


@given(LABELS, st.booleans(), st.integers(0, 2**32), st.data())
@settings(max_examples=100, deadline=None)
def test_few_picks_begin_more_and_exclusions_are_kept(labels, stratified, seed, data):
    groups = labels if stratified else None
    out = data.draw(st.sets(st.integers(0, len(labels) - 1), max_size=len(labels) - 1))
    n = data.draw(st.integers(1, len(labels) - len(out)))
    whole = RandomSelector(n, random_state=seed).fit(labels, groups=groups, exclude=out)
    assert not out & set(whole.selected_idx_)
    parts = RandomSelector(data.draw(st.integers(1, n)), random_state=seed).fit(labels, groups=groups, exclude=out)
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_[: parts.n_to_select])
    parts.n_to_select = n
    parts.fit(labels, warm_start=True)
    np.testing.assert_array_equal(parts.selected_idx_, whole.selected_idx_)
    np.testing.assert_array_equal(parts.scores_, whole.scores_)
    if not stratified:
        everything = RandomSelector(len(labels), random_state=seed).fit(labels).selected_idx_
        np.testing.assert_array_equal(whole.selected_idx_, [i for i in everything if i not in out][:n])
        np.testing.assert_array_equal(whole.scores_, n / (len(labels) - len(out)))


def test_every_pair_is_as_likely_as_any_other():
    n, n_draws = 5, 8000
    counts = np.zeros((n, n))
    for seed in range(n_draws):
        counts[tuple(RandomSelector(2, random_state=seed).fit(range(n)).selected_idx_)] += 1
    expected = n_draws / (n * (n - 1))
    off = counts[~np.eye(n, dtype=bool)]
    # Chi squared of 19 degrees of freedom exceeds that once in ten thousand times.
    assert ((off - expected) ** 2 / expected).sum() < 51.0


def test_members_of_a_stratum_and_strata_that_tie_are_equally_likely():
    labels, n_draws = ["a", "b", "a", "b", "a", "b"], 3000
    first = np.zeros(6)
    for seed in range(n_draws):
        picks = RandomSelector(2, random_state=seed).fit(labels, groups=labels).selected_idx_
        assert {labels[i] for i in picks} == {"a", "b"}
        first[picks[0]] += 1
    assert ((first - n_draws / 6) ** 2 / (n_draws / 6)).sum() < 25.7  # once in ten thousand times, of 5


def test_a_pool_is_anything_with_a_length():
    X = np.zeros((20, 3))
    features = Features(per_structure=X, n_atoms=np.ones(20, dtype=np.int64))
    expected = RandomSelector(5, random_state=3).fit(range(20)).selected_idx_
    for pool in (X, X.astype(np.float32), features, list("abcdefghijklmnopqrst")):
        selector = RandomSelector(5, random_state=3).fit(pool, core=X)
        np.testing.assert_array_equal(selector.selected_idx_, expected)
        assert selector.selected_idx_.dtype == np.int64
    np.testing.assert_array_equal(np.flatnonzero(selector.get_support()), np.sort(expected))
    assert not np.array_equal(RandomSelector(5, random_state=4).fit(X).selected_idx_, expected)


@pytest.mark.parametrize(
    ("parameters", "how", "message"),
    [
        ({"n_to_select": 0}, {}, "n_to_select must be an integer of at least 1, .* given 0"),
        ({"n_to_select": 6}, {}, "cannot select 6 structures from a pool of 5"),
        ({"random_state": "chance"}, {}, "random_state must be None, an integer of at least 0 or a numpy Generator"),
        ({}, {"groups": [1, 2]}, "groups must name the stratum of each of 5 structures, given 2"),
        ({}, {"exclude": [-1]}, "candidate -1 cannot be excluded: the pool has 5 candidates"),
        ({"n_to_select": 5}, {"exclude": [1, 1]}, "cannot pick 5 more structures: the pool has 4 left"),
    ],
)
def test_bad_parameters_are_refused(parameters, how, message):
    with pytest.raises(InvalidInputError, match=message):
        RandomSelector(**{"n_to_select": 2, **parameters}).fit(range(5), **how)


def test_warm_starts_that_cannot_be():
    with pytest.raises(NotFittedError, match="no selection to continue"):
        RandomSelector(2).fit(range(5), warm_start=True)
    selector = RandomSelector(2).fit(range(5))
    with pytest.raises(InvalidInputError, match="leave groups out"):
        selector.fit(range(5), groups=[0] * 5, warm_start=True)
    picks = selector.selected_idx_
    selector.n_to_select = 4
    with pytest.raises(InvalidInputError, match="cannot pick 2 more structures: the pool has 1 left"):
        selector.fit(range(5), exclude=[i for i in range(5) if i not in picks][:2], warm_start=True)
    np.testing.assert_array_equal(selector.selected_idx_, picks)
    assert len(selector.fit(range(5), warm_start=True).selected_idx_) == 4
