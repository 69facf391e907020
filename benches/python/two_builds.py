# ruff: noqa: E402
"""Times of this build beside those of an earlier one: every selector, in memory and from a store, and ACE.

    python benches/python/two_builds.py OTHER_PYTHON [--rounds 3] [--threads 1]

OTHER_PYTHON is the interpreter of an environment in which the earlier build is installed. Rows are a Gaussian mixture
with a decaying spectrum, made from a seed before the time is taken; every run is a process of its own, and the builds
alternate. A line for each case gives the fastest time of either build, the ratio of the two (above 1: this build is
slower) and the spread of the rounds, which is the noise that the ratio is to be read against.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import inspect
import subprocess
import tempfile
import time
from typing import Any

import numpy as np
from benches.python.rows_store import write_rows

import mlipselect as ms

#: Bayesian selection by one prior for all weights.
PRIOR: dict[str, Any] = {"scale": "none", "ridge": 1e-5}
#: Rows, features, picks, selector and its parameters; whether the rows are a store.
CASES: dict[str, tuple[int, int, int, str, dict[str, Any], bool]] = {
    "energy": (200_000, 211, 500, "BayesianSelector", {"score": "energy", **PRIOR}, False),
    "energy, wide": (50_000, 640, 500, "BayesianSelector", {"score": "energy", **PRIOR}, False),
    "logdet": (200_000, 211, 200, "BayesianSelector", {"score": "logdet", **PRIOR}, False),
    "pool_variance": (40_000, 211, 100, "BayesianSelector", {"score": "pool_variance", **PRIOR}, False),
    "pool_std": (10_000, 211, 20, "BayesianSelector", {"score": "pool_std", **PRIOR}, False),
    "fps": (200_000, 211, 500, "FPS", {}, False),
    "fps, cosine": (200_000, 211, 200, "FPS", {"metric": "cosine"}, False),
    "facility location": (20_000, 211, 100, "FacilityLocation", {}, False),
    "k-medoids": (10_000, 211, 50, "KMedoids", {}, False),
    "cur": (200_000, 211, 100, "CUR", {}, False),
    "energy, store": (500_000, 64, 200, "BayesianSelector", {"score": "energy", **PRIOR}, True),
    "fps, store": (500_000, 64, 200, "FPS", {}, True),
}
CORE = 2_000


def rows(count: int, dim: int) -> np.ndarray:
    """Make rows of a mixture of 50 Gaussians whose features have a power-law spectrum."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((50, dim)).astype(np.float32)
    drawn = centres[rng.integers(50, size=count)] + rng.standard_normal((count, dim), np.float32)
    return drawn / np.arange(1, dim + 1, dtype=np.float32)


def seconds(case: str, threads: int) -> float:
    """Time one case in this process."""
    if case == "ACE":
        structures = ms.read("../shared/data/silicon/core.xyz")
        began = time.perf_counter()
        ms.featurize(structures, ms.ACE(["Si"], totaldegree=16, rcut=5.0), n_threads=threads, progress=False)
        return time.perf_counter() - began
    count, dim, n, name, parameters, is_stored = CASES[case]
    made = rows(count + CORE, dim)
    pool, core = made[CORE:], made[:CORE]
    with tempfile.TemporaryDirectory() as folder:
        source: Any = stored(Path(folder) / "pool", pool) if is_stored else pool
        kind = getattr(ms, name)
        # A build without a parameter does what the value that is given stands for.
        known = inspect.signature(kind).parameters
        selector = kind(n, n_threads=threads, **{key: value for key, value in parameters.items() if key in known})
        began = time.perf_counter()
        selector.fit(source, core=core)
        return time.perf_counter() - began


def stored(folder: Path, pool: np.ndarray) -> ms.FeatureStore:
    """Keep rows in a store of eight shards."""
    shard = -(-len(pool) // 8)
    write_rows(folder, (pool[first : first + shard] for first in range(0, len(pool), shard)), pool.shape[1], shard)
    return ms.FeatureStore.open(folder, verify=False)


def main() -> None:
    """Time both builds in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", nargs="?", help="interpreter of the environment of the earlier build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cases", nargs="+", default=[*CASES, "ACE"], choices=[*CASES, "ACE"])
    parser.add_argument("--child", help="time this case in this build and print the seconds")
    options = parser.parse_args()
    if options.child:
        print(seconds(options.child, options.threads))
        return
    print(f"{'case':20} {'before s':>9} {'now s':>9} {'ratio':>6}  spread of before, of now")
    for case in options.cases:
        times: dict[str, list[float]] = {options.other: [], sys.executable: []}
        for _ in range(options.rounds):
            for python, found in times.items():
                command = [python, __file__, "--child", case, "--threads", str(options.threads)]
                found.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        (before, now), spread = map(min, times.values()), [max(t) / min(t) for t in times.values()]
        print(f"{case:20} {before:9.3f} {now:9.3f} {now / before:6.2f}  {spread[0]:.2f} {spread[1]:.2f}", flush=True)


if __name__ == "__main__":
    main()
