# ruff: noqa: E402
"""Selection from a pool on disk: time, rows read and memory, against reading it and against the first pass alone.

    python benches/python/scale.py [--rows 100000 1000000] [--features 64 256 640] [--picks 100 1000] [--max-memory 1e9]
        [--methods energy fps pool_variance pool_std facility]

The pool is a feature store of float32 rows: a Gaussian mixture with a decaying spectrum, made block by block, in a
folder that is removed afterwards; the core has 2,000 rows. Each selection, by `BayesianSelector` with one of its
scores, by `FPS` or by `FacilityLocation`, runs in a process of its own. `reading` is one sequential reading of all
rows. `pass` is what comes before the first pick: for `energy` the variance of every row and a copy rounded to integers,
which is written to a temporary file; `x scores` compares with the variances alone. `read again` counts the rows that
were read after it, as a part of the pool; of the methods without windows, `pool_std` and `facility` go through all rows
for every pick, and `pool_variance` through a copy of them, rounded to integers, for up to 128 picks. `MB` is the peak
of the memory of the process over what it took before the selection, and `peak` all of it. Picks are compared with those
of the same selection with the pool in memory, where `--compare` allows that many bytes. What the file cache of the
system holds is not read from the disk: on a machine with little memory all times are longer.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import functools
import json
import subprocess
import tempfile
import time
from typing import Any

import numpy as np
from benches.python.rows_store import write_rows

import mlipselect as ms
from mlipselect.stores.fill import SHARD_BYTES

CORE = 2_000
#: One prior for all weights, so that the pass before the first pick is that of the scores alone.
PRIOR = {"scale": "none", "ridge": 1e-5}
METHODS = {
    "energy": functools.partial(ms.BayesianSelector, score="energy", **PRIOR),
    "fps": ms.FPS,
    "pool_variance": functools.partial(ms.BayesianSelector, score="pool_variance", **PRIOR),
    "pool_std": functools.partial(ms.BayesianSelector, score="pool_std", **PRIOR),
    "facility": ms.FacilityLocation,
}
#: Methods that have few rows in memory, in windows, and go through all rows once.
WINDOWED = ("energy", "fps")


def make(folder: Path, n: int, dim: int) -> None:
    """Fill a store with rows of a Gaussian mixture whose features have a power-law spectrum in a random basis."""
    rng = np.random.default_rng(0)
    scales = 1.0 / np.arange(1, dim + 1)
    basis, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    turned = (scales[:, None] * basis.T).astype(np.float32)
    centres = rng.standard_normal((50, dim)).astype(np.float32)

    def rows(count: int) -> np.ndarray:
        return (centres[rng.integers(50, size=count)] + rng.standard_normal((count, dim), np.float32)) @ turned

    np.save(folder / "core.npy", rows(CORE))
    shard = SHARD_BYTES // (4 * dim)
    write_rows(folder / "pool", (rows(min(shard, n - first)) for first in range(0, n, shard)), dim, shard)


def peak_bytes() -> int:
    """Peak resident memory of this process."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def child(folder: Path, method: str, n: int, max_memory: int, where: str) -> None:
    """Select in this process, and print what it took as JSON."""
    store, core = ms.FeatureStore.open(folder / "pool", verify=False), np.load(folder / "core.npy")
    began = time.perf_counter()
    checked = sum(float(block[:, 0].sum()) for _, block in store.blocks())
    reading = time.perf_counter() - began
    assert np.isfinite(checked)
    pool = store if where == "disk" else store.load()
    selector = METHODS[method](n, max_memory=max_memory)
    scores = scores_alone(store, core) if (where, method) == ("disk", "energy") else np.nan
    before, began = peak_bytes(), time.perf_counter()
    selection = begun(selector, pool, core)
    has_windows = where == "disk" and method in WINDOWED
    if has_windows:
        selection.prepare()
    first = time.perf_counter() - began
    selection.advance(n)
    windows, read = selection.reading if has_windows else (0, 0)
    result = {
        "reading": reading,
        "scores": scores,
        "pass": first,
        "total": time.perf_counter() - began,
        "memory": peak_bytes() - before,
        "peak": peak_bytes(),
        "read": read,
        "windows": windows,
        "picks": selection.indices.tolist(),
    }
    print(json.dumps(result))


def begun(selector: Any, pool: Any, core: np.ndarray) -> Any:
    """Begin a selection as `fit` does, without making picks."""
    selector.seed_, selector._given_target = 0, (None, None, None)
    return selector._begin(pool, core)


def scores_alone(store: ms.FeatureStore, core: np.ndarray) -> float:
    """Time that the variances of all rows take, with nothing kept for later."""
    selection = begun(METHODS["energy"](1), store, core)
    posterior, began = selection.posterior(), time.perf_counter()
    for _, block in store.blocks(1 + (16 << 20) // (4 * store.shape[1])):
        posterior.variance(block)
    return time.perf_counter() - began


def in_child(*arguments: object) -> dict:
    """Run this file in a process of its own."""
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"problem": (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]}
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--features", type=int, nargs="+", default=[64, 256, 640])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(WINDOWED))
    parser.add_argument("--picks", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--max-memory", type=float, default=1e9)
    parser.add_argument("--compare", type=float, default=4e9, help="pools up to so many bytes are compared in memory")
    args = parser.parse_args()
    if args.child:
        folder, method, n, max_memory, where = args.child
        child(Path(folder), method, int(n), int(max_memory), where)
        return
    print(f"{'method':>13} {'pool':>14} {'n':>5} {'reading':>8} {'pass':>8} {'total':>8} ", end="")
    print(f"{'x reading':>9} {'x scores':>8} {'x pass':>7} ", end="")
    print(f"{'read again':>10} {'windows':>7} {'MB':>6} {'peak':>6} {'same picks':>10} {'in memory':>9}", flush=True)
    for rows in args.rows:
        for dim in args.features:
            with tempfile.TemporaryDirectory() as folder:
                make(Path(folder), rows, dim)
                for method in args.methods:
                    for n in args.picks:
                        report(folder, method, rows, dim, n, args)


def report(folder: str, method: str, rows: int, dim: int, n: int, args: argparse.Namespace) -> None:
    """Select from a pool on disk and, where it fits, in memory, and print a line."""
    name = f"{method:>13} {f'{rows} x {dim}':>14} {n:5d}"
    disk = in_child(folder, method, n, int(args.max_memory), "disk")
    if "problem" in disk:
        print(f"{name} {disk['problem']}", flush=True)
        return
    memory = in_child(folder, method, n, 1 << 40, "memory") if 4 * rows * dim <= args.compare else None
    same = sum(a == b for a, b in zip(disk["picks"], memory["picks"], strict=True)) if memory else None
    times = [disk[name] for name in ("reading", "pass", "total")]
    by_reading, by_scores, by_pass = (times[2] / disk[name] for name in ("reading", "scores", "pass"))
    print(
        f"{name} {' '.join(f'{time:8.2f}' for time in times)} {by_reading:9.1f} {by_scores:8.2f} {by_pass:7.2f} "
        f"{disk['read'] / rows:10.2f} {disk['windows']:7d} {disk['memory'] / 1e6:6.0f} {disk['peak'] / 1e6:6.0f} "
        f"{'-' if same is None else f'{same}/{n}':>10} {memory['total'] if memory else np.nan:9.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
