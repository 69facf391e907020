"""What figures of the benchmarks share: no screen, axes of numbers of structures, and files that do not change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import NullLocator


def number_axis(ax: Any, numbers: Sequence[int]) -> None:
    """Make the axis below a logarithmic one that names these numbers."""
    ax.set_xscale("log")
    ax.set_xticks(numbers, [str(n) for n in numbers])
    ax.xaxis.set_minor_locator(NullLocator())


def save(figure: Any, *paths: Path) -> None:
    """Write a figure and close it: without a date and with fixed identifiers, the same numbers give the same files."""
    for path in paths:
        metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        with mpl.rc_context({"svg.hashsalt": path.stem}):
            figure.savefig(path, dpi=130, metadata=metadata)
    plt.close(figure)
