# ruff: noqa: E402
"""Sampled variances of forces against exact ones: their error, and what both cost.

    python benches/python/force_variance.py [--model FILE] [--data ../shared/data/silicon] [--every 30]

The posterior is that of the core; structures are every 30th of the pool. Errors are relative: the root mean square over
all force components whose exact variance is not tiny, and that of the largest component of each structure, which is its
score. With a MACE model, all of its features are used; without one, those of an ACE.
"""

from __future__ import annotations

import sys
from pathlib import Path

# The folder of a script is searched first, and there files have the names of modules.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import warnings
from time import perf_counter

import numpy as np

import mlipselect as ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="file of a MACE model")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/silicon"))
    parser.add_argument("--every", type=int, default=30)
    parser.add_argument("--samples", type=int, nargs="+", default=[8, 32, 128])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    descriptor = ms.ACE(["Si"], totaldegree=12)
    if options.model:
        import torch

        torch.set_num_threads(1)
        descriptor = ms.MACE(options.model, invariants_only=False)
    core = ms.read(options.data / "core.xyz")[1:]
    X = ms.featurize(core, descriptor).per_structure
    posterior = ms.Posterior(X.shape[1], 1e-5 * float(np.square(X).mean()))
    posterior.update(X)
    pool = ms.read(options.data / "surface_pool.xyz")[:: options.every]
    print(f"{descriptor!r}\n{len(pool)} structures of {min(map(len, pool))} to {max(map(len, pool))} atoms, one thread")

    start = perf_counter()
    exact = [posterior.variance(np.ascontiguousarray(descriptor.design(atoms).forces), n_threads=1) for atoms in pool]
    print(f"design: {(perf_counter() - start) / len(pool):.3f} s a structure")
    for n_samples in options.samples:
        start = perf_counter()
        found = [ms.force_variance(descriptor, atoms, posterior, n_samples=n_samples)[0].ravel() for atoms in pool]
        seconds = (perf_counter() - start) / len(pool)
        pairs = zip(found, exact, strict=True)
        errors = [(f / e - 1)[e > 1e-6 * e.max()] for f, e in pairs]
        largest = [f.max() / e.max() - 1 for f, e in zip(found, exact, strict=True)]
        rms = float(np.sqrt(np.square(np.concatenate(errors)).mean()))
        print(
            f"{n_samples:4} samples: {seconds:.3f} s a structure, relative error {rms:.2f} (expected "
            f"{np.sqrt(2 / n_samples):.2f}), of the largest component {np.sqrt(np.square(largest).mean()):.2f}"
        )


if __name__ == "__main__":
    main()
