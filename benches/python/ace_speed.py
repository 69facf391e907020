# ruff: noqa: E402
"""Time of ACE per atom, with one thread and two, with its derivatives, and against SOAP of quippy-ase.

    python benches/python/ace_speed.py [surface_pool.xyz] [--repeats 7] [--every 16]

Rows of atoms are computed, not means. Whatever is compared is measured in turns and the ratio is the median over the
turns, so that other work on the machine weighs on both sides alike. Derivatives are compared with the rows they belong
to, on one thread: a design is the values and the gradients of all features, added up to rows of forces and virial; a
model is energy, forces and virial of one set of weights. Derivatives and SOAP take every 16th structure only, being
slow. The descriptors differ in length and in what they resolve: this says what a row costs, not what it is worth.
Species channels are timed beside one element, at 4, 20 and 89 elements in crystals of the same density. Last, the force
rows of all structures go into a posterior, in a process of its own whose peak memory is told.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import os
import subprocess
from functools import partial
from time import perf_counter

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols as symbols
from ase.io import read

from mlipselect import ACE, Posterior
from mlipselect.features.design import iter_designs

POOL = "../shared/data/silicon/surface_pool.xyz"
SOAP = "soap l_max=12 n_max=10 cutoff=5.0 atom_sigma=0.5 cutoff_transition_width=1.0"


def seconds(work) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def microseconds_per_atom(times: list[float], structures: list[Atoms]) -> float:
    return 1e6 * float(np.median(times)) / sum(map(len, structures))


def threads(structures: list[Atoms], repeats: int) -> None:
    print(f"ACE rows of {len(structures)} structures, {sum(map(len, structures))} atoms")
    print("degree  features   1 thread  2 threads   1 / 2 threads")
    for degree in (12, 16, 19):
        descriptor = ACE(["Si"], totaldegree=degree, rcut=5.0)
        descriptor.site_features(structures, n_threads=2)
        turns = [[seconds(partial(descriptor.site_features, structures, n)) for n in (1, 2)] for _ in range(repeats)]
        one, two = (microseconds_per_atom(times, structures) for times in zip(*turns, strict=True))
        ratios = [one / two for one, two in turns]
        print(
            f"{degree:6} {descriptor.n_features:9} {one:7.2f} µs {two:7.2f} µs   "
            f"{np.median(ratios):.2f} (best {max(ratios):.2f})"
        )


def derivatives(structures: list[Atoms], repeats: int) -> None:
    print(f"\nDerivatives of ACE, {len(structures)} structures, {sum(map(len, structures))} atoms, one thread")
    print("degree     values     design  design / values     model  model / values")
    for degree in (12, 16, 19):
        descriptor = ACE(["Si"], totaldegree=degree, rcut=5.0)
        weights = np.random.default_rng(0).normal(size=descriptor.n_features)
        works = [
            partial(descriptor.site_features, structures, 1),
            partial(consume, partial(descriptor.designs, structures, n_threads=1)),
            partial(descriptor.predictions, structures, weights, 1),
        ]
        turns = [[seconds(work) for work in works] for _ in range(repeats + 1)][1:]
        values, design, model = (microseconds_per_atom(times, structures) for times in zip(*turns, strict=True))
        of_design, of_model = ([turn[k] / turn[0] for turn in turns] for k in (1, 2))
        print(
            f"{degree:6} {values:7.2f} µs {design:7.1f} µs {np.median(of_design):7.1f} (best {min(of_design):4.1f})"
            f"{model:7.2f} µs {np.median(of_model):6.2f} (best {min(of_model):.2f})"
        )


def mixed_crystals(n_elements: int) -> list[Atoms]:
    """Make crystals of one density with random elements."""
    rng = np.random.default_rng(n_elements)
    numbers = 1 + rng.permutation(89)[:n_elements]
    structures = []
    for seed in range(20):
        atoms = bulk("Cu", cubic=True, a=4.0) * (3, 3, 2)
        atoms.numbers = rng.choice(numbers, len(atoms))
        atoms.rattle(0.1, seed=seed)
        structures.append(atoms)
    return structures


def channels(repeats: int) -> None:
    """Species channels beside one element and the labelled basis: per atom, and per column over one element's."""
    pools = {n: mixed_crystals(n) for n in (1, 4, 20, 89)}
    lengths = 2.4
    of_one = [symbols[z] for z in sorted(set(pools[1][0].numbers))]
    print("\nSpecies channels, 1440 atoms, one thread: µs per atom (per column over that of one element)")
    for degrees in ([10, 7, 4], [12, 12, 12]):
        one = ACE(of_one, totaldegree=degrees, r0=lengths)
        sixteen = ACE(species="channels", n_channels=16, totaldegree=degrees, r0=lengths)
        labelled = ACE([symbols[z] for z in sorted(set(np.concatenate([a.numbers for a in pools[4]]).tolist()))],
                       max_features=500, r0=lengths)  # fmt: skip
        works = {
            "one element": (one, pools[1]),
            **{f"16 channels, {n} elements": (sixteen, pools[n]) for n in (1, 4, 20, 89)},
            "labels, 4 elements": (labelled, pools[4]),
        }
        for kind, work in (("values", rows_of), ("design", designs_of), ("model", models_of)):
            turns = [
                [
                    seconds(partial(work, ace, structures[:4] if kind == "design" else structures))
                    for ace, structures in works.values()
                ]
                for _ in range(repeats + 1)
            ][1:]
            per_column = [
                [t / ace.n_features for t, (ace, _) in zip(turn, works.values(), strict=True)] for turn in turns
            ]
            n_atoms = sum(map(len, pools[1][:4] if kind == "design" else pools[1]))
            for k, (name, (ace, _)) in enumerate(works.items()):
                time = 1e6 * float(np.median([turn[k] for turn in turns])) / n_atoms
                ratio = float(np.median([turn[k] / turn[0] for turn in per_column]))
                print(f"{kind} {name:26} {ace.n_features:5} features {time:8.2f} ({ratio:.2f})", flush=True)


