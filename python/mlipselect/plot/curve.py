"""What is left uncertain, or what was learned, against the number of picks."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mlipselect.exceptions import InvalidInputError
from mlipselect.plot.axes import COLORS, axes_or_new
from mlipselect.report.learning import learning_of
from mlipselect.selection import Selection


def curve(
    selection: Selection, *, show: Literal["deviation", "information", "error"] = "deviation", ax: Any = None
) -> Any:
    """Draw what is left uncertain after each pick, or what was learned.

    Parameters
    ----------
    selection : Selection
        A result of `select`.
    show : {"deviation", "information", "error"}, default="deviation"
        The largest and the mean standard deviation of the energy per atom over the pool, in units of the noise, with
        the suggested number of picks; the information of all picks so far, in nat; or the expected error, in meV per
        atom where energies of the core gave it its scale.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    InvalidInputError
        Deviations that cannot be followed, or an error that the selection does not have.
    MissingExtraError
        matplotlib is not installed.

    Notes
    -----
    From the suggested number of picks on, one more lowers the mean deviation by less than 1 %. Where each pick lowers
    it by more, none is suggested.
    """
    if show == "error" and selection.expected_error is None:
        raise InvalidInputError(
            "show: expected a selection with an expected error, which `until` or `energy_key` brings, for 'error'"
        )
    if show not in ("deviation", "information", "error"):
        raise InvalidInputError(f"show: expected 'deviation', 'information' or 'error', got {show!r}")
    if show == "deviation":
        return _deviations(selection, ax)
    ax = axes_or_new(ax)
    _count_picks(ax)
    if show == "information" or selection.expected_error is None:
        values = np.concatenate([[0.0], selection.information])
        ax.set_ylabel("information, nat")
    else:
        in_ev = selection.expected_error.in_ev
        values = selection.expected_error.curve * (1000.0 if in_ev else 100.0)
        ax.set_ylabel("expected error of energies, " + ("meV/atom" if in_ev else "% of that without picks"))
    ax.plot(np.arange(len(values)), values, color=COLORS[0])
    return ax


def _count_picks(ax: Any) -> None:
    """Name the axis of the picks, whose numbers are whole."""
    ax.set_xlabel("structures picked")
    ax.xaxis.get_major_locator().set_params(integer=True)


def _deviations(selection: Selection, ax: Any) -> Any:
    found = learning_of(selection)
    ax = axes_or_new(ax)
    picks = np.arange(len(found.mean))
    ax.plot(picks, found.largest, color=COLORS[1], label="largest")
    ax.plot(picks, found.mean, color=COLORS[0], label="mean")
    if found.suggested:
        ax.axvline(found.suggested, color="0.5", lw=0.8, ls="--", label=f"{found.suggested} would do")
    ax.set_yscale("log")
    _count_picks(ax)
    ax.set_ylabel("standard deviation of the energy per atom, noise")
    ax.legend(frameon=False)
    return ax
