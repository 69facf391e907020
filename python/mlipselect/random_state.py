"""Where randomness comes from: fresh entropy, a seed or a generator."""

from __future__ import annotations

import secrets
from typing import TypeAlias

import numpy as np

from mlipselect.exceptions import InvalidInputError

RandomState: TypeAlias = int | np.random.Generator | None
"""None for fresh entropy, a seed that reproduces a run, or a generator, which is used and advanced."""


def draw_seed(random_state: RandomState) -> int:
    """Return the seed that a random state stands for, to use it once and to record it.

    Parameters
    ----------
    random_state : int, numpy.random.Generator or None
        A seed, which is returned; a generator, which gives 63 bits of the next seed; or None for a seed of the
        operating system.

    Raises
    ------
    InvalidInputError
        A negative seed, or anything else.
    """
    if random_state is None:
        return secrets.randbits(63)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(1 << 63))
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer) or random_state < 0:
        raise InvalidInputError(
            f"random_state must be None, an integer of at least 0 or a numpy Generator, given {random_state!r}"
        )
    return int(random_state)
