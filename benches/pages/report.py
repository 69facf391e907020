"""Time and memory of the page of a selection: a file of structures, and a store of many rows.

    python benches/pages/report.py [--frames 10000] [--rows 1000000] [-n 50]

The structures are rattled silicon of eight atoms, made on the spot. The store of ``--rows`` rows holds each of them
many times. Each page is written twice, in a process of its own each time: after its selection, as ``select --report``
does, and from the record by ``mlipselect report``, which reads the pool again. Prints the seconds that the page took,
the peak memory of the process, which the first shares with the selection, and the size of the page.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase.build import bulk

import mlipselect as ms
from mlipselect.cli import main as command

SCRIPT = Path(__file__).resolve()
DEGREE = 8


def make(frames: int) -> None:
    """Write the file of structures and its store in the current folder."""
    pool = []
    for seed in range(frames):
        atoms = bulk("Si", cubic=True)
        atoms.rattle(0.05 + 0.25 * np.random.default_rng(seed).random(), seed=seed)
        atoms.info["dft_energy"] = -2.95 * len(atoms) + 0.001 * seed
        pool.append(atoms)
    ms.io.write_exact("pool.xyz", pool)
    ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=DEGREE), store="pool.features", dtype="float32")


def pool_of(kind: str, times: int) -> str | list[ms.FeatureStore]:
    """Return the candidates: the file, or its store a number of times."""
    return "pool.xyz" if kind == "file" else [ms.FeatureStore.open("pool.features")] * times


def write(kind: str, times: int, n: int) -> float:
    """Select, write the page, and return the seconds of the page."""
    selection = ms.select(
        pool_of(kind, times), n, descriptor=ms.ACE(["Si"], totaldegree=DEGREE) if kind == "file" else None,
        score="energy", output=f"{kind}.xyz", progress=False,
    )  # fmt: skip
    began = time.perf_counter()
    selection.report(f"{kind}.html")
    return time.perf_counter() - began


def from_record(kind: str) -> float:
    """Write the page from the record, and return the seconds of the command."""
    began = time.perf_counter()
    if command(["report", f"{kind}.json", "-o", f"{kind}-again.html", "--quiet"]) != 0:
        sys.exit(1)
    return time.perf_counter() - began


def in_child(args: argparse.Namespace, action: str, kind: str) -> str:
    """Do one step in a process of its own, as the peak memory of a process never falls; return what it prints."""
    options = ["--frames", str(args.frames), "--rows", str(args.rows), "-n", str(args.n)]
    child = [sys.executable, str(SCRIPT), "--child", action, kind, *options]
    return subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000, help="structures of the file")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the store")
    parser.add_argument("-n", type=int, default=50, help="picks")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    times = args.rows // args.frames
    if args.child:
        action, kind = args.child
        if action == "make":
            make(args.frames)
            return
        took = write(kind, times, args.n) if action == "write" else from_record(kind)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{took:8.1f} s {peak:8.0f} MB", end="")
        return
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        in_child(args, "make", "file")
        for kind, rows in (("file", args.frames), ("store", times * args.frames)):
            for action, page in (("write", f"{kind}.html"), ("record", f"{kind}-again.html")):
                measured = in_child(args, action, kind)
                told = {"write": "after its selection", "record": "from its record"}[action]
                size = Path(page).stat().st_size / 1e6
                print(f"{rows:8} of a {kind:5} {told:20} {measured} {size:5.1f} MB page", flush=True)


if __name__ == "__main__":
    main()
