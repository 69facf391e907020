# ruff: noqa: E402
"""How much faster two threads are than one, for every method: the fastest of a few runs of each, in turns.

    python benches/python/two_threads.py [--repeats 2]

The rows, float32 with 640 features, and the selections are those of `growth.py`; every run is a process of its own,
which makes the rows before the time is taken. The first line is what the machine gives numpy's matrix product.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import time

import numpy as np
from benches.python.growth import in_child
from threadpoolctl import threadpool_limits

FEATURES = 640
#: Rows and picks.
SIZES = {
    "energy": (100_000, 1000),
    "pool_variance": (100_000, 100),
    "fps": (100_000, 1000),
    "facility_location": (10_000, 100),
    "k_medoids": (10_000, 50),
    "cur": (100_000, 1),
}


def product(threads: int) -> float:
    """Time a product of two matrices, the second time that it is computed."""
    a = np.random.default_rng(0).random((6000, 6000), dtype=np.float32)
    with threadpool_limits(threads):
        for _ in range(2):
            began = time.perf_counter()
            a @ a
    return time.perf_counter() - began


def line(name: str, runs: list[list[float]]) -> None:
    """Print the fastest times with one and with two threads, and their ratio."""
    one, two = (min(times) for times in zip(*runs, strict=True))
    print(f"{name}: {one:.2f} s and {two:.2f} s, {one / two:.2f} times as fast", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    line("matrix product of numpy", [[product(threads) for threads in (1, 2)] for _ in range(args.repeats)])
    for method, (rows, n) in SIZES.items():
        runs = [[in_child(method, rows, FEATURES, n, threads) for threads in (1, 2)] for _ in range(args.repeats)]
        line(f"{method}, {n} of {rows:,}", runs)


if __name__ == "__main__":
    main()
