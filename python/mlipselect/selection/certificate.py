"""How good a selection in two rounds is, from the scores of both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Scores that agree to this fraction are the same but for rounding.
ROUNDING = 1e-9


def certificate(
    scores: Sequence[Sequence[float]],
    next_scores: Sequence[float],
    picked: Sequence[tuple[int, int]],
    picked_scores: NDArray[np.float64],
    information: NDArray[np.float64],
    noise_precision: float,
) -> tuple[int, float]:
    """Tell how many of the first picks are those from the whole pool, and what no selection of as many exceeds.

    Parameters
    ----------
    scores : sequence of sequences of float
        Of each share, the scores of its picks when they were picked.
    next_scores : sequence of float
        Of each share, the largest score that was left.
    picked : sequence of (int, int)
        The picks of the second round: share, and place among the picks of that.
    picked_scores, information : ndarray of shape (n,)
        Their scores, and what they taught together.
    noise_precision : float
        Turns variances into information; 0 if scores are twice the information.

    Returns
    -------
    int
        Picks that are certainly those from the whole pool.
    float
        Upper bound of the information of any `n` structures.
    """
    taken: list[set[int]] = [set() for _ in scores]
    prefixes = [0] * len(scores)
    same, is_same = 0, True
    best = np.inf
    for k in range(len(picked) + 1):
        left = [
            own[prefix] if prefix < len(own) else last
            for own, prefix, last in zip(scores, prefixes, next_scores, strict=True)
        ]
        highest = max(left)
        gain = 0.5 * (float(np.log1p(noise_precision * highest)) if noise_precision else highest)
        best = min(best, (float(information[k - 1]) if k else 0.0) + len(picked) * gain)
        if k == len(picked):
            break
        is_same = is_same and bool(picked_scores[k] >= highest * (1.0 - ROUNDING))
        same += is_same
        share, place = picked[k]
        taken[share].add(place)
        while prefixes[share] in taken[share]:
            prefixes[share] += 1
    return same, best
