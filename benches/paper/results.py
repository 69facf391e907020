"""Results of the experiment: kept as they come, so that a run that was stopped continues."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from benches.paper.selections import Choice


@dataclass(frozen=True)
class Result:
    """What the potential of a choice is worth.

    Attributes
    ----------
    descriptor, method : str
        What was selected with.
    seed, n : int
        Seed, and number of structures selected.
    energy_rmse : float
        In meV an atom, over core and pool.
    force_rmse : float
        In eV/Å, each component, over core and pool.
    surface_100, surface_111 : float
        Energies of relaxed surfaces in J/m^2; NaN where the relaxation does not end.
    """

    descriptor: str
    method: str
    seed: int
    n: int
    energy_rmse: float
    force_rmse: float
    surface_100: float
    surface_111: float


NUMBERS = ("energy_rmse", "force_rmse", "surface_100", "surface_111")


class Kept:
    """Results by choice, in a file with one line each.

    Parameters
    ----------
    path : Path
        The file.
    conditions : str
        What else results depend on: data, and what was measured. Those of other conditions are not used.
    """

    def __init__(self, path: Path, conditions: str):
        self.path = path
        self._conditions = conditions
        self._results: dict[str, Result] = {}
        if path.exists():
            text = path.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]
            if whole != text:  # the last line was cut off when the run was stopped
                path.write_text(whole, encoding="utf-8")
            for line in whole.splitlines():
                record = json.loads(line)
                key = record.pop("key")
                self._results[key] = Result(**record)

    def get(self, choice: Choice) -> Result | None:
        """Give the result of a choice of the same structures, where there is one."""
        return self._results.get(self._key(choice))

    def add(self, choice: Choice, result: Result) -> None:
        """Keep a result."""
        self._results[self._key(choice)] = result
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"key": self._key(choice), **asdict(result)}) + "\n")

    def _key(self, choice: Choice) -> str:
        return f"{self._conditions}|{choice.key}|{','.join(map(str, choice.picks))}"


@dataclass(frozen=True)
class Summary:
    """Median and spread over the seeds of one method and number of structures."""

    descriptor: str
    method: str
    n: int
    seeds: int
    median: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]


def summaries(results: Iterable[Result]) -> list[Summary]:
    """Sum up results over their seeds, in the order in which they come."""
    groups: dict[tuple[str, str, int], list[Result]] = {}
    for result in results:
        groups.setdefault((result.descriptor, result.method, result.n), []).append(result)
    out = []
    for (descriptor, method, n), members in groups.items():
        table = {name: np.array([getattr(member, name) for member in members]) for name in NUMBERS}
        low, median, high = (
            {
                name: float(np.nanpercentile(values, p)) if np.isfinite(values).any() else np.nan
                for name, values in table.items()
            }
            for p in (10, 50, 90)
        )
        out.append(Summary(descriptor, method, n, len(members), median, low, high))
    return out


def write_csv(path: Path, results: Iterable[Result]) -> None:
    """Write every result."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["descriptor", "method", "seed", "n", "energy RMSE meV/atom", "force RMSE eV/A", "100 J/m2", "111 J/m2"]
        )
        for r in results:
            numbers = [f"{getattr(r, name):.6g}" for name in NUMBERS]
            writer.writerow([r.descriptor, r.method, r.seed, r.n, *numbers])


def markdown(summed: Iterable[Summary]) -> str:
    """Give a table of medians, with the range that 80 % of the seeds are in where there are several."""
    lines = [
        "| descriptor | method | n | energy RMSE, meV/atom | force RMSE, eV/Å | (100), J/m² | (111), J/m² |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for s in summed:
        cells = []
        for name, spec in zip(NUMBERS, (".2f", ".4f", ".3f", ".3f"), strict=True):
            cell = "-" if np.isnan(s.median[name]) else f"{s.median[name]:{spec}}"
            if s.seeds > 1 and cell != "-":
                cell += f" ({s.low[name]:{spec}} to {s.high[name]:{spec}})"
            cells.append(cell)
        lines.append(f"| {s.descriptor} | {s.method} | {s.n} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def relative(summed: Iterable[Summary], name: str) -> str:
    """Give a table of the medians of one number relative to that of random draws, with the means over the sizes."""
    summed = list(summed)
    base = {s.n: s for s in summed if s.method == "random"}
    lines = [
        f"| descriptor | method | {' | '.join(map(str, base))} | geometric mean |",
        f"| --- | --- |{' ---: |' * (len(base) + 1)}",
        "| - | random, 80 % of the draws | "
        + " | ".join(
            f"{s.low[name] / s.median[name]:.2f} to {s.high[name] / s.median[name]:.2f}" for s in base.values()
        )
        + " | 1 |",
    ]
    for descriptor, method in dict.fromkeys((s.descriptor, s.method) for s in summed if s.n in base):
        own = {s.n: s.median[name] for s in summed if (s.descriptor, s.method) == (descriptor, method)}
        if method != "random" and own.keys() == base.keys():
            ratios = [own[n] / s.median[name] for n, s in base.items()]
            mean = float(np.exp(np.mean(np.log(ratios))))
            lines.append(f"| {descriptor} | {method} | {' | '.join(f'{r:.2f}' for r in ratios)} | {mean:.2f} |")
    return "\n".join(lines) + "\n"


def distances(results: Iterable[Result], name: str, target: float) -> str:
    """Give a table of how far one number is from what it should be, the mean over the seeds."""
    groups: dict[tuple[str, str], dict[int, list[float]]] = {}
    for r in results:
        groups.setdefault((r.descriptor, r.method), {}).setdefault(r.n, []).append(abs(getattr(r, name) - target))
    numbers = sorted({n for by_number in groups.values() for n in by_number})
    lines = [
        f"| descriptor | method | {' | '.join(map(str, numbers))} |",
        f"| --- | --- |{' ---: |' * len(numbers)}",
    ]
    for (descriptor, method), by_number in groups.items():
        cells = [_mean(by_number.get(n, [])) for n in numbers]
        lines.append(f"| {descriptor} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _mean(values: list[float]) -> str:
    """Give the mean of those that are known, if any are."""
    known = [value for value in values if np.isfinite(value)]
    return f"{np.mean(known):.3f}" if known else "-"
