# ruff: noqa: E402
"""How much faster two threads are than one, for every method: the fastest of a few runs of each, in turns.

    python benches/python/two_threads.py [--repeats 2]

The rows, float32 with 640 features, are a Gaussian mixture with a decaying spectrum, beside 2,000 rows of core for
variances. Every run is a process of its own, which makes the rows before the time is taken.
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

CORE, FEATURES = 2_000, 640
PRIOR = {"scale": "none", "ridge": 1e-5}
#: Rows, picks, class and parameters of each method; whether it has a core.
METHODS: dict[str, tuple[int, int, type, dict[str, Any], bool]] = {
    "energy": (100_000, 1000, ms.BayesianSelector, {"score": "energy", **PRIOR}, True),
    "pool_variance": (100_000, 100, ms.BayesianSelector, {"score": "pool_variance", **PRIOR}, True),
    "fps": (100_000, 1000, ms.FPS, {"scale": "none"}, False),
    "facility_location": (10_000, 100, ms.FacilityLocation, {"scale": "none"}, False),
    "k_medoids": (10_000, 50, ms.KMedoids, {"scale": "none", "random_state": 0}, False),
    "cur": (100_000, 1, ms.CUR, {}, False),
}


def seconds(method: str, threads: int) -> float:
    """Time one selection in this process."""
    rows, n, kind, parameters, has_core = METHODS[method]
    data = mixture(CORE + rows, FEATURES, np.random.default_rng(0)).astype(np.float32)
    selector = kind(n, n_threads=threads, **parameters)
    began = time.perf_counter()
    selector.fit(data[CORE:], core=data[:CORE] if has_core else None)
    return time.perf_counter() - began


def measured(method: str, threads: int) -> float:
    """Time one selection in a process of its own."""
    command = [sys.executable, __file__, "--child", method, str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    if args.child:
        print(seconds(args.child[0], int(args.child[1])))
        return
    for method, (rows, n, *_) in METHODS.items():
        runs = [[measured(method, threads) for threads in (1, 2)] for _ in range(args.repeats)]
        one, two = (min(times) for times in zip(*runs, strict=True))
        print(f"{method:>18}, {n} of {rows:,}: {one:.2f} s and {two:.2f} s, {one / two:.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()
