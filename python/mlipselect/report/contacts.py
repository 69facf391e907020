"""Candidates whose atoms are so close that they look exploded, though nobody asked to pass them over."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from ase.data import covalent_radii

from mlipselect._core import inspect
from mlipselect.io.checks import MIN_BOND
from mlipselect.io.collection import Structures
from mlipselect.io.frame import Frame, flat_frames
from mlipselect.io.inspection import problem_of
from mlipselect.selection.result import Selection

#: Up to this number of candidates all are looked at; of a larger pool, or of a store, the picks.
MOST_LOOKED_AT = 20_000
_BATCH = 512


@dataclass(frozen=True)
class Contacts:
    """Structures with atoms that are too close.

    Attributes
    ----------
    limit : float
        Fraction of the sum of covalent radii below which atoms are too close; 0 where nobody wants to look.
    looked_at : int
        Number of structures that were looked at.
    of_picks : bool
        Whether these are the picks alone.
    found : list of (str, str)
        Those with close atoms, by file and frame, and which atoms.
    """

    limit: float
    looked_at: int
    of_picks: bool
    found: list[tuple[str, str]]


def contacts_of(selection: Selection) -> Contacts:
    """Look for structures with atoms that are too close, among all candidates or, of many, among the picks."""
    given = selection.parameters.get("min_bond")
    limit = MIN_BOND if given is None else float(given)
    structures = None if selection.given is None else getattr(selection.given.pool, "structures", None)
    frames: Iterable[Frame] = selection.frames
    of_picks = not isinstance(structures, Structures) or len(structures.candidates) > MOST_LOOKED_AT
    if isinstance(structures, Structures) and not of_picks:
        frames = structures.iter_candidates()
    if limit == 0.0:
        return Contacts(limit, 0, of_picks, [])
    found: list[tuple[str, str]] = []
    looked_at, items = 0, iter(frames)
    while batch := list(itertools.islice(items, _BATCH)):
        looked_at += len(batch)
        _, contacts, _ = inspect(*flat_frames(batch), covalent_radii, limit)
        close = [batch[k] for k in sorted({contact[0] for contact in contacts})]
        found += [(frame.place, problem_of(frame.atoms, limit) or "") for frame in close]
    return Contacts(limit, looked_at, of_picks, found)
