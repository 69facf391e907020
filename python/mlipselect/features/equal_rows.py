"""Features that tell no structures apart, as those of a descriptor whose cutoff is shorter than all bonds."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError

_LOGGER = logging.getLogger("mlipselect")

ROUNDING = 1e-12
"""Difference, relative to the largest feature, below which features are equal."""

SOME_ROWS = 64
"""Rows that are compared together."""


def tell_equal_rows(blocks: Iterable[NDArray[Any]], descriptor: Any, *, refuse_zeros: bool = False) -> None:
    """Warn of features that all structures share, or refuse features that are all zero.

    Parameters
    ----------
    blocks : iterable of ndarray of shape (n, d)
        Rows of structures, without element fractions. No more blocks are asked for once two rows differ.
    descriptor : object
        What made them; its cutoff is told.
    refuse_zeros : bool, default=False
        Refuse rows that are all zero, instead of a warning.

    Raises
    ------
    InvalidInputError
        All rows are zero, and these are refused.
    """
    first: NDArray[Any] | None = None
    n_rows = 0
    for block in blocks:
        first = block[0].copy() if first is None and len(block) else first
        # Where rows differ, mostly the first few do.
        for start in range(0, len(block), SOME_ROWS):
            rows = block[start : start + SOME_ROWS]
            if first is not None and (np.abs(rows - first) > ROUNDING * np.abs(first).max(initial=0.0)).any():
                return
        n_rows += len(block)
    cutoff = _cutoff_of(descriptor)
    reach = "" if cutoff is None else f" of {cutoff:g} Å"
    if first is not None and not first.any():
        problem = (
            f"the features of all {n_rows} structures are zero: no atom has a neighbour within the cutoff{reach}; give "
            "a larger one (--rcut), or another descriptor"
        )
        if refuse_zeros:
            raise InvalidInputError(problem)
        _LOGGER.warning("%s", problem)
    elif n_rows > 1:
        _LOGGER.warning(
            "all %d structures have the same features, so nothing tells them apart: they are copies, or the descriptor "
            "sees too little, such as with a short cutoff%s", n_rows, f" ({cutoff:g} Å)" if cutoff else "",
        )  # fmt: skip


def _cutoff_of(descriptor: Any) -> float | None:
    """Return the cutoff of a descriptor or of the one that it wraps, in Å; None if it is not known."""
    found = getattr(descriptor, "rcut", None)
    if found is None and hasattr(descriptor, "descriptor"):
        return _cutoff_of(descriptor.descriptor)
    return float(found) if isinstance(found, (int, float)) else None
