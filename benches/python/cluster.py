# ruff: noqa: E402
"""Selection on a Dask cluster of 1, 2 and 4 workers against one process: same picks, round trips, bytes moved.

    python benches/python/cluster.py [--rows 200000] [--features 256] [--picks 200]

The pool is that of `scale.py`, in shards, on the disk of this machine; all workers are on this machine too, so times
tell of the overhead and not of what more machines gain.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import tempfile
import time
import warnings

import numpy as np
from benches.python.scale import METHODS, make
from distributed import Client, LocalCluster

import mlipselect as ms
from mlipselect.parallel.dask import ClusterStore


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument("--picks", type=int, default=200)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), args.rows, args.features)
        store, core = ms.FeatureStore.open(f"{folder}/pool", verify=False), np.load(f"{folder}/core.npy")
        print(f"{args.rows} x {args.features} float32, {args.picks} picks")
        print(
            f"{'method':>8} {'workers':>7} {'seconds':>8} {'same picks':>10} {'trips':>5} {'MB sent':>8} {'MB back':>8}"
        )
        for method, make_selector in METHODS.items():
            began = time.perf_counter()
            here = make_selector(args.picks).fit(store, core=core)
            print(f"{method:>8} {'-':>7} {time.perf_counter() - began:8.2f}", flush=True)
            for workers in args.workers:
                cluster = LocalCluster(
                    n_workers=workers, threads_per_worker=max(1, 2 // workers), dashboard_address=None, silence_logs=50
                )
                with cluster, Client(cluster) as client:
                    pool = ClusterStore([store], client)
                    began = time.perf_counter()
                    there = make_selector(args.picks).fit(pool, core=core)
                    seconds = time.perf_counter() - began
                same = int((here.selected_idx_ == there.selected_idx_).sum())
                print(
                    f"{method:>8} {workers:7d} {seconds:8.2f} {f'{same}/{args.picks}':>10} {pool.round_trips:5d} "
                    f"{pool.bytes_sent / 1e6:8.2f} {pool.bytes_received / 1e6:8.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
