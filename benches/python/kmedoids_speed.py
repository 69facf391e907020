"""k-medoids against the `kmedoids` package with the matrix of distances that it needs, in one run.

Every run is in a process of its own with the threads asked for, on the same rows: a Gaussian mixture with a decaying
spectrum, made from a seed. The peer's matrix is made the fastest way that numpy knows, one matrix product; its time and
memory count, as no one has the matrix before. Both start once, as they do by default. Printed: wall and processor times,
how many times ours the wall time of the other is, the loss over ours (from the medoids, in float64, for both), and peak
memory over that of the pool in MB. Absolute times drift from run to run on a shared machine; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
from selection_speed import mixture, peak_bytes

ENGINES = ("ours", "kmedoids")
INITS = ("default", "build", "lab", "k-medoids++")


def distance_matrix(X: np.ndarray) -> np.ndarray:
    """Euclidean distances between all rows, in place of their matrix product."""
    squares = np.einsum("ij,ij->i", X, X)
    out = X @ X.T
    for start in range(0, len(X), 1024):
        block = out[start : start + 1024]
        block *= -2.0
        block += squares
        block += squares[start : start + 1024, None]
        np.maximum(block, 0.0, out=block)
        np.sqrt(block, out=block)
    np.fill_diagonal(out, 0.0)
    return out


def loss(X: np.ndarray, medoids: np.ndarray) -> float:
    """Sum of the distances to the nearest medoid, in float64."""
    centres = X[medoids].astype(np.float64)
    squares = np.einsum("ij,ij->i", centres, centres)
    total = 0.0
    for start in range(0, len(X), 4096):
        rows = X[start : start + 4096].astype(np.float64)
        between = squares - 2.0 * (rows @ centres.T)
        nearest = np.einsum("ij,ij->i", rows, rows) + between.min(axis=1)
        total += float(np.sqrt(np.maximum(nearest, 0.0)).sum())
    return total


def medoids(engine: str, X: np.ndarray, k: int, threads: int, init: str = "default") -> np.ndarray:
    """Medoids by one of the engines."""
    if engine == "ours":
        from mlipselect import KMedoids

        start = {} if init == "default" else {"init": init}
        return KMedoids(k, scale="none", n_threads=threads, **start).fit(X).selected_idx_
    import kmedoids

    return kmedoids.fasterpam(distance_matrix(X), k, random_state=0, n_cpu=threads).medoids.astype(np.int64)


def child(engine: str, path: str, k: int, threads: int, init: str) -> None:
    """Run one engine on saved rows and print what it took as JSON."""
    X = np.load(path)
    # What is imported is no part of a selection.
    medoids(engine, np.random.default_rng(0).standard_normal((20, 3)).astype(X.dtype), 2, threads, init)
    before, used = peak_bytes(), resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    found = medoids(engine, X, k, threads, init)
    seconds = time.perf_counter() - began
    now = resource.getrusage(resource.RUSAGE_SELF)
    processor = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    memory = peak_bytes() - before
    print(json.dumps({"seconds": seconds, "processor": processor, "memory": memory, "loss": loss(X, found)}))


def measure(engine: str, path: str, k: int, threads: int, init: str = "default") -> dict:
    """Run one engine in a process of its own; where it cannot run, say why."""
    if engine == "kmedoids" and importlib.util.find_spec("kmedoids") is None:
        return {"problem": "the kmedoids package is not installed"}
    env = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--child", engine, path, str(k), str(threads), init]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"problem": (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]}
    return json.loads(done.stdout)


def report(case: str, results: dict[str, list[dict]]) -> None:
    """Print a row for each engine, the first of which is the one that the others are compared with."""
    ours = next(iter(results.values()))
    for engine, runs in results.items():
        problem = next((run["problem"] for run in runs if "problem" in run), None)
        if problem is not None:
            print(f"{case} {engine:>12}  {problem}", flush=True)
            continue
        seconds, processor, memory = (
            float(np.median([run[key] for run in runs])) for key in ("seconds", "processor", "memory")
        )
        pairs = [(run, own) for run, own in zip(runs, ours, strict=True) if "seconds" in own]
        ratios = [f"{np.median([run[key] / own[key] for run, own in pairs]):.4g}" for key in ("seconds", "loss") if pairs]
        ratio, losses = ratios or ("-", "-")
        print(
            f"{case} {engine:>12} {seconds:9.3f} {processor:9.3f} {ratio:>7} {losses:>7} {memory / 1e6:8.0f}", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--sizes", nargs="+", default=["5000x640", "20000x640"], help="rows x features")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"], choices=["float32", "float64"])
    parser.add_argument("--medoids", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--inits", nargs="+", default=["default"], choices=INITS, help="first medoids of ours")
    args = parser.parse_args()
    if args.child:
        engine, path, k, threads, init = args.child
        child(engine, path, int(k), int(threads), init)
        return
    print(f"{'pool':>12} {'dtype':>8} {'k':>4} {'threads':>7} {'engine':>12} {'seconds':>9} {'processor':>9} ", end="")
    print(f"{'x ours':>7} {'loss':>7} {'MB':>8}", flush=True)
    for size in args.sizes:
        rows, dim = map(int, size.split("x"))
        data = mixture(rows, dim, np.random.default_rng(0))
        for dtype in args.dtypes:
            with tempfile.TemporaryDirectory() as folder:
                path = f"{folder}/pool.npy"
                np.save(path, data.astype(dtype))
                for k in args.medoids:
                    for threads in args.threads:
                        runs = [
                            (engine if init == "default" else init, engine, init)
                            for engine in args.engines
                            for init in (args.inits if engine == "ours" else ["default"])
                        ]
                        results: dict[str, list[dict]] = {name: [] for name, _, _ in runs}
                        for _ in range(args.repeats):
                            for name, engine, init in runs:
                                results[name].append(measure(engine, path, k, threads, init))
                        report(f"{f'{rows} x {dim}':>12} {dtype:>8} {k:4d} {threads:7d}", results)


if __name__ == "__main__":
    main()
