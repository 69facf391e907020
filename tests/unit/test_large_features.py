"""Features of enormous and of tiny size are refused by what they are."""

import numpy as np
import pytest

import mlipselect as ms

X = np.random.default_rng(0).normal(size=(30, 4))

HUGE = "the squares of the features exceed float64: scale the features down|features so large that their squares"


@pytest.mark.parametrize("size", [1e154, 1e160, 1e200, 1e307])
@pytest.mark.parametrize(
    "selector",
    [
        *(ms.BayesianSelector(3, scale=scale) for scale in ("root", "standard", "none")),
        *(ms.BayesianSelector(3, score=score) for score in ("energy", "logdet", "pool_std")),
        *(
            ms.BayesianSelector(3, prior_precision=1.0, score=score)
            for score in ("energy", "pool_variance", "pool_std")
        ),
        ms.FPS(3, scale="none"),
        ms.FacilityLocation(3, scale="none"),
        ms.CUR(3),
    ],
    ids=repr,
)
def test_features_whose_squares_overflow_are_called_too_large(selector, size):
    with pytest.raises(ms.InvalidInputError, match=HUGE):
        selector.fit(X * size)


def test_a_core_that_is_too_large_and_a_pool_that_is_too_small_are_said():
    with pytest.raises(ms.InvalidInputError, match=HUGE):
        ms.BayesianSelector(3).fit(X, core=X[:3] * 1e200)
    with pytest.raises(ms.InvalidInputError, match="vanish in float64: scale the features up"):
        ms.BayesianSelector(3).fit(X * 1e-160)
