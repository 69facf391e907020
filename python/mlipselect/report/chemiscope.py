"""A selection as the map of chemiscope: structures and their properties, as its viewer reads them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from ase import Atoms

from mlipselect.exceptions import InvalidInputError, MissingExtraError
from mlipselect.report.facts import Facts, facts_of
from mlipselect.report.space import sampled
from mlipselect.selection.result import Selection
from mlipselect.utils.told import counted

#: Candidates beside the picks that are written, at most: the viewer draws every structure.
MOST_CANDIDATES = 5_000


def require_chemiscope() -> Any:
    """Import chemiscope.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import chemiscope
    except ImportError as error:
        raise MissingExtraError("a map for chemiscope needs its package: pip install mlipselect[chemiscope]") from error
    return chemiscope


def write_chemiscope(selection: Selection, path: str | os.PathLike[str]) -> None:
    """Write picks and candidates for the viewer at chemiscope.org.

    Parameters
    ----------
    selection : Selection
        A selection of at least one structure.
    path : path
        File to write, ``.json`` or ``.json.gz``. Of a pool of more than 5000 candidates, as many at equal steps are in
        it beside the picks.

    Raises
    ------
    MissingExtraError
        chemiscope is not installed.
    InvalidInputError
        Nothing was selected.
    """
    chemiscope = require_chemiscope()
    if not len(selection):
        raise InvalidInputError("selection: expected at least one pick for a map, got none")
    facts = facts_of(selection)
    rows = np.union1d(sampled(len(facts.pool), MOST_CANDIDATES), facts.rows)
    chemiscope.write_input(
        os.fspath(path),
        structures=[_bare(atoms) for atoms in _structures(selection, rows)],
        properties=_properties(facts, rows),
        metadata={"name": f"{counted(len(selection), 'structure')} selected", "description": _description(selection)},
        settings={"map": {"color": {"property": "rank"}}, "structure": [{"unitCell": True}]},
    )


def _structures(selection: Selection, rows: np.ndarray[Any, Any]) -> list[Atoms]:
    """Return the structures of rows of the pool."""
    if selection.given is None:
        return [selection.frames[row].atoms for row in rows.tolist()]
    return [frame.atoms for frame in selection.given.pool.take(rows.tolist())]


def _bare(atoms: Atoms) -> Atoms:
    """Return elements, positions and cell alone: labels are properties, and other arrays are not."""
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)


def _properties(facts: Facts, rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return what is known of each structure, in the form of chemiscope."""
    rank = np.zeros(len(rows), dtype=int)
    rank[np.searchsorted(rows, facts.rows)] = np.arange(1, len(facts.rows) + 1)
    places = facts.places[rows].astype(float)
    found: dict[str, tuple[Any, str, str]] = {
        "first component": (places[:, 0], "", "leading component of the features, in standard deviations along it"),
        "second component": (places[:, 1], "", "second component of the features, in standard deviations along it"),
        "rank": (rank, "", "rank of the pick; 0 for other candidates"),
        "index": (rows, "", "row of the pool"),
        "atoms": (facts.pool.n_atoms[rows], "", "number of atoms"),
    }
    if facts.pool.group_key:
        names = [facts.pool.group(row) for row in rows.tolist()]
        found[facts.pool.group_key] = (names, "", "group")
    energies = facts.pool.energies[rows]
    if facts.pool.energy_key and np.isfinite(energies).all():
        found["energy per atom"] = (energies, "", f"as the files give it, {facts.pool.energy_key}")
    if facts.left is not None:
        left = facts.left[rows].astype(float)
        found["uncertainty left"] = (left, "noise", "standard deviation of the energy per atom after the last pick")
    return {
        name: {"target": "structure", "values": _listed(values), "units": unit, "description": text}
        for name, (values, unit, text) in found.items()
    }


def _listed(values: Any) -> list[Any]:
    listed: list[Any] = np.asarray(values).tolist() if not isinstance(values, list) else values
    return listed


def _description(selection: Selection) -> str:
    pool = selection.inputs["pool"]
    return f"{len(selection)} of {pool.get('candidates', '?')} candidates, by {selection.parameters.get('method')}"
