"""A map of core, pool and picks."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mlipselect.exceptions import InvalidInputError
from mlipselect.plot.axes import COLORS, axes_or_new
from mlipselect.report.learning import candidate_rows
from mlipselect.report.members import members_of
from mlipselect.report.space import all_components, find_space
from mlipselect.selection import Selection

#: From this number of candidates on, the map shows how many there are in each place.
MOST_POINTS = 20_000


def map(  # noqa: A001 - what the figure is
    selection: Selection, *, color: Literal["group", "energy", "rank"] = "group", ax: Any = None
) -> Any:
    """Draw core, pool and picks along the two directions in which pool and core vary most.

    Parameters
    ----------
    selection : Selection
        A result of `select`.
    color : {"group", "energy", "rank"}, default="group"
        What colours stand for: groups of candidates, as the key of the selection's groups or ``config_type`` says;
        their energies per atom, as the files give them; or the rank of the picks. Of more than 20,000 candidates
        the map shows how many are in each place.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    InvalidInputError
        Candidates without energies, for ``"energy"``, or a selection of nothing.
    MissingExtraError
        matplotlib is not installed.

    Notes
    -----
    The axes are the leading principal components of the features, each divided by its standard deviation before, and
    whitened: divided by their own standard deviations.
    """
    if color not in ("group", "energy", "rank"):
        raise InvalidInputError(f"color: expected 'group', 'energy' or 'rank', got {color!r}")
    if not len(selection):
        raise InvalidInputError("selection: expected at least one pick for a map, got none")
    given = selection.given
    key = selection.parameters.get("groups")
    members = members_of(None if given is None else given.pool, selection.features, key)
    assert members is not None
    if color == "energy" and not members.energy_key:
        raise InvalidInputError("color: expected candidates with energies, got none")
    space = find_space(selection.features, selection.core_features)
    pool = space.whitened(all_components(space, selection.features).astype(np.float64))
    ax = axes_or_new(ax)
    if len(pool) > MOST_POINTS:
        ax.hexbin(*pool.T, gridsize=80, bins="log", cmap="Greys", mincnt=1, linewidths=0.1)
    elif color == "energy":
        points = ax.scatter(*pool.T, c=members.energies, s=6, cmap="viridis", linewidths=0)
        ax.figure.colorbar(points, ax=ax, label="energy per atom")
    elif color == "group" and members.group_key:
        for code, name in enumerate(members.group_names):
            own = pool[members.groups == code]
            ax.scatter(*own.T, s=6, color=COLORS[code % len(COLORS)], linewidths=0, label=name)
    else:
        ax.scatter(*pool.T, s=6, color="0.75", linewidths=0, label="pool")
    if selection.core_features is not None:
        core = space.whitened(space.components(selection.core_features.per_structure))
        ax.scatter(*core.T, s=14, marker="x", color="0.35", linewidths=0.7, label="core")
    picks = pool[candidate_rows(selection)]
    ranks = np.arange(1, len(picks) + 1)
    if color == "rank":
        points = ax.scatter(*picks.T, s=34, c=ranks, cmap="viridis", edgecolors="k", linewidths=0.7, label="picks")
        ax.figure.colorbar(points, ax=ax, label="rank")
    else:
        ax.scatter(*picks.T, s=34, facecolors="none", edgecolors="k", linewidths=1.0, label="picks")
    first, second = space.shares
    ax.set_xlabel(f"first component ({100 * first:.0f} % of the variance)")
    ax.set_ylabel(f"second component ({100 * second:.0f} %)")
    # Beside the map: inside it would lie on structures.
    ax.legend(frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)
    return ax
