"""How often labels lie within predicted intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ase import Atoms

from mlipselect.labels import Labels, read_labels
from mlipselect.models import LinearPotential
from mlipselect.plot.axes import COLORS, axes_or_new
from mlipselect.report.agreement import PROBABILITIES, UNITS, agreement_of
from mlipselect.utils.told import counted


def calibration(
    potential: LinearPotential,
    structures: Sequence[Atoms],
    labels: Sequence[Labels] | None = None,
    *,
    ax: Any = None,
) -> Any:
    """Draw which fractions of labels lie within the intervals that a potential predicts.

    Parameters
    ----------
    potential : LinearPotential
        The fitted potential.
    structures : sequence of ase.Atoms
        Labelled structures that it was not fitted to.
    labels : sequence of Labels, optional
        Their labels, as `mlipselect.labels.read_labels` returns them, or guessed.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    InvalidInputError
        No labels of energies or forces.
    MissingExtraError
        matplotlib is not installed.

    Notes
    -----
    Where standard deviations hold, the curve is the diagonal; below it they are too small.
    """
    known = read_labels(structures) if labels is None else labels
    has = [kind for kind in UNITS if any(getattr(own, kind) is not None and not own.is_free_atom for own in known)]
    found = [agreement_of(potential, structures, known, kind) for kind in has or ["energy"]]  # type: ignore[arg-type]
    ax = axes_or_new(ax)
    ax.plot([0.0, 1.0], [0.0, 1.0], color="0.6", lw=0.8)
    for color, own in zip(COLORS, found, strict=False):
        ax.plot(
            PROBABILITIES, own.within, "o-", ms=3, color=color, label=f"{own.kind}, {counted(len(own.labels), 'label')}"
        )
    ax.set_xlabel("probability of the interval")
    ax.set_ylabel("fraction of labels within it")
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(0.0, 1.0)
    ax.legend(frameon=False)
    return ax
