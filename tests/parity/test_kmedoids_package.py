"""k-medoids reaches a loss as low as the FasterPAM of the `kmedoids` package, run as a black box."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from mlipselect import KMedoids

kmedoids = pytest.importorskip(
    "kmedoids", reason="kmedoids is not installed: it is under the GPL, and only compared with"
)

STARTS = 10


def best_losses(n, width):
    """Lowest losses of as many starts, theirs and ours, on overlapping clusters with a decaying spectrum."""
    rng = np.random.default_rng(width)
    centres = 3.0 * rng.standard_normal((15, width))
    X = (centres[rng.integers(15, size=600)] + rng.standard_normal((600, width))) / np.arange(1, width + 1)
    between = cdist(X, X)
    theirs = min(kmedoids.fasterpam(between, n, random_state=seed).loss for seed in range(STARTS))
    return theirs, min(KMedoids(n, scale="none", random_state=seed).fit(X).loss_ for seed in range(STARTS))


@pytest.mark.parametrize(("n", "width"), [(5, 3), (20, 40)])
def test_few_medoids_cost_no_more(n, width):
    theirs, ours = best_losses(n, width)
    assert ours <= theirs * (1.0 + 1e-6)


def test_many_medoids_cost_about_the_same():
    # There are more local optima than starts, and chance decides who finds the better one.
    theirs, ours = best_losses(60, 200)
    assert ours <= theirs * (1.0 + 1e-3)
