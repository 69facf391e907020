"""Selection from rows on disk: the picks of the selection in memory, whatever fits into memory."""

from __future__ import annotations

import logging
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect._core import BoundedRows, column_sums
from mlipselect.exceptions import InvalidInputError, MemoryLimitError
from mlipselect.selectors import windowed
from mlipselect.selectors.base import MappedRows
from reference.stored_rows import Rows


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


def small_windows(patched, data):
    sizes = data.draw(st.integers(1, 100)), data.draw(st.integers(1, 30)), 1000
    patched.setattr(windowed, "window_sizes", lambda *_: sizes)


@given(pools(), st.sampled_from(["energy", "logdet"]), st.data())
@settings(max_examples=200, deadline=None)
def test_picks_are_those_of_the_selection_in_memory(case, score, data):
    (X, core), n = case, data.draw(st.integers(1, len(case[0])))
    rows = Rows(X, data.draw(st.integers(1, 60)))
    prior = data.draw(st.sampled_from([None, 1e-3 * float((X.astype(float) ** 2).mean()) or 1.0]))
    excluded = data.draw(st.lists(st.integers(0, len(X) - 1), max_size=len(X) - n, unique=True))
    with pytest.MonkeyPatch.context() as patched:
        small_windows(patched, data)
        stored = ms.BayesianSelector(n, score=score, prior_precision=prior).fit(rows, core=core, exclude=excluded)
    memory = ms.BayesianSelector(n, score=score, prior_precision=prior).fit(X, core=core, exclude=excluded)
    np.testing.assert_array_equal(stored.selected_idx_, memory.selected_idx_)
    same = np.testing.assert_allclose if prior is None else np.testing.assert_array_equal
    # Without a prior its size follows from sums in another order.
    same(stored.scores_, memory.scores_)
    same(stored.information_, memory.information_)


def test_parts_are_the_whole_and_constraints_hold():
    X = np.random.default_rng(0).standard_normal((3000, 10)) / np.arange(1, 11)
    groups = [i % 3 for i in range(len(X))]
    quota = [ms.Quota(groups, maximum=4)]
    stored = ms.BayesianSelector(10, score="energy").fit(Rows(X, 500), constraints=quota)
    memory = ms.BayesianSelector(10, score="energy").fit(X, constraints=quota)
    np.testing.assert_array_equal(stored.selected_idx_, memory.selected_idx_)
    selector = ms.BayesianSelector(5, score="energy").fit(Rows(X, 500))
    selector.n_to_select = 12
    selector.fit(Rows(X, 500), warm_start=True)
    np.testing.assert_array_equal(selector.selected_idx_, ms.BayesianSelector(12, score="energy").fit(X).selected_idx_)
    posterior, other = selector.posterior_, ms.BayesianSelector(12, score="energy").fit(X).posterior_
    np.testing.assert_allclose(posterior.variance(X[:50].copy()), other.variance(X[:50].copy()), rtol=1e-9)


def test_few_rows_are_read_again_where_few_can_win(monkeypatch):
    monkeypatch.setattr(windowed, "window_sizes", lambda rows, *_: (1000, 1024, len(rows)))
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40_000, 40)) * 0.01
    X[:2000] *= 100.0
    selector = ms.BayesianSelector(25, score="energy").fit(Rows(X, 1000))
    np.testing.assert_array_equal(selector.selected_idx_, ms.BayesianSelector(25, score="energy").fit(X).selected_idx_)
    windows, rows_read = selector._selection.reading
    assert windows >= 1
    assert rows_read < 0.3 * len(X)


