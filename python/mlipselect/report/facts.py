"""Everything that a page shows of a selection, computed once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.features import Features
from mlipselect.features.element_counts import ElementCounts
from mlipselect.io.collection import Structures
from mlipselect.report.contacts import Contacts, contacts_of
from mlipselect.report.coverage import SAMPLE, Coverage, Nearness, coverage_of, nearness_of
from mlipselect.report.learning import Learning, candidate_rows, learning_of
from mlipselect.report.members import Members, members_of
from mlipselect.report.shares import Shares, shares_by_element, shares_by_group
from mlipselect.report.space import Space, all_components, find_space, rows_at, sampled
from mlipselect.selection.result import Selection

#: Up to this number of candidates the map has a point for each; of more, it shows how many are in each place.
MOST_POINTS = 20_000
#: Largest number of structures of the core on the map.
MOST_OF_CORE = 5_000


@dataclass(frozen=True)
class Facts:
    """What a page shows of a selection that has picks.

    Attributes
    ----------
    selection : Selection
        The selection.
    rows : ndarray of int64, shape (n_picks,)
        Rows of the picks in the features.
    pool : Members
        The candidates.
    core : Members or None
        The core.
    space : Space
        The axes of the map.
    places : ndarray of float32, shape (n, 2)
        Where candidates are on the map.
    core_rows : ndarray of int64
        Rows of the core that are on the map.
    core_places : ndarray of float32, shape (m, 2)
        Where these are.
    left : ndarray of float32, shape (n,), or None
        Standard deviation of the energy per atom that is left of each candidate, in units of the noise, where there
        is a point for each.
    learning : Learning or None
        What was learned from pick to pick.
    why_no_learning : str
        Why that is not known.
    coverage, target_coverage : Coverage or None
        How far the other candidates and the target are from core and picks; None where all were picked, and without
        a target.
    nearness : Nearness or None
        Candidates that are nearly the same; None for a pool of picks only.
    n_copies : int
        Number of candidates that are equal to others to the last bit.
    contacts : Contacts
        Structures with atoms that are too close.
    shares : list of Shares
        Composition by group and by element.
    """

    selection: Selection
    rows: NDArray[np.int64]
    pool: Members
    core: Members | None
    space: Space
    places: NDArray[np.float32]
    core_rows: NDArray[np.int64]
    core_places: NDArray[np.float32]
    left: NDArray[np.float32] | None
    learning: Learning | None
    why_no_learning: str
    coverage: Coverage | None
    target_coverage: Coverage | None
    nearness: Nearness | None
    n_copies: int
    contacts: Contacts
    shares: list[Shares]

    @property
    def is_run(self) -> bool:
        """Whether the candidates are the picks, as of a run of biased dynamics."""
        return bool(self.selection.run)


def facts_of(selection: Selection) -> Facts:
    """Compute what a page shows of a selection with at least one pick."""
    features, core_features, given = selection.features, selection.core_features, selection.given
    rows = candidate_rows(selection)
    pool = members_of(None if given is None else given.pool, features, selection.parameters.get("groups"))
    assert pool is not None
    if pool.counts is None and len(rows) == len(pool):
        pool = replace(pool, counts=ElementCounts.of([frame.atoms for frame in selection.frames]))
    core = members_of(None if given is None else given.core, core_features, pool.group_key or None)
    space = find_space(features, core_features)
    components = all_components(space, features)
    learning, why = None, ""
    try:
        learning = learning_of(selection)
    except InvalidInputError as error:
        why = str(error)
    is_run = bool(selection.run)
    core_rows, core_places = _of_core(space, core_features)
    return Facts(
        selection=selection,
        rows=rows,
        pool=pool,
        core=core,
        space=space,
        places=space.whitened(components).astype(np.float32),
        core_rows=core_rows,
        core_places=core_places,
        left=_left(selection),
        learning=learning,
        why_no_learning=why,
        coverage=None if is_run else _coverage(selection, space, rows),
        target_coverage=_target_coverage(selection, space, rows),
        nearness=None if is_run else nearness_of(space, components, features),
        n_copies=_copies(selection),
        contacts=contacts_of(selection),
        shares=[
            shares for shares in (count(pool, core, rows) for count in (shares_by_group, shares_by_element)) if shares
        ],
    )


def _of_core(space: Space, core: Features | None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    if core is None or not len(core):
        return np.empty(0, dtype=np.int64), np.empty((0, 2), dtype=np.float32)
    rows = sampled(len(core), MOST_OF_CORE)
    return rows, space.whitened(space.components(core.per_structure[rows])).astype(np.float32)


def _left(selection: Selection) -> NDArray[np.float32] | None:
    """Return what is left uncertain of each candidate of a pool that has a point for each."""
    n, posterior = len(selection.features), selection.posterior
    if posterior is None or n > MOST_POINTS:
        return None
    rows = rows_at(selection.features, np.arange(n))
    return np.sqrt(posterior.variance(rows) * posterior.noise_precision).astype(np.float32)


def _coverage(selection: Selection, space: Space, rows: NDArray[np.int64]) -> Coverage | None:
    """Find how far the candidates that were not picked are from what is known; None where all were picked."""
    others = np.setdiff1d(sampled(len(selection.features), SAMPLE), rows)
    if not len(others):
        return None
    looked = rows_at(selection.features, others)
    return coverage_of(space, looked, selection.core_features, rows_at(selection.features, rows))


def _target_coverage(selection: Selection, space: Space, rows: NDArray[np.int64]) -> Coverage | None:
    target = None if selection.given is None else selection.given.target_features
    if target is None:
        return None
    looked = rows_at(target, sampled(len(target), SAMPLE))
    return coverage_of(space, looked, selection.core_features, rows_at(selection.features, rows))


def _copies(selection: Selection) -> int:
    """Count candidates that are equal to others to the last bit, where structures were looked at."""
    structures = None if selection.given is None else getattr(selection.given.pool, "structures", None)
    if not isinstance(structures, Structures):
        return 0
    return len(structures.fingerprints) - len(np.unique(structures.fingerprints))
