"""The picture of a structure, as SVG that is part of a page."""

from __future__ import annotations

import itertools

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from numpy.typing import NDArray

from mlipselect.utils.told import counted

#: Side of a picture, and its margin.
SIZE, MARGIN = 200.0, 6.0
#: Structures with more atoms have no picture: nothing could be told apart.
MOST_ATOMS = 1500
#: Radius of an atom, as a fraction of its covalent radius.
FRACTION = 0.8


def _view() -> NDArray[np.float64]:
    """Return the rotation from a structure to its picture: the third axis upwards, looked at a little from above."""
    turn, tilt = np.radians(22.0), np.radians(-78.0)
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    found: NDArray[np.float64] = about_x @ about_z
    return found


def colors_of(numbers: NDArray[np.int64]) -> dict[str, str]:
    """Return the colours of elements by their symbols, as Jmol has them."""
    found = {}
    for number in sorted(set(numbers.tolist())):
        red, green, blue = (round(255 * part) for part in jmol_colors[number])
        found[chemical_symbols[number]] = f"#{red:02x}{green:02x}{blue:02x}"
    return found


def picture(atoms: Atoms) -> str | None:
    """Draw a structure: its atoms as circles, those behind first, and the edges of its cell.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure.

    Returns
    -------
    str or None
        An ``svg`` element, whose circles have the class ``e-SYMBOL``; None for a structure of more than 1500 atoms.
    """
    if not 0 < len(atoms) <= MOST_ATOMS:
        return None
    rotation = _view()
    cell = atoms.cell.array
    corners = np.array(list(itertools.product((0.0, 1.0), repeat=3)))
    has_cell = abs(np.linalg.det(cell)) > 1e-6
    points = atoms.positions @ rotation.T
    edges = (corners @ cell) @ rotation.T if has_cell else np.empty((0, 3))
    radii = FRACTION * covalent_radii[atoms.numbers]
    low = np.min(np.concatenate([points[:, :2] - radii[:, None], edges[:, :2]]), axis=0)
    high = np.max(np.concatenate([points[:, :2] + radii[:, None], edges[:, :2]]), axis=0)
    scale = (SIZE - 2 * MARGIN) / max(float((high - low).max()), 1e-9)
    offset = 0.5 * (SIZE - scale * (high + low) * [1, -1])

    def placed(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = xyz[:, :2] * [scale, -scale] + offset
        return found

    told = counted(len(atoms), "atom")
    parts = [f'<svg viewBox="0 0 {SIZE:.0f} {SIZE:.0f}" class="structure" role="img" aria-label="{told}">']
    if has_cell:
        ends = placed(edges)
        pairs = [(a, b) for a, b in itertools.combinations(range(8), 2) if np.abs(corners[a] - corners[b]).sum() == 1]
        lines = "".join(f"M{ends[a][0]:.0f} {ends[a][1]:.0f}L{ends[b][0]:.0f} {ends[b][1]:.0f}" for a, b in pairs)
        parts.append(f'<path class="cell" d="{lines}"/>')
    centres = placed(points)
    for k in np.argsort(points[:, 2], kind="stable").tolist():
        x, y = centres[k]
        symbol = chemical_symbols[atoms.numbers[k]]
        parts.append(f'<circle class="e-{symbol}" cx="{x:.0f}" cy="{y:.0f}" r="{max(scale * radii[k], 1.0):.1f}"/>')
    parts.append("</svg>")
    return "".join(parts)
