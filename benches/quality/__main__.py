"""What picks are worth on labelled data: `python -m benches.quality --data FOLDER`.

Every method picks structures of every system's pool; two learners learn from the core and the picks, and their errors
over the test set and the rest of the pool are divided by those of the median random draw. `Q` is the geometric mean of
these ratios over 5, 10, 20 and 50 picks; below 1 the picks are worth more than random ones. The spread is that of the
splits: random four fifths of core and pool. Labelled data of your own: `--core`, `--pool` and `--test`, extended XYZ
with REF_energy and REF_forces, or energy and forces. What was computed is kept in the output folder.
"""

# ruff: noqa: E402
from __future__ import annotations

import os

# Matrices are small: threads of the linear algebra library wait for each other longer than they work.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import hashlib
import importlib.util
import json
import sys
import time
from pathlib import Path

import numpy as np
from benches.quality.learners import LEARNERS, Learner
from benches.quality.methods import SPECIES_WAYS, WAYS, Describer, missing_package, picks
from benches.quality.systems import System, find_systems, read_system
from benches.quality.tables import by_learner, figure, markdown, not_worth_it, write_csv

NUMBERS = [5, 10, 20, 50, 100]


def measure(
    system: System, splits: int, draws: int, kept: Path, ways: list[str], learners: list[type[Learner]]
) -> list[dict]:
    """Measure every way to pick, and random draws, on splits of a system."""
    found = []
    for number in range(splits):
        split = system.split(number)
        numbers = [n for n in NUMBERS if n < len(split.pool)]
        describer = Describer(split, kept / "features")
        wanted = {name: picks((WAYS | SPECIES_WAYS)[name], describer, numbers) for name in ways}
        for draw in range(draws):
            order = np.random.default_rng([number, draw]).permutation(len(split.pool))
            wanted[f"random {draw}"] = {n: order[:n] for n in numbers}
        for kind in learners:
            learner = None
            for name, chosen in wanted.items():
                for n, indices in chosen.items():
                    key = hashlib.sha256(
                        json.dumps([system.name, number, kind.name, sorted(indices.tolist())]).encode()
                    ).hexdigest()
                    path = kept / f"{key[:24]}.json"
                    if not path.exists():
                        learner = kind(split) if learner is None else learner
                        errors = learner.errors(indices)
                        path.write_text(json.dumps([errors.energy, errors.forces]))
                    energy, forces = json.loads(path.read_text())
                    found.append(
                        {
                            "system": system.name,
                            "split": number,
                            "learner": kind.name,
                            "method": name,
                            "n": n,
                            "energy": energy,
                            "forces": forces,
                        }
                    )
            print(f"{split.name}, {kind.name}: {len(wanted)} selections", file=sys.stderr, flush=True)
    return found


def main() -> int:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benches.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, help="folder with NAME.core.xyz, NAME.pool.xyz, NAME.test.xyz and silicon/"
    )
    for part in ("core", "pool", "test"):
        parser.add_argument(
            f"--{part}", type=Path, nargs="+", default=[], help=f"labelled structures of your own: the {part}"
        )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("quality-output"), help="folder for tables and what is kept"
    )
    parser.add_argument("--systems", nargs="+", help="these systems only")
    parser.add_argument("--methods", nargs="+", default=list(WAYS), choices=[*WAYS, *SPECIES_WAYS])
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument(
        "--require",
        choices=list(WAYS),
        metavar="METHOD",
        help="fail unless this method is better than the median draw in the mean, and on each system no worse than "
        "nine of ten single draws",
    )
    options = parser.parse_args()
    systems = find_systems(options.data) if options.data else []
    if options.pool:
        systems.append(read_system("own", options.core, options.pool, options.test))
    if not systems:
        parser.error("expected --data, or --core and --pool")
    kept = options.output / "kept"
    kept.mkdir(parents=True, exist_ok=True)
    learners = [kind for kind in LEARNERS if kind.package is None or importlib.util.find_spec(kind.package) is not None]
    for kind in LEARNERS:
        if kind not in learners:
            print(f"{kind.name}: left out, as {kind.package} is not installed", file=sys.stderr)
    ways = []
    for name in options.methods:
        package = missing_package(name)
        if package is None:
            ways.append(name)
        else:
            print(f"{name}: left out, as {package} is not installed", file=sys.stderr)
    began, found = time.perf_counter(), []
    for system in systems:
        if options.systems is None or system.name in options.systems:
            found += measure(system, options.splits, options.draws, kept, ways, learners)
    write_csv(options.output / "quality.csv", found)
    text, learners_apart = markdown(found), by_learner(found)
    (options.output / "quality.md").write_text(text)
    (options.output / "learners.md").write_text(learners_apart)
    figure(options.output / "quality.svg", found)
    print(text, learners_apart, sep="\n")
    print(f"{time.perf_counter() - began:.0f} s; tables and figure in {options.output}")
    problems = [] if options.require is None else not_worth_it(found, options.require)
    for problem in problems:
        print(problem, file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
