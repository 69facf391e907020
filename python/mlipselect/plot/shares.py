"""Stacked bars of shares, one bar for each set."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlipselect.plot.axes import COLORS
from mlipselect.report.shares import Shares


def draw_shares(shares: Shares, ax: Any) -> None:
    """Draw which shares of each set its groups or elements have, the first set on top.

    Parameters
    ----------
    shares : Shares
        The numbers.
    ax : matplotlib.axes.Axes
        Where to draw.
    """
    left = np.zeros(len(shares.sets))
    for k, (name, color) in enumerate(zip(shares.names, shares.colors, strict=True)):
        width = shares.fractions[:, k]
        ax.barh(shares.sets, width, left=left, color=COLORS[color], label=name)
        left += width
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(len(shares.sets) - 0.5, -0.5)
