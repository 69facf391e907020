"""Which columns of equivariant features do not turn with the structure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def scalar_columns(irreps: Any) -> NDArray[np.int64]:
    """Return the columns of the even irreducible representations of degree zero of `e3nn.o3.Irreps`."""
    parts = zip(irreps, irreps.slices(), strict=True)
    kept = [range(part.start, part.stop) for (_, irrep), part in parts if irrep.l == 0 and irrep.p == 1]
    return np.concatenate([np.array(columns, dtype=np.int64) for columns in kept])
