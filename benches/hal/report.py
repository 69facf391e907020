"""The page of the documentation that says what structures from biased dynamics are worth: tables and a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from benches.hal import TEMPERATURES
from benches.hal.schemes import SCHEMES
from benches.hal.worth import CORE, NEAR, NUMBERS, Result, write_csv

TITLES = {
    "silicon": "Silicon: surfaces from bulk",
    "copper-gold": "Copper and gold: surfaces and other compositions from one ordered alloy",
}
SYSTEM_NOTES = {
    "silicon": "Tersoff's potential stands in for density functional theory. The core has 20 bulk cells, the starts "
    "are six slabs, and potentials are judged by other slabs and by frames of the true potential.",
    "copper-gold": "Effective medium theory stands in. The core has 20 bulk cells of one composition, the starts "
    "are two surfaces and bulk of three compositions, and potentials are judged by rattled structures of these kinds "
    "and by frames of the true potential.",
}
NAME = "hal-worth"
"""Name of the page, the figure and the table of all numbers."""


def write(folder: Path, results: Sequence[Result]) -> None:
    """Write the page, the figure and the numbers into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    systems = [name for name in TITLES if any(result.system == name for result in results)]
    (folder / f"{NAME}.md").write_text(page(results, systems))
    write_csv(folder / f"{NAME}.csv", results)
    draw(folder / f"{NAME}.svg", results, systems)


def page(results: Sequence[Result], systems: Sequence[str]) -> str:
    """Return the page."""
    temperatures = ", ".join(f"{value:g}" for value in TEMPERATURES)
    parts = [
        "---",
        "orphan: true",
        "---",
        "",
        "# What structures from biased dynamics are worth",
        "",
        "Errors of potentials that are refitted to the core and to *n* structures, by how these were found. `make hal` "
        "runs what was not run before and writes this page, its figure and the numbers in `hal-worth.csv`. How to read "
        "it is in [biased dynamics](hal.md#what-the-structures-are-worth).",
        "",
        f"All schemes have the same core, starts, temperatures ({temperatures} K), checks and first potential, and "
        "take structures one after the other. Numbers are medians over the seeds, with the smallest and largest energy "
        f"error. A near-duplicate is nearer than {NEAR:g} typical differences to an earlier structure. Steps and fits "
        "are those until the last structure was taken. Where fewer seeds than all reached *n*, their number is given.",
        "",
        f"![energy and force errors against the number of calculations, for each way to find structures]({NAME}.svg)",
    ]
    for system in systems:
        own = [result for result in results if result.system == system]
        seeds = sorted({result.seed for result in own})
        parts += ["", f"## {TITLES[system]}", "", SYSTEM_NOTES[system], ""]
        parts += [*table(own, len(seeds)), "", *wins(own)]
    return "\n".join(parts) + "\n"


