# ruff: noqa: E402, I001
"""Every selector against what people would use instead, in one table.

Every run is in a process of its own with the threads asked for, on the same rows: a Gaussian mixture with a decaying
spectrum, made from a seed; `peers.py` has what is run. Columns: wall time; how many times ours that is; agreement with
the engine named second, or with ours if there is none: for greedy picks on how many leading ones they agree, for
k-medoids and facility location the sum of distances to the nearest pick over ours, for leverages the largest relative
error against float64; peak memory over that of the data; and what bounds the time. The first lines tell what the
machine does at most: numpy's rate of matrix products and of reading memory, with as many threads. `products` is the
rate at which an engine would have run if it had computed all products of the plain algorithm (`PRODUCTS`), as a
fraction of the first: above 1 it left some out. `reading` is the time that one reading of the pool takes, as a fraction
of its time. Absolute times drift from run to run on a shared machine; the ratios are what counts.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import importlib.util
import json
import os
import subprocess
import tempfile
import time
import timeit

import numpy as np

from benches.python.peers import ENGINES, cur_numpy64
from benches.python.pools import mixture

CORE = 2_000
#: Rows, features and how many to pick, for each selector.
CASES = {
    "bayesian": [(2_000, 211, [100]), (20_000, 640, [100, 1000]), (40_000, 640, [200]), (200_000, 640, [100, 1000])],
    "pool_variance": [(20_000, 211, [100]), (40_000, 640, [200]), (200_000, 211, [1000]), (200_000, 640, [1000])],
    "pool_std": [(200_000, 640, [100])],
    "fps": [(2_000, 211, [100]), (20_000, 640, [100, 1000]), (200_000, 640, [100, 1000])],
    "facility": [(5_000, 640, [100]), (20_000, 640, [100, 1000])],
    "k-medoids": [(5_000, 640, [10, 100]), (20_000, 640, [10, 100])],
    "cur": [(20_000, 640, [1]), (200_000, 640, [1])],
    "random": [(200_000, 640, [1000])],
}
#: Multiplications and additions of the plain algorithm for so many rows, features and picks.
PRODUCTS = {
    "bayesian": lambda rows, dim, n: 2 * rows * dim * (dim + n),
    # Two forms and the mean square of the pool, then two products a pick.
    "pool_variance": lambda rows, dim, n: 2 * rows * dim * (3 * dim + 2 * n),
    "fps": lambda rows, dim, n: 2 * rows * dim * n,
    "facility": lambda rows, dim, _: 2 * rows * rows * dim,
    "k-medoids": lambda rows, dim, _: 2 * rows * rows * dim,
    # A symmetric Gram matrix is half of a product, and so much again gives the leverages in half of the directions.
    "cur": lambda rows, dim, _: 2 * rows * dim * dim,
}
PACKAGES = {"skmatter FPS": "skmatter", "skmatter Voronoi": "skmatter", "kmedoids": "kmedoids"}


def peak_bytes() -> int:
    """Peak resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def child(selector: str, engine: str, folder: str, n: int, threads: int) -> None:
    """Run one engine on saved rows and print what it took as JSON; what it found goes to a file."""
    run = ENGINES[selector][engine]
    small = np.random.default_rng(0).standard_normal((30, 3))
    X, core = np.load(f"{folder}/pool.npy"), np.load(f"{folder}/core.npy")
    # What is imported is no part of a selection.
    run(small.astype(X.dtype), small[:5].astype(X.dtype), 2, threads)
    before, began = peak_bytes(), time.perf_counter()
    found = run(X, core, n, threads)
    seconds, memory = time.perf_counter() - began, peak_bytes() - before
    np.save(f"{folder}/{engine}.npy", found)
    print(json.dumps({"seconds": seconds, "memory": memory}))


def rates() -> None:
    """Print what this machine does at most, as JSON."""
    result = {}
    for dtype in (np.float32, np.float64):
        a, b = np.ones((4096, 640), dtype), np.ones((640, 640), dtype)
        result[np.dtype(dtype).name] = 2e-9 * 4096 * 640 * 640 / best(lambda a=a, b=b: a @ b)
    block = np.ones(1 << 26)
    result["memory"] = 1e-9 * block.nbytes / best(block.sum)
    print(json.dumps(result))


def best(work) -> float:
    """Shortest time of a few."""
    return min(timeit.repeat(work, number=1, repeat=5))


def in_child(threads: int, *arguments: str, build: str | None = None) -> dict:
    """Run this file in a process of its own, with the build of a folder if one is given; where it fails, say why."""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    if build is not None:
        env["PYTHONPATH"] = build
    command = [sys.executable, __file__, "--child", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"problem": (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]}
    return json.loads(done.stdout)


def loss(X: np.ndarray, medoids: np.ndarray) -> float:
    """Sum of the distances to the nearest medoid, in float64."""
    centres = X[medoids].astype(np.float64)
    squares = np.einsum("ij,ij->i", centres, centres)
    total = 0.0
    for start in range(0, len(X), 4096):
        rows = X[start : start + 4096].astype(np.float64)
        nearest = np.einsum("ij,ij->i", rows, rows) + (squares - 2.0 * (rows @ centres.T)).min(axis=1)
        total += float(np.sqrt(np.maximum(nearest, 0.0)).sum())
    return total


