"""A selection that was stopped goes on from its checkpoint, to the same picks and scores."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect.checkpoint import Checkpoint, SelectionInterrupted
from mlipselect.exceptions import InvalidInputError

IDENTITY = {"pool": "abc", "n": 5, "scale": "standard"}

SELECTORS = {
    "energy": lambda n: ms.BayesianSelector(n, score="energy"),
    "logdet": lambda n: ms.BayesianSelector(n, score="logdet", stop_gain=1e-3),
    "pool_variance": lambda n: ms.BayesianSelector(n, score="pool_variance"),
    "pool_std": lambda n: ms.BayesianSelector(n, score="pool_std"),
    "naive": lambda n: ms.BayesianSelector(n, score="energy", engine="naive"),
    "fps": lambda n: ms.FPS(n),
    "fps from": lambda n: ms.FPS(n, initialize=0, metric="cosine", stop_gain=0.3),
    "facility": lambda n: ms.FacilityLocation(n),
}


class Stopping(Checkpoint):
    """Is stopped after some decisions."""

    def __init__(self, *arguments, after):
        super().__init__(*arguments)
        self.after = after

    def is_due(self):
        if len(self.decisions) >= self.after:
            raise KeyboardInterrupt
        return False


@given(
    st.sampled_from(list(SELECTORS)),
    st.integers(2, 60),
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
    st.data(),
)
@settings(max_examples=150, deadline=None)
def test_the_result_is_that_of_one_run(tmp_path_factory, name, size, dim, with_core, constrained, seed, data):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((size, dim)) + 0.5
    X[rng.integers(size, size=size // 4)] = X[rng.integers(size, size=size // 4)]
    core = rng.standard_normal((3, dim)) if with_core and name != "fps from" else None
    n = data.draw(st.integers(1, size - 1))

    def constraints():
        return [ms.MinDistance(0.05), ms.Budget(rng.integers(1, 4, size=size), 2 * n + 2)] if constrained else []

    made = constraints()
    whole = SELECTORS[name](n).fit(X, core=core, constraints=made)
    rejected = made[0].rejected if made else []
    path = tmp_path_factory.mktemp("checkpoint") / "picks.json"
    after = 0
    while True:
        after += data.draw(st.integers(1, 10))
        selector = SELECTORS[name](n)
        with contextlib.suppress(SelectionInterrupted):
            selector.fit(X, core=core, constraints=made, checkpoint=Stopping(path, IDENTITY, after=after))
            break
    np.testing.assert_array_equal(selector.selected_idx_, whole.selected_idx_)
    np.testing.assert_array_equal(selector.scores_, whole.scores_)
    assert selector.stop_reason_ == whole.stop_reason_
    if made:
        assert made[0].rejected == rejected
    if isinstance(selector, ms.BayesianSelector):
        np.testing.assert_array_equal(selector.information_, whole.information_)
        np.testing.assert_array_equal(selector.posterior_.covariance, whole.posterior_.covariance)


def test_a_complete_checkpoint_gives_the_result_again(tmp_path):
    X = np.random.default_rng(0).standard_normal((30, 4))
    checkpoint = Checkpoint(tmp_path / "picks.json", IDENTITY)
    first = ms.FPS(8).fit(X, checkpoint=checkpoint)
    again = ms.FPS(8).fit(X, checkpoint=Checkpoint(tmp_path / "picks.json", IDENTITY))
    np.testing.assert_array_equal(again.selected_idx_, first.selected_idx_)
    assert checkpoint.decisions == first.selected_idx_.tolist()


def test_it_is_written_from_time_to_time(tmp_path):
    X = np.random.default_rng(0).standard_normal((30, 4))
    written = []

    class Watched(Checkpoint):
        def write(self):
            super().write()
            written.append(len(json.loads(self.path.read_text())["decisions"]))

    ms.BayesianSelector(6, stop_gain=1e-9).fit(X, checkpoint=Watched(tmp_path / "picks.json", IDENTITY, interval=0.0))
    assert written == [0, 1, 2, 3, 4, 5, 6, 6]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({**IDENTITY, "pool": "xyz"}, 'pool was "abc" and is "xyz"'),
        ({**IDENTITY, "n": 6}, "n was 5 and is 6"),
        ({**IDENTITY, "more": [1]}, r"more was null and is \[1\]"),
        ({"pool": "abc", "n": 5}, 'scale was "standard" and is null'),
    ],
)
def test_another_selection_is_refused(tmp_path, other, message):
    path = tmp_path / "picks.json"
    Checkpoint(path, IDENTITY)
    before = path.read_bytes()
    with pytest.raises(InvalidInputError, match=rf"picks\.json: the checkpoint of another selection: {message}"):
        Checkpoint(path, other)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b"\xff", b'{"mlipselect_checkpoint": 1, "identity": {}, "decisions": [1.5]}']
)
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "picks.json").write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"picks\.json: no checkpoint, or a damaged one"):
        Checkpoint(tmp_path / "picks.json", IDENTITY)


def test_decisions_that_cannot_be_are_refused(tmp_path):
    X = np.random.default_rng(0).standard_normal((10, 3))
    for decisions in ([2, 2], [10]):
        checkpoint = Checkpoint(tmp_path / "picks.json", IDENTITY)
        checkpoint.decisions = decisions
        with pytest.raises(InvalidInputError, match=r"picks\.json: does not belong to this selection: candidate"):
            ms.BayesianSelector(5).fit(X, checkpoint=checkpoint)


def test_a_warm_start_has_none(tmp_path):
    X = np.random.default_rng(0).standard_normal((10, 3))
    selector = ms.FPS(2).fit(X)
    with pytest.raises(InvalidInputError, match="a warm start goes on from the last call"):
        selector.fit(X, warm_start=True, checkpoint=Checkpoint(tmp_path / "picks.json", IDENTITY))
