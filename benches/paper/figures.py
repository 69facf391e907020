"""The figures: errors and surface energies against the number of structures, and what was selected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from benches.drawing import number_axis, plt, save
from benches.paper.results import Summary
from benches.paper.selections import Choice
from benches.paper.silicon import POOL_TYPES, SURFACE_ENERGIES

from mlipselect.plot.shares import draw_shares
from mlipselect.report.shares import N_COLORS, Shares

AXES = {
    "energy_rmse": "energy RMSE, meV/atom",
    "force_rmse": "force RMSE, eV/Å",
    "surface_100": "(100) surface energy, J/m²",
    "surface_111": "(111) surface energy, J/m²",
}
#: Figures, with what they show.
ERRORS = {"figure-1-energies": ["energy_rmse"], "figure-2-forces": ["force_rmse"]}
SURFACES = {"figure-3-surfaces": ["surface_100", "surface_111"]}
WIDTH, HEIGHT = 4.2, 3.6


def draw_curves(folder: Path, summed: Sequence[Summary], limits: dict[str, tuple[float, float]]) -> None:
    """Draw figures 1 to 3.

    Parameters
    ----------
    folder : Path
        Where they go, as PNG and SVG.
    summed : sequence of Summary
        The results.
    limits : dict of (float, float)
        For each number its value for potentials fitted to the core alone, and to core and pool, which is drawn.
    """
    # Off the scale, as the core alone is: they would leave no room for what differs.
    summed = [s for s in summed if s.method not in ("FPS by dot products", "core alone")]
    descriptors = [name for name in dict.fromkeys(s.descriptor for s in summed) if name != "-"]
    for figure, names in (ERRORS | SURFACES).items():
        shape = (len(names), len(descriptors))
        fig, axes = plt.subplots(
            *shape, figsize=(WIDTH * shape[1], HEIGHT * shape[0]), squeeze=False, sharey="row", layout="constrained"
        )
        for row, name in enumerate(names):
            for column, descriptor in enumerate(descriptors):
                ax = axes[row][column]
                _curves(ax, [s for s in summed if s.descriptor in (descriptor, "-")], name)
                ax.axhline(limits[name][1], color="0.6", lw=0.8, ls="--", label="core and pool")
                if name.startswith("surface"):
                    ax.axhline(SURFACE_ENERGIES[name[-3:]], color="k", lw=0.8, label="DFT")
                else:
                    ax.set_yscale("log")
                number_axis(ax, sorted({s.n for s in summed if s.n > 0}))
                ax.set_title(f"selected with {descriptor}")
                ax.set_xlabel("structures selected")
            axes[row][0].set_ylabel(AXES[name])
        handles, labels = axes[0][0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize="small")
        save(fig, *_files(folder / figure))


def draw_composition(folder: Path, chosen: Sequence[Choice], pool_types: Sequence[str]) -> None:
    """Draw figure 4: how many of each config type each method selects, the mean over its seeds."""
    numbers = sorted({choice.n for choice in chosen})
    names = list(dict.fromkeys((choice.descriptor, choice.method) for choice in chosen))
    fig, axes = plt.subplots(
        1, len(numbers), figsize=(2.6 * len(numbers) + 2.0, 0.26 * len(names) + 1.6), sharey=True, layout="constrained",
        squeeze=False,
    )  # fmt: skip
    codes = np.array([POOL_TYPES.index(kind) for kind in pool_types])
    kinds = [kind.removeprefix("surface_") for kind in POOL_TYPES]
    colors = [number % N_COLORS for number in range(len(kinds))]
    labels = [method if descriptor == "-" else f"{method}, {descriptor}" for descriptor, method in names]
    for ax, n in zip(axes[0], numbers, strict=True):
        drawn = [
            codes[[pick for c in chosen if (c.descriptor, c.method, c.n) == (*name, n) for pick in c.picks]]
            for name in names
        ]
        counts = np.array([np.bincount(own, minlength=len(kinds)) for own in [*drawn, codes]])
        draw_shares(Shares("config_type", kinds, [*labels, "the pool"], counts, colors), ax)
        ax.set_title(f"{n} structures")
    handles, kinds_shown = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, kinds_shown, loc="outside lower center", ncols=6, frameon=False, fontsize="small")
    save(fig, *_files(folder / "figure-4-composition"))


def _files(path: Path) -> list[Path]:
    return [path.with_suffix(ending) for ending in (".svg", ".png")]


def _curves(ax, summed: Sequence[Summary], name: str) -> None:
    for k, method in enumerate(dict.fromkeys(s.method for s in summed)):
        own = sorted((s for s in summed if s.method == method), key=lambda s: s.n)
        n = [s.n for s in own]
        color = "k" if method == "random" else mpl.colormaps["tab20"](2 * k % 19)
        ax.plot(n, [s.median[name] for s in own], "o-", ms=3, lw=1.2, color=color, label=method)
        if any(s.seeds > 1 for s in own):
            ax.fill_between(n, [s.low[name] for s in own], [s.high[name] for s in own], color=color, alpha=0.12, lw=0)