def agreement(selector: str, found: np.ndarray, ours: np.ndarray, peer: np.ndarray | None, folder: str) -> str:
    """How well an engine agrees with the others."""
    X = np.load(f"{folder}/pool.npy", mmap_mode="r")
    if selector == "cur":
        return f"error {np.abs(found / cur_numpy64(X, X[:0], 1, 1) - 1).max():.0e}"
    if selector in ("facility", "k-medoids"):
        return f"loss {loss(X, found) / loss(X, ours):.4f}"
    if peer is None:
        return "-"
    same = next((k for k, (a, b) in enumerate(zip(found, peer, strict=True)) if a != b), len(peer))
    return f"{same}/{len(peer)}"


def bounds(selector: str, pool: np.ndarray, n: int, seconds: float, rate: dict) -> str:
    """How near a time is to what matrix products and memory allow; see the text of the module."""
    if selector not in PRODUCTS:
        return f"{'-':>8} {pool.nbytes / seconds / 1e9 / rate['memory']:7.3f}"
    products = PRODUCTS[selector](*pool.shape, n) / seconds / 1e9 / rate[pool.dtype.name]
    return f"{products:8.2f} {pool.nbytes / seconds / 1e9 / rate['memory']:7.3f}"


def run_case(
    selector: str, folder: str, n: int, threads: int, repeats: int, case: str, rate: dict, earlier: str | None
) -> None:
    """Measure the engines of a selector on saved rows, and print a line for each."""
    pool = np.load(f"{folder}/pool.npy", mmap_mode="r")
    builds = {engine: earlier if engine.startswith("earlier") else None for engine in ENGINES[selector]}
    engines = [engine for engine in builds if earlier is not None or not engine.startswith("earlier")]
    runs: dict[str, list[dict]] = {engine: [] for engine in engines}
    for _ in range(repeats):
        for engine in engines:
            package = PACKAGES.get(engine)
            if package is not None and importlib.util.find_spec(package) is None:
                runs[engine].append({"problem": f"{package} is not installed"})
            else:
                child = in_child(threads, selector, engine, folder, str(n), str(threads), build=builds[engine])
                runs[engine].append(child)
    found = {engine: np.load(path) for engine in engines if (path := Path(folder, f"{engine}.npy")).exists()}
    for engine in engines:
        problem = next((run["problem"] for run in runs[engine] if "problem" in run), None)
        if problem is not None:
            print(f"{case} {engine:>16}  {problem}", flush=True)
            continue
        seconds = float(np.median([run["seconds"] for run in runs[engine]]))
        pairs = zip(runs[engine], runs["ours"], strict=True)
        ratio = float(np.median([run["seconds"] / own["seconds"] for run, own in pairs]))
        peer = found.get(engines[min(1, len(engines) - 1)]) if len(engines) > 1 else None
        agree = agreement(selector, found[engine], found["ours"], peer, folder)
        memory = max(run["memory"] for run in runs[engine]) / 1e6
        limits = bounds(selector, pool, n, seconds, rate)
        print(f"{case} {engine:>16} {seconds:9.3f} {ratio:7.2f} {agree:>14} {memory:8.0f} {limits}", flush=True)
        Path(folder, f"{engine}.npy").unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--selectors", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--rows", type=int, nargs="+", help="pools of these sizes only")
    parser.add_argument("--picks", type=int, nargs="+", help="these numbers of picks only")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"], choices=["float32", "float64"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--core", type=int, default=CORE, help=f"rows of the core (default: {CORE})")
    parser.add_argument("--earlier", metavar="FOLDER", help="where `pip install --target` put an earlier build")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each; pools under 10,000 rows get five")
    args = parser.parse_args()
    if args.child:
        if args.child == ["rates"]:
            rates()
        else:
            selector, engine, folder, n, threads = args.child
            child(selector, engine, folder, int(n), int(threads))
        return
    machine = {threads: in_child(threads, "rates") for threads in args.threads}
    for threads, rate in machine.items():
        print(
            f"machine, {threads} threads: matrix product {rate['float32']:.0f} (float32) and {rate['float64']:.0f} "
            f"(float64) GFLOP/s, reading {rate['memory']:.1f} GB/s",
            flush=True,
        )
    print(f"{'selector':>9} {'pool':>12} {'dtype':>8} {'n':>5} {'threads':>7} {'engine':>16} {'seconds':>9} ", end="")
    print(f"{'x ours':>7} {'agreement':>14} {'MB':>8} {'products':>8} {'reading':>7}", flush=True)
    for selector in args.selectors:
        for rows, dim, picks in CASES[selector]:
            if args.rows and rows not in args.rows:
                continue
            data = mixture(args.core + rows, dim, np.random.default_rng(0))
            for dtype in args.dtypes:
                with tempfile.TemporaryDirectory() as folder:
                    np.save(f"{folder}/core.npy", data[: args.core].astype(dtype))
                    np.save(f"{folder}/pool.npy", data[args.core :].astype(dtype))
                    for n in (n for n in picks if not args.picks or n in args.picks):
                        for threads in args.threads:
                            case = f"{selector:>9} {f'{rows} x {dim}':>12} {dtype:>8} {n:5d} {threads:7d}"
                            repeats = max(args.repeats, 5 if rows < 10_000 and selector != "k-medoids" else 1)
                            run_case(selector, folder, n, threads, repeats, case, machine[threads], args.earlier)


if __name__ == "__main__":
    main()