def rows_of(ace: ACE, structures: list[Atoms]) -> None:
    ace.site_features(structures, 1)


def designs_of(ace: ACE, structures: list[Atoms]) -> None:
    consume(partial(ace.designs, structures, n_threads=1))


def models_of(ace: ACE, structures: list[Atoms]) -> None:
    ace.predictions(structures, np.ones(ace.n_features), 1)


def consume(make) -> None:
    for _ in make():
        pass


def accumulate(path: str) -> None:
    """Take the force rows of structures of silicon surfaces into a posterior, in this process."""
    structures = [atoms for atoms in read(path, ":") if len(atoms) > 1]
    ace = ACE(["Si"], totaldegree=16, rcut=5.0)
    posterior = Posterior(ace.n_features, ace.smoothness_prior(4.0) ** 2, 1.0)
    start, n_rows = perf_counter(), 0
    for design in iter_designs(structures, ace):
        posterior.update(design.forces)
        n_rows += len(design.forces)
    taken = perf_counter() - start
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1e3
    print(
        f"\n{n_rows} force rows of {len(structures)} structures, totaldegree 16, made and taken into a posterior on "
        f"all cores: {taken:.1f} s, peak memory of the process {peak:.0f} MB"
    )


def against_soap(structures: list[Atoms], repeats: int) -> None:
    # Read when the library is loaded.
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        from quippy.descriptors import Descriptor
    except ImportError:
        print("\nquippy is not installed: pip install quippy-ase")
        return

    soap, ace = Descriptor(SOAP), ACE(["Si"], totaldegree=16, rcut=5.0)
    rows = [soap.calc(atoms)["data"] for atoms in structures[:1]]
    turns = [
        [
            seconds(lambda: [soap.calc(atoms)["data"] for atoms in structures]),
            seconds(lambda: ace.site_features(structures, n_threads=1)),
        ]
        for _ in range(repeats)
    ]
    slow, fast = (microseconds_per_atom(times, structures) for times in zip(*turns, strict=True))
    ratios = [soap / ace for soap, ace in turns]
    print(f"\n{len(structures)} structures, {sum(map(len, structures))} atoms, one thread")
    print(f"SOAP, {rows[0].shape[1]} features: {slow:.1f} µs an atom")
    print(f"ACE, {ace.n_features} features: {fast:.2f} µs an atom")
    print(f"ACE is {np.median(ratios):.0f} times faster an atom ({min(ratios):.0f} to {max(ratios):.0f})")

    weights = np.random.default_rng(0).normal(size=ace.n_features)
    turns = [
        [
            seconds(lambda: [soap.calc(atoms, grad=True)["grad_data"] for atoms in structures]),
            seconds(lambda: [ace.vjp(atoms, weights) for atoms in structures]),
        ]
        for _ in range(repeats)
    ]
    slow, fast = (microseconds_per_atom(times, structures) for times in zip(*turns, strict=True))
    ratios = [soap / ace for soap, ace in turns]
    print(f"SOAP with gradients: {slow:.1f} µs an atom")
    print(f"ACE, forces of a model: {fast:.2f} µs an atom")
    print(f"ACE is {np.median(ratios):.0f} times faster an atom ({min(ratios):.0f} to {max(ratios):.0f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", nargs="?", default=POOL, help="structures of silicon (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="turns of each comparison (default: %(default)s)")
    parser.add_argument(
        "--every", type=int, default=16, help="derivatives and SOAP take one structure in so many (default: 16)"
    )
    parser.add_argument("--channels", action="store_true", help="time species channels only")
    parser.add_argument("--accumulate", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.accumulate:
        accumulate(arguments.pool)
        return
    if arguments.channels:
        channels(arguments.repeats)
        return
    structures = read(arguments.pool, ":")
    threads(structures, arguments.repeats)
    derivatives(structures[:: arguments.every], arguments.repeats)
    channels(arguments.repeats)
    against_soap(structures[:: arguments.every], arguments.repeats)
    subprocess.run([sys.executable, __file__, arguments.pool, "--accumulate"], check=True)


if __name__ == "__main__":
    main()
