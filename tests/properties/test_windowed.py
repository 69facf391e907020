"""Selection from rows on disk: the picks of the selection in memory, whatever fits into memory."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError, MemoryLimitError
from mlipselect.selectors import windowed


class Rows:
    """Rows in memory that are handed out as those on disk are, in shards of a size."""

    def __init__(self, X, shard):
        self.X, self.shard = X, shard
        self.shape, self.dtype = X.shape, X.dtype

    def __len__(self):
        return len(self.X)

    def take(self, indices):
        return self.X[indices]

    def blocks(self, rows=None):
        for start in range(0, len(self.X), self.shard):
            end = min(len(self.X), start + self.shard)
            for first in range(start, end, rows or self.shard):
                yield first, self.X[first : min(end, first + (rows or self.shard))]

    def where(self, row):
        return f"pool.xyz, frame {row}"


@st.composite
def pools(draw):
    """Clustered rows of several sizes, with duplicates, rows of zeros and perhaps a core."""
    n, d = draw(st.integers(1, 200)), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.standard_normal((n, d)) / np.arange(1, d + 1) ** draw(st.integers(0, 2))
    X *= draw(st.sampled_from([1e-25, 1.0, 1e25]))
    if draw(st.booleans()):
        X[rng.integers(n, size=n // 3)] = X[rng.integers(n, size=n // 3)]
    if draw(st.booleans()):
        X[rng.integers(n)] = 0.0
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    core = X[rng.integers(n, size=3)] + 0.1 * X.std() if draw(st.booleans()) else None
    return X.astype(dtype), None if core is None else core.astype(dtype)


@given(pools(), st.sampled_from(["energy", "logdet"]), st.data())
@settings(max_examples=200, deadline=None)
def test_picks_are_those_of_the_selection_in_memory(case, score, data):
    (X, core), n = case, data.draw(st.integers(1, len(case[0])))
    rows = Rows(X, data.draw(st.integers(1, 60)))
    excluded = data.draw(st.lists(st.integers(0, len(X) - 1), max_size=len(X) - n, unique=True))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(windowed, "BLOCK_BYTES", data.draw(st.integers(1, 4000)))
        patched.setattr(windowed, "SMALLEST", data.draw(st.integers(1, 30)))
        patched.setattr(windowed, "SHARE", 10)
        stored = ms.BayesianSelector(n, score=score).fit(rows, core=core, exclude=excluded)
    memory = ms.BayesianSelector(n, score=score).fit(X, core=core, exclude=excluded)
    np.testing.assert_array_equal(stored.selected_idx_, memory.selected_idx_)
    # Scores may fall by ten orders of magnitude, and with them the digits that are left.
    np.testing.assert_allclose(stored.scores_, memory.scores_, rtol=1e-8, atol=1e-14 * memory.scores_[0])
    np.testing.assert_allclose(stored.information_, memory.information_, rtol=1e-7, atol=1e-12)


def test_parts_are_the_whole_and_constraints_hold():
    X = np.random.default_rng(0).standard_normal((3000, 10)) / np.arange(1, 11)
    groups = [i % 3 for i in range(len(X))]
    quota = [ms.Quota(groups, maximum=4)]
    stored = ms.BayesianSelector(10).fit(Rows(X, 500), constraints=quota)
    memory = ms.BayesianSelector(10).fit(X, constraints=quota)
    np.testing.assert_array_equal(stored.selected_idx_, memory.selected_idx_)
    selector = ms.BayesianSelector(5).fit(Rows(X, 500))
    selector.n_to_select = 12
    selector.fit(Rows(X, 500), warm_start=True)
    np.testing.assert_array_equal(selector.selected_idx_, ms.BayesianSelector(12).fit(X).selected_idx_)
    posterior, other = selector.posterior_, ms.BayesianSelector(12).fit(X).posterior_
    np.testing.assert_allclose(posterior.variance(X[:50].copy()), other.variance(X[:50].copy()), rtol=1e-9)


def test_few_rows_are_read_again_where_few_can_win():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40_000, 40)) * 0.01
    X[:2000] *= 100.0
    selector = ms.BayesianSelector(25).fit(Rows(X, 1000))
    np.testing.assert_array_equal(selector.selected_idx_, ms.BayesianSelector(25).fit(X).selected_idx_)
    assert selector._selection.rows_read < 0.3 * len(X)


@given(st.integers(1, 30), st.integers(1, 50), st.integers(0, 2**32 - 1), st.sampled_from([1e-20, 1.0, 1e12, 1e60]))
@settings(max_examples=200, deadline=None)
def test_what_is_taken_off_is_bounded_from_below(m, d, seed, scale):
    rng = np.random.default_rng(seed)
    W, rows = scale * rng.standard_normal((m, d)) ** 3, rng.standard_normal((20, d)) ** 3
    exact = ((rows @ W.T) ** 2).sum(axis=1)
    lowest = windowed.lowest_squares(rows, np.linalg.norm(rows, axis=1), W)
    assert (lowest <= exact * (1 + 1e-12)).all()
    assert (lowest >= (1 - 1e-9) * exact - 1e-12 * (rows**2).sum(axis=1) * (W**2).sum()).all()


def test_memory_is_said_and_limited(caplog):
    X = np.random.default_rng(0).standard_normal((20_000, 30))
    with caplog.at_level(logging.INFO, logger="mlipselect"):
        ms.BayesianSelector(3).fit(Rows(X, 5000))
    assert "selection from disk: 20000 rows of 30 features, windows of 1024 rows, about" in caplog.text
    with pytest.raises(MemoryLimitError, match="more than the 1000 allowed") as refusal:
        ms.BayesianSelector(3, max_memory=1000).fit(Rows(X, 5000))
    needed = int(re.search(r"needs (\d+) bytes", str(refusal.value)).group(1))
    ms.BayesianSelector(3, max_memory=needed).fit(Rows(X, 5000))
    equal = np.ones((20_000, 30))
    with pytest.raises(MemoryLimitError, match="more than 1024 rows have scores within 1e-09 of the best"):
        ms.BayesianSelector(3, max_memory=needed).fit(Rows(equal, 5000))


def test_bad_rows_and_other_scores_are_refused():
    X = np.random.default_rng(0).standard_normal((50, 4))
    for score in ("pool_variance", "pool_std", "force"):
        with pytest.raises(InvalidInputError, match="rows on disk are for the scores 'energy' and 'logdet'"):
            ms.BayesianSelector(3, score=score).fit(Rows(X, 20))
    with pytest.raises(InvalidInputError, match=r"expected features in memory: .*load\(\)"):
        ms.FPS(3).fit(Rows(X, 20))
    with pytest.raises(InvalidInputError, match="cannot select 51 structures from a pool of 50"):
        ms.BayesianSelector(51).fit(Rows(X, 20))
    X[33, 2] = np.nan
    with pytest.raises(InvalidInputError, match="not finite"):
        ms.BayesianSelector(3).fit(Rows(X, 20))
