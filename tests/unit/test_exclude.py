"""Structures that must not be picked are named by indices of the pool; anything else is refused by every selector."""

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError

SELECTORS = [ms.BayesianSelector, ms.FPS, ms.FacilityLocation, ms.CUR, ms.KMedoids, ms.RandomSelector]
POOL = np.random.default_rng(0).standard_normal((20, 4))


@pytest.mark.parametrize("kind", SELECTORS)
@pytest.mark.parametrize(
    ("exclude", "message"),
    [
        (np.arange(20) < 2, "expected indices, got a mask"),
        ([True] + [False] * 19, "expected indices, got a mask"),
        ([1.7], "an index in exclude must be an integer, given 1.7"),
        ([-1], "candidate -1 cannot be excluded: the pool has 20 candidates"),
        ([20], "candidate 20 cannot be excluded: the pool has 20 candidates"),
    ],
)
def test_what_is_no_index_of_the_pool_is_refused(kind, exclude, message):
    with pytest.raises(InvalidInputError, match=message):
        kind(3).fit(POOL, exclude=exclude)


@pytest.mark.parametrize("kind", SELECTORS)
def test_indices_are_taken_in_any_form(kind):
    picks = kind(3).fit(POOL).selected_idx_
    for exclude in (picks, picks.tolist(), tuple(picks)):
        again = kind(3).fit(POOL, exclude=exclude).selected_idx_
        assert not set(again) & set(picks)
