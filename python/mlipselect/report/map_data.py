"""What the map of a page draws, as small as it can be: a point for each candidate, or numbers of them on a grid."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.report.facts import MOST_POINTS, Facts
from mlipselect.utils.told_apart import told_apart

#: Cells of the grid of a large pool.
COLUMNS, ROWS = 160, 110
_STEPS = 65535


def packed(values: NDArray[Any], dtype: str) -> str:
    """Return numbers as the script of the page unpacks them: little-endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<")).tobytes()).decode()


def map_data(facts: Facts) -> dict[str, Any]:
    """Collect what the map draws.

    Returns
    -------
    dict
        Ready for JSON: the extent of the map, names of groups and files, the core, the picks, and either ``points`` or
        a ``grid`` of candidates.
    """
    pool, places = facts.pool, facts.places
    both = np.concatenate([places, facts.core_places])
    low, high = both.min(axis=0).astype(float), both.max(axis=0).astype(float)
    extent = np.where(high > low, high - low, 1.0)

    def steps(points: NDArray[np.float32]) -> str:
        return packed(np.rint((points - low) / extent * _STEPS), "u2")

    scores = facts.selection.scores
    is_grid = len(pool) > MOST_POINTS
    # Of a grid, only picks are told by their files, of which a large pool may have very many.
    named = np.unique(pool.file[facts.rows]) if is_grid else np.arange(len(pool.files))
    named = named[named >= 0]
    of_picks = [int(np.searchsorted(named, number)) if number >= 0 else -1 for number in pool.file[facts.rows].tolist()]
    data: dict[str, Any] = {
        "low": low.tolist(),
        "high": (low + extent).tolist(),
        "shares": [round(share, 4) for share in facts.space.shares],
        "groupKey": pool.group_key,
        "groups": pool.group_names,
        "energyKey": pool.energy_key,
        "files": _short([pool.files[number] for number in named.tolist()]),
        "nPool": len(pool),
        "picks": {
            "xy": steps(places[facts.rows]),
            "row": facts.rows.tolist(),
            "score": [float(f"{score:.5g}") if np.isfinite(score) else None for score in scores.tolist()],
            "group": pool.groups[facts.rows].tolist(),
            "file": of_picks,
            "frame": pool.frames[facts.rows].tolist(),
            "atoms": pool.n_atoms[facts.rows].tolist(),
            "energy": [None if e != e else float(f"{e:.7g}") for e in pool.energies[facts.rows].tolist()],
        },
        "core": {"xy": steps(facts.core_places), "n": len(facts.core_rows)},
    }
    if facts.core is not None and len(facts.core_rows):
        data["core"] |= {
            "files": _short(facts.core.files),
            "file": packed(facts.core.file[facts.core_rows], "i4"),
            "frame": packed(facts.core.frames[facts.core_rows], "i4"),
        }
    if is_grid:
        return data | {"grid": _grid(facts, low, extent)}
    points = {
        "xy": steps(places),
        "group": packed(pool.groups, "u1"),
        "file": packed(pool.file, "i4"),
        "frame": packed(pool.frames, "i4"),
        "atoms": packed(pool.n_atoms, "i4"),
    }
    if pool.energy_key:
        points["energy"] = packed(pool.energies, "f4")
    if facts.left is not None:
        points["left"] = packed(facts.left, "f4")
    return data | {"points": points}


def _short(files: list[str]) -> list[str]:
    """Shorten names of files to what tells them apart."""
    names = told_apart(files)
    return [names[file] for file in files]


def _grid(facts: Facts, low: NDArray[np.float64], extent: NDArray[np.float64]) -> dict[str, Any]:
    """Count candidates on a grid, and tell the largest group and the mean energy of each cell."""
    shape = np.array([COLUMNS, ROWS])
    cells = np.minimum(((facts.places - low) / extent * shape).astype(np.int64), shape - 1)
    index = cells[:, 1] * COLUMNS + cells[:, 0]
    n_cells = COLUMNS * ROWS
    counts = np.bincount(index, minlength=n_cells)
    grid: dict[str, Any] = {"columns": COLUMNS, "rows": ROWS, "count": packed(counts, "u4")}
    if facts.pool.group_key:
        most, largest = np.zeros(n_cells, dtype=np.int64), np.zeros(n_cells, dtype=np.uint8)
        for code in range(len(facts.pool.group_names)):
            own = np.bincount(index[facts.pool.groups == code], minlength=n_cells)
            largest[own > most] = code
            most = np.maximum(most, own)
        grid["group"] = packed(largest, "u1")
    if facts.pool.energy_key:
        known = np.isfinite(facts.pool.energies)
        sums = np.bincount(index[known], weights=facts.pool.energies[known], minlength=n_cells)
        n_known = np.bincount(index[known], minlength=n_cells)
        with np.errstate(invalid="ignore", divide="ignore"):
            grid["energy"] = packed(sums / n_known, "f4")
    return grid
