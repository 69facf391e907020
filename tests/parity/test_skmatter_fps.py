"""Farthest point sampling picks what scikit-matter picks, an independent implementation of the same definition."""

import numpy as np
import pytest

from mlipselect import FPS

sample_selection = pytest.importorskip(
    "skmatter.sample_selection", reason="scikit-matter is not installed: it needs Python 3.11 and brings scikit-learn"
)


def rows(kind, rng):
    """Rows without ties: where distances agree to the last digits, two programs may pick either."""
    if kind == "normal":
        return rng.standard_normal((200, 15))
    if kind == "decaying":
        return rng.standard_normal((300, 40)) / np.arange(1, 41) ** 2
    centres = 10.0 * rng.standard_normal((6, 8))
    return centres[rng.integers(6, size=250)] + rng.standard_normal((250, 8))


@pytest.mark.parametrize("kind", ["normal", "decaying", "clustered"])
@pytest.mark.parametrize("start", [0, 17])
@pytest.mark.parametrize("other", ["FPS", "VoronoiFPS"])
def test_same_picks_from_the_same_start(kind, start, other):
    X = rows(kind, np.random.default_rng(11))
    theirs = getattr(sample_selection, other)(n_to_select=60, initialize=start).fit(X)
    ours = FPS(60, scale="none", initialize=start).fit(X)
    np.testing.assert_array_equal(ours.selected_idx_, theirs.selected_idx_)
    np.testing.assert_allclose(ours.scores_[1:] ** 2, theirs.get_select_distance()[1:], rtol=1e-7)
    np.testing.assert_array_equal(ours.get_support(), theirs.get_support())
