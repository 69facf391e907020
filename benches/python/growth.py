# ruff: noqa: E402
"""How the time of every method grows with the number of rows and of picks: slopes of straight lines in logarithms.

    python benches/python/growth.py [--features 128] [--rows 20000 40000 80000 160000] [--picks 50 100 200 400]

A slope of 1 is time in proportion. Each selection is a process of its own, in one thread; the fastest of three counts.
The rows, float32, are a Gaussian mixture with a decaying spectrum, without a core for distances and with 2,000 rows of
core for variances. Facility location and k-medoids get an eighth of the rows: they compare all rows with each other.
Rows grow at the first number of picks, picks at the first number of rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import subprocess
import time
from typing import Any

import numpy as np
from benches.python.pools import mixture

import mlipselect as ms

CORE = 2_000
PRIOR = {"scale": "none", "ridge": 1e-5}
#: Class, parameters, and whether it has a core.
METHODS: dict[str, tuple[type, dict[str, Any], bool]] = {
    "energy": (ms.BayesianSelector, {"score": "energy", **PRIOR}, True),
    "pool_variance": (ms.BayesianSelector, {"score": "pool_variance", **PRIOR}, True),
    "fps": (ms.FPS, {"scale": "none"}, False),
    "facility_location": (ms.FacilityLocation, {"scale": "none"}, False),
    "k_medoids": (ms.KMedoids, {"scale": "none", "random_state": 0}, False),
    "cur": (ms.CUR, {}, False),
}
#: By what the numbers of rows and of picks are divided, where not by 1.
FEWER = {"facility_location": (8, 1), "k_medoids": (8, 5)}


def seconds(method: str, rows: int, features: int, n: int, threads: int) -> float:
    """Time one selection in this process."""
    kind, parameters, has_core = METHODS[method]
    data = mixture(CORE + rows, features, np.random.default_rng(0)).astype(np.float32)
    selector = kind(n, n_threads=threads, **parameters)
    began = time.perf_counter()
    selector.fit(data[CORE:], core=data[:CORE] if has_core else None)
    return time.perf_counter() - began


def in_child(method: str, rows: int, features: int, n: int, threads: int = 1) -> float:
    """Time one selection in a process of its own."""
    command = [sys.executable, __file__, "--child", method, *map(str, (rows, features, n, threads))]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def fastest(method: str, rows: int, features: int, n: int) -> float:
    """Return the fastest of three times."""
    return min(in_child(method, rows, features, n) for _ in range(3))


def line(name: str, method: str, values: list[int], times: list[float]) -> None:
    """Print times and their slope."""
    slope = np.polyfit(np.log(values), np.log(times), 1)[0]
    listed = "  ".join(f"{value}: {found:.3f} s" for value, found in zip(values, times, strict=True))
    print(f"{method:>18} {name:>6} slope {slope:5.2f}   {listed}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 40_000, 80_000, 160_000])
    parser.add_argument("--picks", type=int, nargs="+", default=[50, 100, 200, 400])
    args = parser.parse_args()
    if args.child:
        method, *numbers = args.child
        print(seconds(method, *map(int, numbers)))
        return
    for method in args.methods:
        of_rows, of_picks = FEWER.get(method, (1, 1))
        rows, picks = [count // of_rows for count in args.rows], [n // of_picks for n in args.picks]
        line("rows", method, rows, [fastest(method, count, args.features, picks[0]) for count in rows])
        if method != "cur":
            line("picks", method, picks, [fastest(method, rows[0], args.features, n) for n in picks])


if __name__ == "__main__":
    main()