@given(pools(), st.sampled_from(["euclidean", "cosine"]), st.sampled_from(["standard", "none"]), st.data())
@settings(max_examples=200, deadline=None)
def test_fps_from_disk_is_fps_in_memory(case, metric, scale, data):
    (X, core), n = case, data.draw(st.integers(1, len(case[0])))
    X = X * np.float32(1e-25 if abs(X).max() > 1e20 else 1.0)
    if metric == "cosine":
        X = X + np.float32(2 * abs(X).max() or 1.0)
    core = None if core is None else X[: len(core)] * np.float32(1.1)
    options = {"metric": metric, "scale": scale}
    if core is None and data.draw(st.booleans()):
        options["initialize"] = data.draw(st.integers(0, len(X) - 1))
    with pytest.MonkeyPatch.context() as patched:
        small_windows(patched, data)
        stored = ms.FPS(n, **options).fit(Rows(X, data.draw(st.integers(1, 60))), core=core)
    memory = ms.FPS(n, **options).fit(X, core=core)
    np.testing.assert_array_equal(stored.selected_idx_, memory.selected_idx_)
    np.testing.assert_allclose(stored.scores_, memory.scores_, rtol=1e-6, atol=1e-12 * (1 + X.std()))


def test_bounds_are_sharpened_where_they_are_too_coarse(monkeypatch):
    # Nearly the same variance everywhere, and a window with few places: rounded bounds cannot tell rows apart.
    monkeypatch.setattr(windowed, "window_sizes", lambda *_: (400, 40, 40))
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 30))
    X /= np.linalg.norm(X, axis=1)[:, None]
    prior = ms.Posterior(30, 1e-4)
    prior.update(X[:200].copy())
    stored = ms.BayesianSelector(60, score="energy", posterior=prior).fit(Rows(X, 1000))
    memory = ms.BayesianSelector(60, score="energy", posterior=prior).fit(X)
    np.testing.assert_array_equal(stored.selected_idx_, memory.selected_idx_)
    np.testing.assert_array_equal(stored.scores_, memory.scores_)


class Elsewhere(Rows):
    """Rows whose bounds are held in two parts, which are asked through the messages that a cluster carries."""

    def bounded(self, kind, **options):
        return TwoParts(self, kind, options)

    def column_sums(self, origin):
        return [column_sums(MappedRows(self), origin)]


class TwoParts:
    def __init__(self, rows, kind, options):
        self.half = len(rows) // 2
        self.parts = [
            BoundedRows(kind, MappedRows(Rows(X, rows.shard)), **options)
            for X in (rows.X[: self.half], rows.X[self.half :])
        ]

    def survey(self, known):
        for part in self.parts:
            part.survey(pickle.loads(pickle.dumps(known)))

    def observe(self, news):
        for part in self.parts:
            part.observe(pickle.loads(pickle.dumps(news)))

    def exclude(self, candidates):
        self.parts[0].exclude(candidates[candidates < self.half])
        self.parts[1].exclude(candidates[candidates >= self.half] - self.half)

    def window(self, size, *, sharp=False):
        (a, a_rows, a_bounds, a_outside), (b, b_rows, b_bounds, b_outside) = (
            part.window(size, sharp=sharp) for part in self.parts
        )
        rows, bounds = np.concatenate([a_rows, b_rows]), np.concatenate([a_bounds, b_bounds])
        return np.concatenate([a, b + self.half]), rows, bounds, max(a_outside, b_outside)


@pytest.mark.parametrize("make", [ms.BayesianSelector, ms.FPS])
def test_windows_may_come_from_elsewhere(make, monkeypatch):
    monkeypatch.setattr(windowed, "window_sizes", lambda *_: (100, 30, 1000))
    X = np.random.default_rng(0).standard_normal((900, 8)).astype(np.float32)
    for core in (None, X[:5] * np.float32(1.1)):
        there = make(40).fit(Elsewhere(X, 300), core=core, exclude=[3, 700])
        here = make(40).fit(Rows(X, 300), core=core, exclude=[3, 700])
        memory = make(40).fit(X, core=core, exclude=[3, 700])
        np.testing.assert_array_equal(there.selected_idx_, memory.selected_idx_)
        np.testing.assert_array_equal(there.scores_, here.scores_)
        if make is ms.FPS:
            np.testing.assert_array_equal(here.scores_, memory.scores_)


