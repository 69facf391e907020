"""Ratios to random draws, as tables and a figure."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

#: Numbers of picks that the mean ratio is taken over; at 100 all methods meet.
MEAN_OVER = (5, 10, 20, 50)


Place = tuple[str, str, int, int]
"""System, learner, split and number of picks."""


def ratios(found: Sequence[Mapping[str, Any]], quantity: str) -> dict[str, dict[Place, float]]:
    """Divide each error by that of the median random draw, by method, then system, learner, split and number."""
    drawn: dict[Place, list[float]] = {}
    for row in found:
        if row["method"].startswith("random "):
            drawn.setdefault(_place(row), []).append(row[quantity])
    out: dict[str, dict[Place, float]] = {}
    for row in found:
        ratio = row[quantity] / float(np.median(drawn[_place(row)]))
        if np.isfinite(ratio):
            out.setdefault(row["method"], {})[_place(row)] = ratio
    return out


def _place(row: Mapping[str, Any]) -> Place:
    return row["system"], row["learner"], row["split"], row["n"]


def mean_ratio(of_method: Mapping[Place, float], **only: Any) -> float:
    """Geometric mean of ratios over `MEAN_OVER`, of one system, learner, split or number of picks if asked for."""
    names = ("system", "learner", "split", "n")
    chosen = [
        np.log(ratio)
        for place, ratio in of_method.items()
        if all(place[names.index(name)] == value for name, value in only.items())
        and (place[3] in MEAN_OVER or "n" in only)
    ]
    return float(np.exp(np.mean(chosen))) if chosen else float("nan")


def not_worth_it(found: Sequence[Mapping[str, Any]], method: str) -> list[str]:
    """Say where the energies of a method are no better than the median draw in all, or bad luck on a system."""
    energies = ratios(found, "energy")
    own = energies.pop(method)
    drawn = [ratio for name, ratio in energies.items() if name.startswith("random ")]
    problems = [] if mean_ratio(own) < 1.0 else [f"{method}: Q_E {mean_ratio(own):.2f}, no better than the median draw"]
    for system in dict.fromkeys(place[0] for place in own):
        q, luck = mean_ratio(own, system=system), [mean_ratio(draw, system=system) for draw in drawn]
        if q > max(1.0, float(np.percentile(luck, 90))):
            problems.append(f"{method}: Q_E {q:.2f} on {system}, worse than nine of ten single draws")
    return problems


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of all methods, and of nine in ten single draws."""
    energies, forces = ratios(found, "energy"), ratios(found, "forces")
    systems = list(dict.fromkeys(row["system"] for row in found))
    splits, numbers = sorted({row["split"] for row in found}), sorted({row["n"] for row in found})
    header = [
        "method",
        "Q_E",
        "worst system",
        "spread",
        *(f"n = {n}" for n in numbers),
        *systems,
        "Q_F",
        "worst system",
    ]
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for method in (name for name in energies if not name.startswith("random ")):
        own, own_forces = energies[method], forces.get(method, {})
        by_system = [mean_ratio(own, system=system) for system in systems]
        spread = np.std([np.log(mean_ratio(own, split=split)) for split in splits])
        cells = [mean_ratio(own), max(by_system), spread, *(mean_ratio(own, n=n) for n in numbers), *by_system]
        cells += [mean_ratio(own_forces), max(mean_ratio(own_forces, system=system) for system in systems)]
        lines.append(f"| {method} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")
    single = [mean_ratio(energies[name]) for name in energies if name.startswith("random ")]
    lines += [
        "",
        f"Q: geometric mean, over n = {', '.join(map(str, MEAN_OVER))}, splits and learners, of the error over that of "
        "the median random draw. E: energies, by all learners. F: forces, by the linear ACE. Single random draws have "
        f"Q_E {min(single):.2f} to {max(single):.2f}. Spread: standard deviation of log Q_E over {len(splits)} splits.",
    ]
    return "\n".join(lines) + "\n"


def by_learner(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of Q_E and Q_F of all methods by system and learner, with the range of single draws."""
    quantities = {"E": ratios(found, "energy"), "F": ratios(found, "forces")}
    places = dict.fromkeys((row["system"], row["learner"]) for row in found)
    columns = [(place, name) for place in places for name in quantities if _any_finite(quantities[name], *place)]
    header = ["method", *(f"{system}, {learner}: Q_{name}" for (system, learner), name in columns)]
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]

    def cells(method: str) -> list[float]:
        return [
            mean_ratio(quantities[name].get(method, {}), system=system, learner=learner)
            for (system, learner), name in columns
        ]

    drawn = [method for method in quantities["E"] if method.startswith("random ")]
    lines += [
        f"| {method} | " + " | ".join(f"{cell:.2f}" for cell in cells(method)) + " |"
        for method in quantities["E"]
        if method not in drawn
    ]
    lines.append(
        "| single draws | "
        + " | ".join(f"{min(own):.2f} to {max(own):.2f}" for own in zip(*map(cells, drawn), strict=True))
        + " |"
    )
    return "\n".join(lines) + "\n"


def _any_finite(quantity: Mapping[str, Mapping[Place, float]], system: str, learner: str) -> bool:
    return any(place[:2] == (system, learner) for own in quantity.values() for place in own)


def write_csv(path: Path, found: Sequence[Mapping[str, Any]]) -> None:
    """Write every error that was measured."""
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(found[0]))
        writer.writeheader()
        writer.writerows(found)


def figure(path: Path, found: Sequence[Mapping[str, Any]]) -> None:
    """Draw the ratios of energies by number of picks, one panel a system."""
    from benches.drawing import number_axis, plt, save

    energies = ratios(found, "energy")
    systems = list(dict.fromkeys(row["system"] for row in found))
    drawing, panels = plt.subplots(1, len(systems), figsize=(4.2 * len(systems), 4.0), sharey=True, squeeze=False)
    methods = [name for name in energies if not name.startswith("random ")]
    of_many = [{"color": colour, "ls": line} for line in ("-", "--", ":") for colour in plt.get_cmap("tab20").colors]
    styles = dict(zip(methods, [{"color": "black"}, *of_many], strict=False))
    for panel, system in zip(panels[0], systems, strict=True):
        for method, own in energies.items():
            numbers = sorted({place[3] for place in own if place[0] == system})
            values = [mean_ratio(own, system=system, n=n) for n in numbers]
            style = {"color": "0.88", "lw": 1, "zorder": 1}
            if method in styles:
                style = {**styles[method], "lw": 2.5 if method == methods[0] else 1.4, "label": method}
            panel.plot(numbers, values, **style)
        panel.set(title=system, yscale="log", xlabel="picks")
        number_axis(panel, numbers)
        panel.set_yticks([0.25, 0.5, 1.0, 2.0], labels=["0.25", "0.5", "1", "2"])
        panel.minorticks_off()
        panel.axhline(1.0, color="black", lw=0.8, ls=":")
    panels[0][0].set_ylabel("energy error over that of the median draw")
    panels[0][-1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    drawing.tight_layout()
    save(drawing, path)
