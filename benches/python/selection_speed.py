"""Bayesian selection against the plain numpy loop, in one run.

The loop is what one would write with numpy: all scores by one matrix product, then one matrix-vector product a pick.
Each of both runs in a process of its own with the threads asked for, on the same rows: a Gaussian mixture with a
decaying spectrum, made from a seed. Printed: wall times, their ratio, whether the picks agree, peak memory over that
of the data. Absolute times drift from run to run on a shared machine; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RIDGE = 1e-5


def mixture(n: int, dim: int, rng: np.random.Generator, n_centres: int = 50) -> np.ndarray:
    """Rows from a Gaussian mixture whose features have a power-law spectrum in a random basis."""
    scales = 1.0 / np.arange(1, dim + 1)
    basis, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    centres = rng.standard_normal((n_centres, dim))
    out = np.empty((n, dim))
    for start in range(0, n, 10_000):
        stop = min(n, start + 10_000)
        noise = rng.standard_normal((stop - start, dim))
        out[start:stop] = ((centres[rng.integers(n_centres, size=stop - start)] + noise) * scales) @ basis.T
    return out


def peak_bytes() -> int:
    """Peak resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def prior_precision(X: np.ndarray, core: np.ndarray) -> float:
    """Isotropic prior precision of the package's convention, at unit noise."""
    squares = sum(float(np.einsum("ij,ij->", A, A, dtype=np.float64)) for A in (X, core))
    return RIDGE * squares / (X.size + core.size)


def numpy_loop(X: np.ndarray, core: np.ndarray, n: int) -> np.ndarray:
    """Greedy maximum variance with numpy."""
    dtype = X.dtype
    precision = prior_precision(X, core) * np.eye(X.shape[1]) + core.T.astype(np.float64) @ core
    sigma = np.linalg.inv(precision)
    scores = np.empty(len(X), dtype)
    cast = sigma.astype(dtype)
    for start in range(0, len(X), 20_000):
        block = X[start : start + 20_000]
        scores[start : start + 20_000] = np.einsum("ij,ij->i", block @ cast, block)
    picks = np.empty(n, np.int64)
    for k in range(n):
        picks[k] = i = int(np.argmax(scores))
        v = sigma @ X[i].astype(np.float64)
        w = v / np.sqrt(1.0 + X[i] @ v)
        sigma -= np.outer(w, w)
        scores -= (X @ w.astype(dtype)) ** 2
        scores[i] = -np.inf
    return picks


def child(engine: str, folder: str, n: int, threads: int) -> None:
    """Run one engine on saved rows and print what it took as JSON."""
    X, core = np.load(f"{folder}/pool.npy"), np.load(f"{folder}/core.npy")
    if engine == "ours":
        from mlipselect import BayesianSelector

        before = peak_bytes()
        start = time.perf_counter()
        selector = BayesianSelector(n, ridge=RIDGE, n_threads=threads).fit(X, core=core)
        elapsed, picks = time.perf_counter() - start, selector.selected_idx_
    else:
        before = peak_bytes()
        start = time.perf_counter()
        picks = numpy_loop(X, core, n)
        elapsed = time.perf_counter() - start
    print(json.dumps({"seconds": elapsed, "extra": (peak_bytes() - before) / X.nbytes, "picks": picks.tolist()}))


def measure(engine: str, folder: str, n: int, threads: int) -> dict:
    """Run one engine in a process of its own."""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--child", engine, folder, str(n), str(threads)]
    return json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--picks", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--size", default="200000x640", help="rows x features of the large pool")
    args = parser.parse_args()
    if args.child:
        engine, folder, n, threads = args.child
        child(engine, folder, int(n), int(threads))
        return
    rows, dim = map(int, args.size.split("x"))
    cases = [(2_000, 211, 1_000, np.float64, [100])]
    cases += [(rows, dim, 2_000, dtype, args.picks) for dtype in (np.float64, np.float32)]
    header = f"{'pool':>14} {'dtype':>8} {'n':>5} {'threads':>7} {'numpy s':>8} {'ours s':>8} {'ratio':>6} "
    print(header + f"{'same picks':>10} {'extra memory / pool':>20}", flush=True)
    for n_rows, n_dim, n_core, dtype, picks in cases:
        rng = np.random.default_rng(0)
        data = mixture(n_core + n_rows, n_dim, rng).astype(dtype)
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/core.npy", data[:n_core])
            np.save(f"{folder}/pool.npy", data[n_core:])
            del data
            for n in picks:
                for threads in args.threads:
                    repeats = max(args.repeats, 5 if n_rows < 10_000 else 1)
                    engines = ("numpy", "ours")
                    pairs = [[measure(engine, folder, n, threads) for engine in engines] for _ in range(repeats)]
                    theirs, ours = (float(np.median([p[k]["seconds"] for p in pairs])) for k in (0, 1))
                    ratio = float(np.median([p[0]["seconds"] / p[1]["seconds"] for p in pairs]))
                    a, b = pairs[0][0]["picks"], pairs[0][1]["picks"]
                    same = next((k for k in range(n) if a[k] != b[k]), n)
                    print(
                        f"{f'{n_rows} x {n_dim}':>14} {np.dtype(dtype).name:>8} {n:5d} {threads:7d} {theirs:8.3f} "
                        f"{ours:8.3f} {ratio:6.2f} {f'{same}/{n}':>10} "
                        f"{pairs[0][0]['extra']:9.2f} {pairs[0][1]['extra']:9.2f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
