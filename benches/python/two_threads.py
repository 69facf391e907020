# ruff: noqa: E402
"""How much faster two threads are than one, for every method: the fastest of a few runs of each, in turns.

    python benches/python/two_threads.py [--repeats 2]

The rows, float32 with 640 features, and the selections are those of `growth.py`; every run is a process of its own,
which makes the rows before the time is taken.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse

from benches.python.growth import in_child

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    for method, (rows, n) in SIZES.items():
        runs = [[in_child(method, rows, FEATURES, n, threads) for threads in (1, 2)] for _ in range(args.repeats)]
        one, two = (min(times) for times in zip(*runs, strict=True))
        print(f"{method:>18}, {n} of {rows:,}: {one:.2f} s and {two:.2f} s, {one / two:.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()
