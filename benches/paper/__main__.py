"""Repeat the experiment of arXiv:2502.21165: `python -m benches.paper --data FOLDER`.

Selects structures of the silicon surface pool by every method, with ACE features of three sizes; fits linear ACE
potentials (order 3, total degree 16) to the core and each selection; compares their errors over all of the data and
their surface energies. Draws four figures and writes tables. What is computed is kept, and a run that was stopped
continues. `--quick` takes minutes and fails if Bayesian selection is not better than random.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from benches.paper.fits import Laboratory
from benches.paper.results import NUMBERS, Kept, Result, distances, markdown, relative, summaries, write_csv
from benches.paper.selections import Choice, choices
from benches.paper.silicon import SURFACE_ENERGIES, Silicon, read_silicon

import mlipselect as ms
from mlipselect.demo.surfaces import surface_energy
from mlipselect.progress import progress_bar

SIZES = {"ACE S": 12, "ACE M": 16, "ACE L": 19}
BETTER_AT = (20, 50)


def descriptor_of(name: str):
    """Make a descriptor: one of the three sizes of ACE, or an object of a module."""
    if name in SIZES:
        return name, ms.ACE(["Si"], order=3, totaldegree=SIZES[name], rcut=5.0)
    label, _, place = name.partition("=")
    module, _, attribute = place.partition(":")
    return label, getattr(importlib.import_module(module), attribute)


def select_all(data: Silicon, names: list[str], numbers: list[int], n_seeds: int) -> list[Choice]:
    """Select by every method, with the features of every descriptor."""
    chosen: list[Choice] = []
    for name in names:
        label, descriptor = descriptor_of(name)
        X, core = (ms.featurize(structures, descriptor, rows="atoms") for structures in (data.pool, data.core))
        chosen += choices(label, X, core, numbers, n_seeds, with_random=not chosen)
        print(f"{label}: {X.shape[1]} features, {len(chosen)} selections so far", flush=True)
    return chosen


def measure(laboratory: Laboratory, choice: Choice, surfaces: bool) -> Result:
    """Fit a potential to the core and a choice, and find out what it is worth."""
    potential = laboratory.fit(choice.picks)
    energy, force = laboratory.errors(potential)
    planes = [surface_energy(plane, potential.calculator()) if surfaces else float("nan") for plane in ("100", "111")]
    return Result(choice.descriptor, choice.method, choice.seed, choice.n, 1000.0 * energy, force, *planes)


def measure_all(laboratory: Laboratory, chosen: list[Choice], kept: Kept, surfaces: bool) -> list[Result]:
    """Measure all choices that were not measured before."""
    results = []
    for choice in progress_bar(None, iterable=iter(chosen), total=len(chosen), desc="fitting", unit="potential"):
        result = kept.get(choice)
        if result is None:
            result = measure(laboratory, choice, surfaces)
            kept.add(choice, result)
        results.append(result)
    return results


def gains(results: list[Result]) -> str:
    """Tell how Bayesian selection compares with the median random draw, and whether it is better where it must be."""
    medians = {(s.descriptor, s.method, s.n): s for s in summaries(results)}
    lines = []
    for (descriptor, method, n), s in medians.items():
        base = medians.get(("-", "random", n))
        if method.startswith("Bayesian") and base is not None:
            ratios = [s.median[name] / base.median[name] for name in NUMBERS[:2]]
            beaten = [r.energy_rmse for r in results if r.method == "random" and r.n == n]
            share = sum(s.median["energy_rmse"] < value for value in beaten) / len(beaten)
            lines.append(
                f"{descriptor}, {method}, n = {n}: energy error {ratios[0]:.2f} and force error {ratios[1]:.2f} times "
                f"that of the median random draw; better in energies than {100 * share:.0f} % of the draws"
            )
    return "\n".join(lines)


def worse_than_random(results: list[Result]) -> list[str]:
    """Name the cases in which Bayesian selection by `energy` should beat the median random draw and does not."""
    medians = {(s.method, s.descriptor, s.n): s.median["energy_rmse"] for s in summaries(results)}
    cases = {
        (descriptor, n): value
        for (method, descriptor, n), value in medians.items()
        if method == "Bayesian, energy" and n in BETTER_AT
    }
    if not cases:
        return [f"no selection of {' or '.join(map(str, BETTER_AT))} structures was measured"]
    return [
        f"{descriptor}, n = {n}: {value:.2f} meV/atom against {medians['random', '-', n]:.2f}"
        for (descriptor, n), value in cases.items()
        if not value < medians["random", "-", n]
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benches.paper", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with core.xyz and surface_pool.xyz, or the deposited file"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="5 seeds, ACE M, n = 10, 20, 50; no figures; fails if not better than random",
    )
    parser.add_argument(
        "--descriptors", nargs="+", help="ACE S, ACE M, ACE L, or NAME=MODULE:OBJECT (default: the three)"
    )
    parser.add_argument("--picks", type=int, nargs="+")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--no-surfaces", action="store_true", help="leave the relaxations out")
    parser.add_argument("-o", "--output", type=Path, default=Path("paper-output"))
    args = parser.parse_args()
    names = args.descriptors or (["ACE M"] if args.quick else list(SIZES))
    numbers = args.picks or ([10, 20, 50] if args.quick else [5, 10, 20, 50, 100])
    n_seeds = args.seeds or (5 if args.quick else 20)
    args.output.mkdir(parents=True, exist_ok=True)

    began = time.perf_counter()
    data = read_silicon(args.data)
    chosen = select_all(data, names, numbers, n_seeds)
    laboratory = Laboratory.build(data)
    everything = tuple(range(len(data.pool)))
    ends = [Choice("-", "core alone", 0, 0, ()), Choice("-", "core and pool", 0, len(everything), everything)]
    surfaces = not (args.no_surfaces or args.quick)
    kept = Kept(args.output / "results.jsonl", f"{data.digest}|{'with' if surfaces else 'without'} surfaces")
    limits = measure_all(laboratory, ends, kept, surfaces)
    results = measure_all(laboratory, chosen, kept, surfaces)
    write_csv(args.output / "results.csv", limits + results)
    page = "# The paper's experiment: all results\n\n" + markdown(summaries(limits + results))
    (args.output / "results.md").write_text(page, encoding="utf-8")
    for name in NUMBERS[:2]:
        path = args.output / f"relative-{name.replace('_', '-')}.md"
        path.write_text(relative(summaries(results), name), encoding="utf-8")
    if surfaces:
        for plane, energy in SURFACE_ENERGIES.items():
            path = args.output / f"distances-surface-{plane}.md"
            path.write_text(distances(results, f"surface_{plane}", energy), encoding="utf-8")
    if not args.quick:
        from benches.paper.figures import draw_composition, draw_curves

        draw_curves(
            args.output, summaries(results), {name: tuple(getattr(r, name) for r in limits) for name in NUMBERS}
        )
        draw_composition(args.output, chosen, data.pool_types)
    print(gains(results))
    print(f"{len(results)} potentials in {time.perf_counter() - began:.0f} s; tables and figures are in {args.output}")
    worse = worse_than_random(results)
    if args.quick and worse:
        print("Bayesian selection is not better than the median random draw:", *worse, sep="\n  ", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
