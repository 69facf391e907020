"""The axes that a figure is drawn into."""

from __future__ import annotations

from typing import Any

from mlipselect.exceptions import MissingExtraError

#: Colours that most people with a colour vision deficiency tell apart: M. Okabe and K. Ito, Color Universal Design
#: (2008).
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#b2a100")


def axes_or_new(ax: Any) -> Any:
    """Return axes, made of a new figure where none are given.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, optional
        The axes.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtraError("figures need matplotlib: pip install mlipselect[plot]") from error
    return plt.subplots(layout="constrained")[1]
