"""Leverage scores against numpy's Gram matrix and eigenvectors, in one run.

What one would write with numpy: `X.T @ X`, `eigh`, `X @ V_k`, the sum of squares of each row, all rows at once, in the
element type of the pool. ``numpy64`` is the same in float64 for a float32 pool, blocks of rows being converted one
after the other. Every run is in a process of its own with the threads asked for, on the same rows (a Gaussian mixture
with a decaying spectrum, made from a seed), with the default rank. Printed: wall times, how many times ours each of the
others takes, the largest relative error of a leverage (numpy in float64 being the reference), peak memory over that of
the data, and the rate of the multiplications that Gram matrix and projections need (one triangle, and one product a row
and direction) as a fraction of the rate of numpy's matrix product, measured in the same process. Absolute times drift
from run to run on a shared machine; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from selection_speed import mixture, peak_bytes

ENGINES = ("ours", "numpy", "numpy64")
EFFECTIVE = 0.999
BLOCK = 8192


def directions(gram: np.ndarray) -> np.ndarray:
    """Eigenvectors that hold the default share, divided by their singular values."""
    squares, vectors = np.linalg.eigh(gram)
    squares, vectors = squares[::-1], vectors[:, ::-1]
    rank = 1 + int((np.cumsum(squares) < EFFECTIVE * squares.sum()).sum())
    return vectors[:, :rank] / np.sqrt(squares[:rank])


def numpy_leverage(X: np.ndarray) -> tuple[np.ndarray, int]:
    """Leverage by numpy, all rows at once in their own element type."""
    V = directions(X.T @ X)
    return ((X @ V) ** 2).sum(axis=1), V.shape[1]


def numpy64_leverage(X: np.ndarray) -> tuple[np.ndarray, int]:
    """Leverage by numpy in float64, block by block."""
    blocks = [X[start : start + BLOCK] for start in range(0, len(X), BLOCK)]
    gram = np.zeros((X.shape[1], X.shape[1]))
    for block in blocks:
        rows = block.astype(np.float64)
        gram += rows.T @ rows
    V = directions(gram)
    return np.concatenate([((block.astype(np.float64) @ V) ** 2).sum(axis=1) for block in blocks]), V.shape[1]


def leverage(engine: str, X: np.ndarray, threads: int) -> tuple[np.ndarray, int]:
    """Leverage of every row with one of the engines, and its rank."""
    if engine == "ours":
        from mlipselect import CUR

        selector = CUR(1, n_threads=threads).fit(X)
        return selector.leverage_, selector.rank_
    return (numpy_leverage if engine == "numpy" else numpy64_leverage)(X)


def matmul_rate(dtype: np.dtype) -> float:
    """Floating point operations per second of numpy's matrix product, the best of a few."""
    a, b = np.ones((4096, 640), dtype), np.ones((640, 640), dtype)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - began)
    return 2 * 4096 * 640 * 640 / min(times)


def child(engine: str, path: str, out: str, threads: int) -> None:
    """Run one engine on saved rows and print what it took as JSON; the leverages go to a file."""
    X = np.load(path)
    # What is imported is no part of the work.
    leverage(engine, np.random.default_rng(0).standard_normal((20, 3)).astype(X.dtype), threads)
    rate = matmul_rate(X.dtype if engine != "numpy64" else np.dtype(np.float64))
    before = peak_bytes()
    began = time.perf_counter()
    values, rank = leverage(engine, X, threads)
    seconds = time.perf_counter() - began
    np.save(out, values)
    n, d = X.shape
    needed = n * d * (d + 1) + 2 * n * d * rank
    extra = (peak_bytes() - before) / X.nbytes
    print(json.dumps({"seconds": seconds, "extra": extra, "rank": rank, "share": needed / seconds / rate}))


def measure(engine: str, path: str, out: str, threads: int) -> dict:
    """Run one engine in a process of its own."""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--child", engine, path, out, str(threads)]
    return json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)


def run_case(rows: int, dim: int, dtype: str, threads: list[int], repeats: int, engines: list[str]) -> list[dict]:
    """Measure the engines on one pool; one result for each engine and number of threads."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        path, exact = f"{folder}/pool.npy", f"{folder}/exact.npy"
        np.save(path, mixture(rows, dim, np.random.default_rng(0)).astype(dtype))
        measure("numpy64", path, exact, max(threads))
        expected = np.load(exact)
        for count in threads:
            runs: dict[str, list[dict]] = {engine: [] for engine in engines}
            for _ in range(repeats):
                for engine in engines:
                    runs[engine].append(measure(engine, path, f"{folder}/{engine}.npy", count))
            for engine in engines:
                ratios = [a["seconds"] / b["seconds"] for a, b in zip(runs[engine], runs["ours"], strict=True)]
                found = np.load(f"{folder}/{engine}.npy")
                result = {key: float(np.median([run[key] for run in runs[engine]])) for key in runs[engine][0]}
                result |= {"engine": engine, "threads": count, "ratio": float(np.median(ratios))}
                results.append(result | {"error": float(np.abs(found / expected - 1).max())})
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--sizes", nargs="+", default=["20000x640", "200000x640"], help="rows x features")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"], choices=["float32", "float64"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    if args.child:
        engine, path, out, threads = args.child
        child(engine, path, out, int(threads))
        return
    print(f"{'pool':>12} {'dtype':>8} {'threads':>7} {'engine':>8} {'rank':>5} {'seconds':>8} {'x ours':>7} ", end="")
    print(f"{'error':>8} {'of matmul':>9} {'memory':>7}  (beside the pool, in pools)", flush=True)
    for size in args.sizes:
        rows, dim = map(int, size.split("x"))
        for dtype in args.dtypes:
            engines = [engine for engine in ENGINES if dtype == "float32" or engine != "numpy64"]
            for result in run_case(rows, dim, dtype, args.threads, args.repeats, engines):
                print(
                    f"{f'{rows} x {dim}':>12} {dtype:>8} {result['threads']:7d} {result['engine']:>8} "
                    f"{result['rank']:5.0f} {result['seconds']:8.3f} {result['ratio']:7.2f} {result['error']:8.0e} "
                    f"{result['share']:9.2f} {result['extra']:7.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