def table(results: Sequence[Result], n_seeds: int) -> list[str]:
    """Return the lines of a table of the results of one system."""
    lines = [
        f"| structures by ({n_seeds} seeds) | n | energy, meV/atom | force, eV/Å | near-duplicates | steps | fits |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for n in (0, *NUMBERS):
        for scheme in [CORE, *SCHEMES]:
            own = [result for result in results if result.scheme == scheme and result.n == n]
            if not own:
                if n and scheme != CORE and not _same_as_whole(scheme, n):
                    lines.append(f"| {scheme} | {n} | no seed found as many | | | | |")
                continue
            if _same_as_whole(scheme, n):
                continue
            few = "" if len(own) == n_seeds else f", {len(own)} of {n_seeds} seeds"
            lines.append(
                f"| {scheme} | {n} | {_spread(own, lambda r: r.energy)}{few} | {_middle(own, lambda r: r.force):.2f} | "
                f"{_middle(own, lambda r: r.near):.0f} | {_middle(own, lambda r: r.steps):.0f} | "
                f"{_middle(own, lambda r: r.fits):.0f} |"
            )
    return lines


def wins(results: Sequence[Result]) -> list[str]:
    """Compare n-shot with updates with each other scheme, seed by seed."""
    ours = "n-shot with updates"
    energies = {(r.scheme, r.seed, r.n): r.energy for r in results}
    lines = [f"Energy error of *{ours}* over that of the other scheme, geometric mean over seeds, and seeds in which "
             "it is smaller:", "", "| against | " + " | ".join(f"n = {n}" for n in NUMBERS) + " |",
             "| --- |" + " --- |" * len(NUMBERS)]  # fmt: skip
    for scheme in SCHEMES:
        if scheme == ours:
            continue
        cells = []
        for n in NUMBERS:
            seeds = [seed for (name, seed, number) in energies if name == scheme and number == n
                     and (ours, seed, n) in energies]  # fmt: skip
            ratios = [energies[ours, seed, n] / energies[scheme, seed, n] for seed in seeds]
            if not ratios or _same_as_whole(scheme, n):
                cells.append("")
                continue
            mean = float(np.exp(np.mean(np.log(ratios))))
            cells.append(f"{mean:.2f} ({sum(ratio < 1.0 for ratio in ratios)} of {len(ratios)})")
        lines.append(f"| {scheme} | " + " | ".join(cells) + " |")
    return lines


def draw(path: Path, results: Sequence[Result], systems: Sequence[str]) -> None:
    """Draw errors against the number of calculations: a row of panels for energies, and one for forces."""
    from benches.drawing import number_axis, plt, save
    from matplotlib.ticker import LogLocator

    kinds: dict[str, Callable[[Result], float]] = {
        "energy error, meV/atom": lambda r: r.energy, "force error, eV/Å": lambda r: r.force
    }  # fmt: skip
    drawing, panels = plt.subplots(2, len(systems), figsize=(4.6 * len(systems) + 2.2, 6.4), squeeze=False, sharex=True)
    colours = dict(zip(SCHEMES, ["0.5", "black", "tab:orange", "tab:blue", "tab:green", "tab:red"], strict=True))
    for row, (label, value) in zip(panels, kinds.items(), strict=True):
        for panel, system in zip(row, systems, strict=True):
            own = [result for result in results if result.system == system]
            for scheme, colour in colours.items():
                numbers = [n for n in NUMBERS if any(r.scheme == scheme and r.n == n for r in own)]
                of = [[value(r) for r in own if r.scheme == scheme and r.n == n] for n in numbers]
                panel.plot(numbers, [np.median(values) for values in of], color=colour, marker="o", ms=3, label=scheme)
                panel.fill_between(numbers, [min(values) for values in of], [max(values) for values in of],
                                   color=colour, alpha=0.08, lw=0)  # fmt: skip
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            panel.yaxis.set_major_formatter("{x:g}")
            panel.minorticks_off()
            number_axis(panel, NUMBERS)
        row[0].set_ylabel(label)
    for panel, system in zip(panels[0], systems, strict=True):
        panel.set_title(system)
    for panel in panels[1]:
        panel.set_xlabel("calculations")
    panels[0][-1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    drawing.tight_layout()
    save(drawing, path)


def _same_as_whole(scheme: str, n: int) -> bool:
    """Tell whether a scheme in tens has nothing of its own for a number, being n-shot with updates."""
    return scheme.startswith("10-shot") and n <= 10


def _middle(results: Sequence[Result], value: Callable[[Result], float]) -> float:
    return float(np.median([value(result) for result in results]))


def _spread(results: Sequence[Result], value: Callable[[Result], float]) -> str:
    values = [value(result) for result in results]
    return f"{_digits(float(np.median(values)))} ({_digits(min(values))} to {_digits(max(values))})"


def _digits(value: float) -> str:
    """Write a number with three digits, or with all digits before the point if these are more."""
    return f"{value:.0f}" if value >= 1000.0 else f"{value:.3g}"
