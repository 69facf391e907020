"""Products of matrices and eigenvectors in numpy, faer and nalgebra, on one thread, for `docs/design/decisions.md`.

    python benches/python/linear_algebra.py [--rows 8000] [--features 640]

Needs cargo, which builds `benches/linear_algebra`. A line for each library gives rates of products in GFLOP/s and times
of eigenvectors, with the ratio to numpy in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import timeit
from pathlib import Path

CRATE = Path(__file__).resolve().parents[1] / "linear_algebra"
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def numpy_seconds(rows: int, dim: int) -> dict[str, float]:
    """Time numpy in this process."""
    import numpy as np

    tall = np.sin(12.9898 * np.arange(rows * dim, dtype=float)).reshape(rows, dim)
    square = tall[:dim].copy()
    gram = square.T @ square
    works = {"product": lambda: tall @ square, "eigenvectors": lambda: np.linalg.eigh(gram)}
    return {name: min(timeit.repeat(work, number=1, repeat=5)) for name, work in works.items()}


def main() -> None:
    """Time all libraries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--features", type=int, default=640)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(numpy_seconds(args.rows, args.features)))
        return
    env = os.environ | dict.fromkeys(THREADS, "1")
    sizes = [str(args.rows), str(args.features)]
    command = [sys.executable, __file__, "--child", "--rows", sizes[0], "--features", sizes[1]]
    found = {"numpy": json.loads(subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout)}
    command = ["cargo", "run", "--release", "--quiet", "--manifest-path", str(CRATE / "Cargo.toml"), "--", *sizes]
    lines = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    for line in map(json.loads, lines):
        found.setdefault(line["library"], {})[line["work"]] = line["seconds"]
    flops = 2e-9 * args.rows * args.features**2
    print(f"{'library':10} {'GFLOP/s':>8} {'x numpy':>8} {'eigenvectors s':>15} {'x numpy':>8}")
    for library, times in found.items():
        product, eigenvectors = (found["numpy"][work] / times[work] for work in ("product", "eigenvectors"))
        print(
            f"{library:10} {flops / times['product']:8.0f} {product:8.2f} {times['eigenvectors']:15.3f} "
            f"{eigenvectors:8.2f}"
        )


if __name__ == "__main__":
    main()
