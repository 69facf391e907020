# ruff: noqa: E402
"""Picks of this build beside those of an earlier one, on the paper's silicon data: every method, score, store, cluster.

    python benches/python/same_picks.py OTHER_PYTHON [--data ../shared/data/silicon] [-n 60]

OTHER_PYTHON is the interpreter of an environment in which the earlier build is installed. Both builds run the same
cases in processes of their own: from files, from a feature store (float64 and float32), from shares of it that are
merged, and on a Dask cluster of this machine. A line for each case says how many picks are the same, in order, and by
how much scores differ at most, relative to the largest. The exit code is 1 if a pick differs, or if a case fails in one
build only.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import importlib
import inspect
import itertools
import json
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

import mlipselect as ms
from mlipselect.io import write_exact

MARK = "config_type=isolated_atom"
#: Bayesian selection where a case says nothing else: the defaults of builds that have no parameter `scale`.
BAYESIAN = {"score": "energy", "ridge": 1e-5} | (
    {"scale": "none"} if "scale" in inspect.signature(ms.BayesianSelector).parameters else {}
)
CASES: list[tuple[str, dict[str, Any]]] = [
    *(
        ("bayesian", {"score": score, "update": update})
        for score in ("energy", "logdet", "pool_variance", "pool_std")
        for update in ("structure", "atoms")
    ),
    ("bayesian", {"score": "force"}),
    ("bayesian", {"score": "stress"}),
    ("bayesian", {"update": "forces"}),
    ("bayesian", {"ridge": 1e-3}),
    ("bayesian", {"max_per_group": 20, "groups": "config_type"}),
    ("bayesian", {"min_distance": 0.05, "max_atoms": 2000}),
    ("fps", {}),
    ("fps", {"metric": "cosine"}),
    ("fps", {"scale": "none"}),
    ("fps", {"max_cost": 1e5, "cost": "natoms^2"}),
    ("facility", {}),
    ("facility", {"metric": "cosine"}),
    ("k", {}),
    ("cur", {}),
    ("cur", {"deterministic": True}),
    ("cur", {"rows": "atoms"}),
    ("cur", {"rank": 20}),
    ("random", {}),
    ("random", {"stratify_by": "config_type"}),
]


def method_names() -> dict[str, str]:
    """Give the methods of this build by how their names begin."""
    try:
        methods = importlib.import_module("mlipselect.selectors.registry").METHODS
    except ImportError:  # builds before the registry
        methods = importlib.import_module("mlipselect.selectors.methods").METHODS
    starts = {method for method, _ in CASES}
    return {start: next(name for name in methods if name.startswith(start)) for start in starts}


def in_memory_only(options: dict[str, Any]) -> bool:
    """Tell what stores refuse: atomic rows, forces, stress and groups."""
    is_plain = options.get("update", "structure") == "structure" and options.get("score") not in ("force", "stress")
    return not is_plain or bool({"groups", "stratify_by", "rows"} & set(options))


def selections(data: Path, n: int, folder: Path) -> Iterator[tuple[str, Any]]:
    """Give the name of each case and a function that makes its selection."""
    pool, core = str(data / "surface_pool.xyz"), str(data / "core.xyz")
    ace, names = ms.ACE(["Si"], order=3, totaldegree=12, rcut=5.0), method_names()

    def select(source: Any, known: str | None, method: str, count: int = n, **options: Any) -> Any:
        if method == "bayesian":
            options = {**BAYESIAN, **options}
        return lambda: ms.select(
            source, count, core=known, descriptor=ace, isolated=MARK, method=names[method], progress=False, **options
        )

    def label(where: str, known: str | None, method: str, options: dict[str, Any]) -> str:
        chosen = " ".join([method, *(f"{name}={value}" for name, value in options.items())])
        return f"{where}, {'core' if known else 'no core'}: {chosen}"

    for (method, options), known in itertools.product(CASES, (core, None)):
        has_derivatives = {"force", "stress", "forces"} & {options.get("score"), options.get("update")}
        if known is not None or not has_derivatives:
            count = min(n, 10) if has_derivatives else n
            yield label("files", known, method, options), select(pool, known, method, count, **options)
    # Three files, so that the pool has shards for three shares.
    candidates = [atoms for atoms in ms.read(pool) if atoms.info.get("config_type") != "isolated_atom"]
    parts = [folder / f"pool-{part}.xyz" for part in range(3)]
    for part, path in enumerate(parts):
        write_exact(path, candidates[part::3])
    for dtype in ("float64", "float32"):
        store = [str(folder / f"{dtype}-{part}.features") for part in range(3)]
        for path, place in zip(parts, store, strict=True):
            ms.featurize(path, ace, store=place, dtype=dtype, progress=False)
        for (method, options), known in itertools.product(CASES, (core, None)):
            if not in_memory_only(options):
                yield label(dtype, known, method, options), select(store, known, method, **options)
        shares = [folder / f"{dtype}-{share}.xyz" for share in (1, 2, 3)]
        for share, out in enumerate(shares, start=1):
            options = {"shard": f"{share}/3", "output": out}
            yield f"{dtype}, share {share}/3", select(store, core, "bayesian", **options)
        yield f"{dtype}, merged", lambda shares=shares: ms.merge(shares, n, core=core, isolated=MARK, progress=False)
    from distributed import Client, LocalCluster

    from mlipselect.parallel.dask import ClusterStore

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        for method, options in (("bayesian", {}), ("bayesian", {"score": "logdet"}), ("fps", {})):
            pool = ClusterStore([folder / f"float64-{part}.features" for part in range(3)], client)
            yield label("Dask", core, method, options), select(pool, core, method, **options)


def child(data: Path, n: int) -> None:
    """Print the picks and scores of each case as a line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        for name, make in selections(data, n, Path(folder)):
            try:
                found = make()
                line = {"picks": found.indices.tolist(), "scores": np.nan_to_num(found.scores, posinf=0.0).tolist()}
            except ms.MlipselectError as error:
                line = {"error": f"{type(error).__name__}: {error}"[:120]}
            print(json.dumps({"case": name, **line}), flush=True)


