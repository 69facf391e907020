"""Of which groups or elements pool, core and picks are."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from mlipselect.exceptions import InvalidInputError
from mlipselect.plot.axes import COLORS, axes_or_new
from mlipselect.report.learning import candidate_rows
from mlipselect.report.members import members_of
from mlipselect.report.shares import shares_by_element, shares_by_group
from mlipselect.selection import Selection


def composition(selection: Selection, *, by: Literal["group", "element"] = "group", ax: Any = None) -> Any:
    """Draw which shares of pool, core and picks each group or element has.

    Parameters
    ----------
    selection : Selection
        A result of `select`.
    by : {"group", "element"}, default="group"
        Shares of structures by group, as the key of the selection's groups or ``config_type`` says, or of atoms by
        element.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    InvalidInputError
        Structures without groups.
    MissingExtraError
        matplotlib is not installed.
    """
    if by not in ("group", "element"):
        raise InvalidInputError(f"by: expected 'group' or 'element', got {by!r}")
    given, key = selection.given, selection.parameters.get("groups")
    pool = members_of(None if given is None else given.pool, selection.features, key)
    assert pool is not None
    core = members_of(None if given is None else given.core, selection.core_features, pool.group_key or None)
    count = shares_by_group if by == "group" else shares_by_element
    shares = count(pool, core, candidate_rows(selection))
    if shares is None:
        wanted = "groups: no key such as config_type is there" if by == "group" else "compositions"
        raise InvalidInputError(f"by: expected structures with {wanted}")
    ax = axes_or_new(ax)
    left = np.zeros(len(shares.sets))
    for k, name in enumerate(shares.names):
        width = shares.fractions[:, k]
        ax.barh(shares.sets, width, left=left, color=COLORS[k % len(COLORS)], label=name)
        left += width
    ax.invert_yaxis()
    ax.set_xlim(0.0, 1.0)
    ax.set_xlabel("share of the structures" if by == "group" else "share of the atoms")
    ax.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4)
    return ax