def test_what_goes_wrong_elsewhere_comes_out_as_it_is():
    class Broken(Elsewhere):
        def bounded(self, kind, **options):
            windows = super().bounded(kind, **options)
            windows.window = lambda *_, **__: 1 / 0
            return windows

    with pytest.raises(ZeroDivisionError):
        ms.BayesianSelector(3, score="energy").fit(Broken(np.ones((50, 3)), 20))


def test_squares_that_overflow_are_refused():
    X = np.full((50, 3), 1e200)
    with pytest.raises(InvalidInputError, match=r"pool\.xyz, frame 0: .* squares exceed float64"):
        ms.BayesianSelector(3, score="energy", prior_precision=1.0).fit(Rows(X, 20))


def test_memory_is_said_and_limited(caplog):
    X = np.random.default_rng(0).standard_normal((20_000, 30))
    with caplog.at_level(logging.INFO, logger="mlipselect.memory"):
        ms.BayesianSelector(3, score="energy").fit(Rows(X, 5000))
    assert "selection from disk: 20000 rows of 30 features, windows of 1024 rows, about" in caplog.text
    with pytest.raises(MemoryLimitError, match="more than the 1000 allowed") as refusal:
        ms.BayesianSelector(3, score="energy", max_memory=1000).fit(Rows(X, 5000))
    needed = int(re.search(r"needs (\d+) bytes", str(refusal.value)).group(1))
    ms.BayesianSelector(3, score="energy", max_memory=needed).fit(Rows(X, 5000))
    equal = np.ones((20_000, 30))
    with pytest.raises(MemoryLimitError, match="more than 1024 rows have scores that are nearly the best"):
        ms.BayesianSelector(3, score="energy", max_memory=needed).fit(Rows(equal, 5000))


OTHERS = {
    "pool_variance": lambda n: ms.BayesianSelector(n, score="pool_variance", prior_precision=0.1),
    "pool_std": lambda n: ms.BayesianSelector(n, score="pool_std", prior_precision=0.1),
    "facility": lambda n: ms.FacilityLocation(n),
    "k_medoids": lambda n: ms.KMedoids(n),
    "cur": lambda n: ms.CUR(n),
    "deterministic cur": lambda n: ms.CUR(n, ridge=1e-3, scale="standard", deterministic=True),
    "random": lambda n: ms.RandomSelector(n),
}