def run(python: str, data: Path, n: int) -> dict[str, dict[str, Any]]:
    """Run all cases in an environment."""
    command = [python, __file__, "--child", "--data", str(data), "-n", str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.pop("case"): line for line in lines}


def compare(before: dict[str, Any], now: dict[str, Any]) -> tuple[bool, str]:
    """Tell whether the picks of a case are the same, and say how the results differ."""
    if "error" in before or "error" in now:
        sides = (str(side.get("error", "picks")) for side in (before, now))
        return "error" in before and "error" in now, " | ".join(sides)
    same = sum(a == b for a, b in zip(before["picks"], now["picks"], strict=False))
    scale = max(map(abs, before["scores"]), default=0.0) or 1.0
    off = max((abs(a - b) for a, b in zip(before["scores"], now["scores"], strict=False)), default=0.0) / scale
    return before["picks"] == now["picks"], f"{same}/{len(before['picks'])} picks, scores within {off:.1e}"


def main() -> None:
    """Run both builds and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", nargs="?", help="interpreter of the environment of the earlier build")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/silicon"))
    parser.add_argument("-n", type=int, default=60, help="structures to select")
    parser.add_argument("--child", action="store_true", help="run the cases in this build and print what came out")
    options = parser.parse_args()
    if options.child:
        child(options.data, options.n)
        return
    before, now = run(options.other, options.data, options.n), run(sys.executable, options.data, options.n)
    missing = {"error": "no such case"}
    failures = 0
    for case in dict.fromkeys([*before, *now]):
        is_same, verdict = compare(before.get(case, missing), now.get(case, missing))
        failures += not is_same
        print(f"{'same' if is_same else 'DIFFERENT':10} {case:55} {verdict}")
    print(f"{len(now)} cases, {failures} different")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
