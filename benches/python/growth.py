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
#: Class, parameters, whether it has a core, and by what the numbers of rows and picks are divided.
METHODS: dict[str, tuple[type, dict[str, Any], bool, int, int]] = {
    "energy": (ms.BayesianSelector, {"score": "energy", **PRIOR}, True, 1, 1),
    "pool_variance": (ms.BayesianSelector, {"score": "pool_variance", **PRIOR}, True, 1, 1),
    "fps": (ms.FPS, {"scale": "none"}, False, 1, 1),
    "facility_location": (ms.FacilityLocation, {"scale": "none"}, False, 8, 1),
    "k_medoids": (ms.KMedoids, {"scale": "none", "random_state": 0}, False, 8, 5),
    "cur": (ms.CUR, {}, False, 1, 1),
}


def seconds(method: str, rows: int, features: int, n: int) -> float:
    """Time one selection in this process."""
    kind, parameters, has_core, of_rows, of_picks = METHODS[method]
    data = mixture(CORE + rows // of_rows, features, np.random.default_rng(0)).astype(np.float32)
    selector = kind(n // of_picks, n_threads=1, **parameters)
    began = time.perf_counter()
    selector.fit(data[CORE:], core=data[:CORE] if has_core else None)
    return time.perf_counter() - began


def measured(*arguments: object) -> float:
    """Return the fastest of three runs in processes of their own."""
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    return min(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(3))


def line(name: str, method: str, values: list[int], times: list[float]) -> None:
    """Print times and their slope."""
    slope = np.polyfit(np.log(values), np.log(times), 1)[0]
    listed = "  ".join(f"{value}: {found:.3f} s" for value, found in zip(values, times, strict=True))
    print(f"{method:>18} {name:>6} slope {slope:5.2f}   {listed}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
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
        *_, of_rows, of_picks = METHODS[method]
        times = [measured(method, rows, args.features, args.picks[0]) for rows in args.rows]
        line("rows", method, [rows // of_rows for rows in args.rows], times)
        if method != "cur":
            times = [measured(method, args.rows[0], args.features, n) for n in args.picks]
            line("picks", method, [n // of_picks for n in args.picks], times)


if __name__ == "__main__":
    main()