@pytest.mark.parametrize("name", OTHERS)
@given(st.integers(2, 120), st.integers(1, 12), st.sampled_from([np.float32, np.float64]), st.booleans(), st.data())
@settings(max_examples=25, deadline=None)
def test_what_needs_all_rows_reads_them_where_they_are(name, size, dim, dtype, with_core, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    X = (rng.standard_normal((size, dim)) + 0.3).astype(dtype)
    core = rng.standard_normal((4, dim)).astype(dtype) if with_core else None
    n = data.draw(st.integers(1, size))
    rows = Rows(X, data.draw(st.integers(1, 60)))
    stored, memory = OTHERS[name](n).fit(rows, core=core), OTHERS[name](n).fit(X, core=core)
    np.testing.assert_array_equal(stored.selected_idx_, memory.selected_idx_)
    np.testing.assert_array_equal(stored.scores_, memory.scores_)


@pytest.mark.parametrize("score", ["pool_variance", "pool_std"])
@given(pools(), st.data())
@settings(max_examples=60, deadline=None)
def test_scores_of_a_target_are_those_in_memory(score, case, data):
    (X, core), n = case, data.draw(st.integers(1, min(25, len(case[0]))))
    rows = Rows(X, data.draw(st.integers(1, 60)))
    target = X[data.draw(st.integers(0, len(X) - 1)) :].copy() if data.draw(st.booleans()) else None
    prior = 1e-3 * float((X.astype(float) ** 2).mean()) or 1.0
    excluded = data.draw(st.lists(st.integers(0, len(X) - 1), max_size=len(X) - n, unique=True))

    def select(pool, engine="lazy"):
        selector = ms.BayesianSelector(n, score=score, prior_precision=prior, engine=engine)
        return selector.fit(pool, core=core, target=target, exclude=excluded)

    stored, memory, naive = select(rows), select(X), select(X, "naive")
    np.testing.assert_array_equal(stored.selected_idx_, memory.selected_idx_)
    np.testing.assert_array_equal(stored.scores_, memory.scores_)
    np.testing.assert_allclose(memory.scores_, naive.scores_, rtol=1e-6, atol=1e-12 * memory.scores_[0])


def test_scores_of_a_target_say_their_memory_and_keep_a_limit(caplog):
    X = np.random.default_rng(0).standard_normal((3000, 30)).astype(np.float32)
    for score in ("pool_variance", "pool_std"):
        with caplog.at_level(logging.INFO, logger="mlipselect.memory"):
            ms.BayesianSelector(3, score=score).fit(Rows(X, 500))
        passes = {"pool_std": "one pass over them a pick", "pool_variance": "read once, then their rounded copies"}
        assert f"{score} from disk: 3000 rows of 30 features, {passes[score]}, about" in caplog.text
        with pytest.raises(MemoryLimitError, match="more than the 1000 allowed") as refusal:
            ms.BayesianSelector(3, score=score, max_memory=1000).fit(Rows(X, 500))
        needed = int(re.search(r"needs (\d+) bytes", str(refusal.value)).group(1))
        ms.BayesianSelector(3, score=score, max_memory=needed).fit(Rows(X, 500))


def test_float32_leverages_do_not_depend_on_parts():
    X = np.random.default_rng(0).standard_normal((90_000, 50)).astype(np.float32)
    np.testing.assert_array_equal(ms.CUR(3).fit(Rows(X, 7001)).leverage_, ms.CUR(3).fit(X).leverage_)


def test_a_budget_that_rules_all_out_ends_the_selection():
    X = np.random.default_rng(0).standard_normal((50, 3))
    for make in (lambda: ms.BayesianSelector(10, score="energy"), lambda: ms.FPS(10)):
        stored = make().fit(Rows(X, 20), constraints=[ms.Budget([2.0] * 50, 7.0)])
        assert (
            stored.selected_idx_.tolist()
            == make().fit(X, constraints=[ms.Budget([2.0] * 50, 7.0)]).selected_idx_.tolist()
        )
        assert stored.stop_reason_ == "constraints"


def test_a_distance_is_kept_from_what_is_on_disk():
    X = np.random.default_rng(0).standard_normal((300, 3))
    for make in (lambda: ms.BayesianSelector(20, score="energy"), lambda: ms.FPS(20), lambda: ms.RandomSelector(20)):
        guards = [ms.MinDistance(0.4)], [ms.MinDistance(0.4)]
        stored = make().fit(Rows(X, 70), core=X[:5], constraints=guards[0])
        memory = make().fit(X, core=X[:5], constraints=guards[1])
        np.testing.assert_array_equal(stored.selected_idx_, memory.selected_idx_)
        assert guards[0][0].rejected == guards[1][0].rejected


def test_bad_rows_and_atomic_rows_are_refused():
    X = np.random.default_rng(0).standard_normal((50, 4))
    with pytest.raises(InvalidInputError, match="needs the atomic rows of the pool"):
        ms.BayesianSelector(3, update="atoms").fit(Rows(X, 20))
    with pytest.raises(InvalidInputError, match="cannot select 51 structures from a pool of 50"):
        ms.BayesianSelector(51, score="energy").fit(Rows(X, 20))
    with pytest.raises(InvalidInputError, match="initialize must be a candidate"):
        ms.FPS(3, initialize=50).fit(Rows(X, 20))
    with pytest.raises(InvalidInputError, match="leave initialize out"):
        ms.FPS(3, initialize=5).fit(Rows(X, 20), core=X[:2])
    X[33, 2] = np.nan
    for selector in (
        ms.BayesianSelector(3, score="energy"),
        ms.FPS(3),
        ms.FPS(3, scale="none"),
        ms.CUR(3),
        ms.KMedoids(3),
    ):
        with pytest.raises(InvalidInputError, match=r"not finite|NaN|infinit"):
            selector.fit(Rows(X, 20))
