"""Of which groups or elements pool, core and picks are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from mlipselect.exceptions import InvalidInputError
from mlipselect.plot.axes import axes_or_new
from mlipselect.plot.shares import draw_shares
from mlipselect.report.learning import candidate_rows
from mlipselect.report.members import members_of
from mlipselect.report.shares import Shares, shares_by_element, shares_by_group
from mlipselect.selection import Selection

#: Sets that are the same for all selections of a pool.
GIVEN = ("pool", "core")


def composition(
    selection: Selection | Mapping[str, Selection], *, by: Literal["group", "element"] = "group", ax: Any = None
) -> Any:
    """Draw which shares of pool, core and picks each group or element has.

    Parameters
    ----------
    selection : Selection or dict of Selection
        A result of `select`; or several of the same pool, such as one of each method, under the names of their bars.
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
        Structures without groups, or selections of several pools.
    MissingExtraError
        matplotlib is not installed.
    """
    if by not in ("group", "element"):
        raise InvalidInputError(f"by: expected 'group' or 'element', got {by!r}")
    shares = _shares(selection, by) if isinstance(selection, Selection) else _compared(selection, by)
    ax = axes_or_new(ax)
    draw_shares(shares, ax)
    ax.set_xlabel("share of the structures" if by == "group" else "share of the atoms")
    ax.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4)
    return ax


def _shares(selection: Selection, by: str) -> Shares:
    given, key = selection.given, selection.parameters.get("groups")
    pool = members_of(None if given is None else given.pool, selection.features, key)
    assert pool is not None
    core = members_of(None if given is None else given.core, selection.core_features, pool.group_key or None)
    count = shares_by_group if by == "group" else shares_by_element
    shares = count(pool, core, candidate_rows(selection))
    if shares is None:
        wanted = "groups: no key such as config_type is there" if by == "group" else "compositions"
        raise InvalidInputError(f"by: expected structures with {wanted}")
    return shares


def _compared(selections: Mapping[str, Selection], by: str) -> Shares:
    """Put the picks of several selections below the pool and the core, which they share."""
    if not selections:
        raise InvalidInputError("selection: expected at least one selection, got none")
    found = [_shares(one, by) for one in selections.values()]
    first, n_given = found[0], sum(name in GIVEN for name in found[0].sets)
    counts = [first.counts[:n_given]]
    for name, own in zip(selections, found, strict=True):
        same = own.names == first.names and own.sets == first.sets
        if not same or not np.array_equal(own.counts[:n_given], first.counts[:n_given]):
            raise InvalidInputError(f"selection: expected selections of one pool and core, {name!r} is of another")
        counts.append(own.counts[[own.sets.index("picks")]])
    sets = [*first.sets[:n_given], *selections]
    return Shares(first.of, first.names, sets, np.concatenate(counts), first.colors)
