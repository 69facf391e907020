"""Farthest point sampling against the plain numpy loop and scikit-matter, in one run.

The loop is what one would write with numpy: one matrix-vector product a pick. Every run is in a process of its own
with the threads asked for, on the same rows (a Gaussian mixture with a decaying spectrum, made from a seed) and from
the same first pick. Printed: wall times, how many times ours each of the others takes, on how many leading picks all
agree with the loop, and peak memory over that of the data. Absolute times drift from run to run on a shared machine;
the ratios are what counts. The loop works in the element type of the pool, so its rounding may decide between
near-equals.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from selection_speed import mixture, peak_bytes

ENGINES = ("ours", "numpy", "FPS", "VoronoiFPS")


def numpy_loop(X: np.ndarray, n: int) -> np.ndarray:
    """Farthest point sampling with numpy."""
    squares = np.einsum("ij,ij->i", X, X)
    nearest = np.full(len(X), np.inf, X.dtype)
    picks = np.zeros(n, np.int64)
    for k in range(1, n):
        i = picks[k - 1]
        np.minimum(nearest, squares + squares[i] - 2 * (X @ X[i]), out=nearest)
        picks[k] = int(np.argmax(nearest))
    return picks


def pick(engine: str, X: np.ndarray, n: int, threads: int) -> np.ndarray:
    """Select with one of the engines, beginning with the first row."""
    if engine == "ours":
        from mlipselect import FPS

        return FPS(n, scale="none", initialize=0, n_threads=threads).fit(X).selected_idx_
    if engine == "numpy":
        return numpy_loop(X, n)
    from skmatter import sample_selection

    return getattr(sample_selection, engine)(n_to_select=n, initialize=0).fit(X).selected_idx_


def child(engine: str, path: str, n: int, threads: int) -> None:
    """Run one engine on saved rows and print what it took as JSON."""
    X = np.load(path)
    # What is imported is no part of a selection.
    pick(engine, np.random.default_rng(0).standard_normal((20, 3)).astype(X.dtype), 2, threads)
    before = peak_bytes()
    began = time.perf_counter()
    picks = pick(engine, X, n, threads)
    seconds = time.perf_counter() - began
    extra = (peak_bytes() - before) / X.nbytes
    print(json.dumps({"seconds": seconds, "extra": extra, "picks": np.asarray(picks).tolist()}))


def measure(engine: str, path: str, n: int, threads: int) -> dict:
    """Run one engine in a process of its own; where it fails, say why."""
    if engine in ("FPS", "VoronoiFPS") and importlib.util.find_spec("skmatter") is None:
        return {"problem": "scikit-matter is not installed"}
    env = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--child", engine, path, str(n), str(threads)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"problem": (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]}
    return json.loads(done.stdout)


def report(case: str, results: dict[str, list[dict]]) -> None:
    """Print a row for each engine."""
    ours = results.get("ours", [])
    loop = next((run["picks"] for run in results.get("numpy", []) if "picks" in run), None)
    for engine, runs in results.items():
        problem = next((run["problem"] for run in runs if "problem" in run), None)
        if problem is not None:
            print(f"{case} {engine:>10}  {problem}", flush=True)
            continue
        seconds = float(np.median([run["seconds"] for run in runs]))
        pairs = [run["seconds"] / own["seconds"] for run, own in zip(runs, ours, strict=False) if "seconds" in own]
        ratio = f"{np.median(pairs):.2f}" if pairs else "-"
        picks, agree = runs[0]["picks"], "-"
        if loop is not None:
            same = next((k for k, (a, b) in enumerate(zip(picks, loop, strict=True)) if a != b), len(loop))
            agree = f"{same}/{len(picks)}"
        print(f"{case} {engine:>10} {seconds:9.3f} {ratio:>7} {agree:>10} {runs[0]['extra']:8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--sizes", nargs="+", default=["2000x211", "20000x640", "200000x640"], help="rows x features")
    parser.add_argument("--dtypes", nargs="+", default=["float32"], choices=["float32", "float64"])
    parser.add_argument("--picks", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=1, help="runs of each engine; pools under 10,000 rows get five")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    args = parser.parse_args()
    if args.child:
        engine, path, n, threads = args.child
        child(engine, path, int(n), int(threads))
        return
    print(f"{'pool':>12} {'dtype':>8} {'n':>5} {'threads':>7} {'engine':>10} {'seconds':>9} {'x ours':>7} ", end="")
    print(f"{'same picks':>10} {'memory':>8}  (beside the pool, in pools)", flush=True)
    for size in args.sizes:
        rows, dim = map(int, size.split("x"))
        data = mixture(rows, dim, np.random.default_rng(0))
        for dtype in args.dtypes:
            with tempfile.TemporaryDirectory() as folder:
                path = f"{folder}/pool.npy"
                np.save(path, data.astype(dtype))
                for n in args.picks:
                    for threads in args.threads:
                        results: dict[str, list[dict]] = {engine: [] for engine in args.engines}
                        for _ in range(max(args.repeats, 5 if rows < 10_000 else 1)):
                            for engine, runs in results.items():
                                runs.append(measure(engine, path, n, threads))
                        report(f"{f'{rows} x {dim}':>12} {dtype:>8} {n:5d} {threads:7d}", results)


if __name__ == "__main__":
    main()
