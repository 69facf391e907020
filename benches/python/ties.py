# ruff: noqa: E402
"""Whether features in float32, in batches and on several threads change picks at anything but ties.

    python benches/python/ties.py [--data ../shared/data/systems] [--every 4] [--descriptors ace chgnet sevennet]

The pool is every fourth structure of NiMo and ten of them a second time with their atoms in another order: exact ties,
whose rows differ in the last digits. ACE is in float64, rounded to float32, and with relative noise of 6e-7 besides,
the largest change by batches that was seen with any package; CHGNet and SevenNet run in float32, in batches of 1, 64
and 512 atoms and on two threads. Twenty structures are picked by three scores and by farthest points.
Where picks part, the score of the other pick is told relative to that of the first, both by the first rows: a tie is
a difference of rounding. A selection that parts at a tie of two copies is followed on: copies count as the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import importlib.util
from collections.abc import Iterator

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

import mlipselect as ms

COPIES, PICKS = 10, 20
SCORES = ["energy", "pool_variance", "pool_std", "fps"]


def pool_of(structures: list[Atoms]) -> list[Atoms]:
    """Add copies of the first structures with their atoms in another order."""
    rng = np.random.default_rng(0)
    return structures + [atoms[rng.permutation(len(atoms))] for atoms in structures[:COPIES]]


def variants(name: str, pool: list[Atoms]) -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Yield rows of structures, computed in several ways, the reference first."""
    if name == "ace":
        X = ms.featurize(pool, ms.ACE(["Ni", "Mo"], max_features=500), progress=False).per_structure
        yield "float64", X
        yield "float32", X.astype(np.float32)
        rng = np.random.default_rng(0)
        for k in range(3):
            yield f"float32, noise {k} of 6e-7", (X * (1 + 6e-7 * rng.normal(size=X.shape))).astype(np.float32)
        return
    make = {"chgnet": ms.CHGNet, "sevennet": ms.SevenNet}[name]
    for batch_atoms, threads in ((512, 1), (64, 1), (1, 1), (512, 2)):
        rows = make(batch_atoms=batch_atoms).site_features(pool, n_threads=threads)
        ends = np.cumsum([len(atoms) for atoms in pool])
        means = np.array([part.mean(axis=0, dtype=np.float64) for part in np.split(rows, ends[:-1])])
        yield f"batches of {batch_atoms}, {threads} threads", means.astype(rows.dtype)


def selector(score: str, n: int):
    if score == "fps":
        return ms.FPS(n)
    return ms.BayesianSelector(n, score=score, scale="none", ridge=1e-5)


def score_of(score: str, X: NDArray[np.floating], before: list[int], candidate: int) -> float:
    """Return the score of one candidate after some picks."""
    if score == "fps":
        return float(np.linalg.norm(X[before] - X[candidate], axis=1).min())
    target = {} if score == "energy" else {"target": X}
    core = X[before] if before else None
    return float(selector(score, 1).fit(X[[candidate]], core=core, **target).scores_[0])


def compare(score: str, X: NDArray[np.floating], other: NDArray[np.floating], n: int) -> tuple[int, list[float]]:
    """Return how many picks are the same, and where they part the relative difference of the scores."""
    copy_of = {n - COPIES + k: k for k in range(COPIES)}
    first, second = (selector(score, PICKS).fit(rows).selected_idx_.tolist() for rows in (X, other))
    same, parted = 0, []
    for k, (one, two) in enumerate(zip(first, second, strict=True)):
        if one == two:
            same += 1
            continue
        value = score_of(score, X.astype(np.float64), first[:k], one)
        parted.append((value - score_of(score, X.astype(np.float64), first[:k], two)) / value)
        if copy_of.get(one, one) != copy_of.get(two, two):
            break
    return same, parted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/systems"), help="folder with NiMo")
    parser.add_argument("--every", type=int, default=4, help="one structure in so many (default: %(default)s)")
    parser.add_argument("--descriptors", nargs="+", default=["ace", "chgnet", "sevennet"])
    arguments = parser.parse_args()
    pool = pool_of(ms.read(arguments.data / "NiMo.pool.xyz.gz")[:: arguments.every])
    print(f"{len(pool)} structures, {COPIES} of them twice, {sum(map(len, pool))} atoms; {PICKS} picks")
    for name in arguments.descriptors:
        package = {"chgnet": "chgnet", "sevennet": "sevenn"}.get(name)
        if package is not None and importlib.util.find_spec(package) is None:
            print(f"{name}: left out, as {package} is not installed")
            continue
        reference = None
        for how, X in variants(name, pool):
            if reference is None:
                reference = X
                continue
            change = float(np.abs(X.astype(float) - reference).max() / np.abs(reference).max())
            for score in SCORES:
                same, parted = compare(score, reference, X, len(pool))
                told = ", ".join(f"{gap:.0e}" for gap in parted) or "nowhere"
                print(
                    f"{name}, {how}: rows {change:.0e} apart; {score}: {same} of {PICKS} picks the same, "
                    f"parted by a relative score of {told}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
