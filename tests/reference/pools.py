"""Pools that distance methods are tested on."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st


@st.composite
def clustered_pools(draw, max_rows=40, max_dim=12, zeros=True):
    """Draw a pool in clusters, perhaps with duplicates and zero rows and columns, and perhaps a core."""
    n, d = draw(st.integers(1, max_rows)), draw(st.integers(1, max_dim))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scales = 10.0 ** rng.uniform(-2, 2, d)
    centres = rng.standard_normal((3, d)) * draw(st.sampled_from([0.0, 1.0, 30.0]))
    pool, core = (
        (centres[rng.integers(3, size=k)] + rng.standard_normal((k, d))) * scales for k in (n, draw(st.integers(0, n)))
    )
    if draw(st.booleans()):
        pool[rng.integers(n, size=n // 2)] = pool[rng.integers(n, size=n // 2)]
        core[: len(core) // 2] = pool[: len(core) // 2]
    if zeros and draw(st.booleans()):
        pool[:, rng.integers(d)] = 0.0
        pool[rng.integers(n)] = 0.0
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    return pool.astype(dtype), core.astype(dtype) if len(core) else None
