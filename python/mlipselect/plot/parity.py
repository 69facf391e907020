"""Predictions against labels, with predicted standard deviations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ase import Atoms

from mlipselect.labels import Labels
from mlipselect.models import LinearPotential
from mlipselect.plot.axes import COLORS, axes_or_new
from mlipselect.report.agreement import UNITS, agreement_of


def parity(
    potential: LinearPotential,
    structures: Sequence[Atoms],
    labels: Sequence[Labels] | None = None,
    *,
    kind: Literal["energy", "forces"] = "energy",
    ax: Any = None,
) -> Any:
    """Draw what a potential predicts against labels, each with the standard deviation that it predicts.

    Parameters
    ----------
    potential : LinearPotential
        The fitted potential.
    structures : sequence of ase.Atoms
        Labelled structures; isolated atoms are passed over.
    labels : sequence of Labels, optional
        Their labels, as `mlipselect.labels.read_labels` returns them, or guessed.
    kind : {"energy", "forces"}, default="energy"
        Energies in eV per atom, or components of forces in eV/Å.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    InvalidInputError
        No labels of that kind.
    MissingExtraError
        matplotlib is not installed.

    Notes
    -----
    A bar is one standard deviation of the difference to a label: that of the weights and the noise together, times the
    factor of the calibration.
    """
    found = agreement_of(potential, structures, labels, kind)
    ax = axes_or_new(ax)
    ends = [min(found.labels.min(), found.predicted.min()), max(found.labels.max(), found.predicted.max())]
    ax.plot(ends, ends, color="0.6", lw=0.8, zorder=0)
    ax.errorbar(
        found.labels, found.predicted, found.deviations,
        fmt="o", ms=2.5, color=COLORS[0], elinewidth=0.6, label=f"RMSE {found.rmse:.3g} {UNITS[kind]}",
    )  # fmt: skip
    name = "energy" if kind == "energy" else "force component"
    ax.set_xlabel(f"label: {name}, {UNITS[kind]}")
    ax.set_ylabel(f"predicted: {name}, {UNITS[kind]}")
    ax.legend(frameon=False)
    return ax
