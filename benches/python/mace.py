# ruff: noqa: E402
"""Structures a second with MACE features: `MACECalculator.get_descriptors` one at a time, and ours in batches.

    python benches/python/mace.py [--model FILE] [--channels 8 32 128] [--threads 1] [--device cpu] [--dtype float64]
    python benches/python/mace.py --memory

Without a model, ones with random weights and so many channels (Cx0e+Cx1o, two layers, cutoff 5 Å) are made. Cells are
distorted crystals of silicon. The two are measured in turns after a turn that is not counted, and the ratio is the
median over the turns; the largest difference of their numbers is shown relative to the largest feature.

`get_descriptors` runs the model with its pass for forces and throws those away; ours runs forward only, and on a CPU
with messages and a symmetric contraction of our own. What batches save beyond that is what one call costs whatever its
size: much for small cells and models, nothing for large ones.

`--memory` measures what a pass allocates for each edge, in units of the largest array of messages.
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
from ase import Atoms
from ase.build import bulk

from mlipselect import MACE

CELLS = {2: 64, 8: 32, 64: 4, 216: 1}


def random_model(channels: int):
    import mace.modules
    import torch
    from e3nn import o3

    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    residual = mace.modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    model = mace.modules.ScaleShiftMACE(
        r_max=5.0,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls=residual,
        interaction_cls_first=residual,
        num_interactions=2,
        num_elements=1,
        hidden_irreps=o3.Irreps(f"{channels}x0e + {channels}x1o"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.zeros(1),
        avg_num_neighbors=28.0,
        atomic_numbers=[14],
        correlation=3,
        gate=torch.nn.functional.silu,
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
    )
    torch.set_default_dtype(torch.float32)
    return model


def cells(n_atoms: int, count: int) -> list[Atoms]:
    repeats = {2: None, 8: 1, 64: 2, 216: 3}[n_atoms]
    crystal = bulk("Si", a=5.43) if repeats is None else bulk("Si", a=5.43, cubic=True) * ((repeats,) * 3)
    made = []
    for seed in range(count):
        atoms = crystal.copy()
        atoms.rattle(0.05, seed=seed)
        made.append(atoms)
    return made


def compare(name: str, model, options: argparse.Namespace) -> None:
    from mace.calculators import MACECalculator

    descriptor = MACE(model, dtype=options.dtype, device=options.device)
    source = {"model_paths": [model]} if isinstance(model, str) else {"models": [model]}
    calculator = MACECalculator(**source, device=options.device, default_dtype=options.dtype)
    print(f"\n{name}: {descriptor.n_features} invariant features")
    print("atoms  structures   one at a time     in batches   ratio (range)      difference")
    for n_atoms, count in CELLS.items():
        structures = cells(n_atoms, count)
        turns = []
        for _ in range(options.repeats + 1):
            start = perf_counter()
            expected = np.concatenate([calculator.get_descriptors(atoms) for atoms in structures])
            middle = perf_counter()
            found = descriptor.site_features(structures)
            turns.append((middle - start, perf_counter() - middle))
        slow, fast = np.median(turns[1:], axis=0)
        ratios = [one / other for one, other in turns[1:]]
        difference = np.abs(found - expected).max() / np.abs(expected).max()
        print(
            f"{n_atoms:5} {count:11} {count / slow:11.1f} /s {count / fast:12.1f} /s {np.median(ratios):7.1f} "
            f"({min(ratios):.1f} to {max(ratios):.1f}) {difference:12.1e}",
            flush=True,
        )


def memory(channels: int) -> None:
    """Measure the peak of one pass forward, and of one forward and back, by the allocations that torch records."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    descriptor = MACE(random_model(channels))
    structures = cells(8, 4)
    w = np.ones(descriptor.n_features)
    edges = sum(descriptor._graph(atoms).edge_index.shape[1] for atoms in structures)
    passes = {
        "forward": lambda: descriptor.site_features(structures),
        "and back": lambda: descriptor.predictions(structures, w),
    }
    for name, run in passes.items():
        run()
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            run()
        total = peak = 0
        for event in recorded.profiler.kineto_results.events():
            if event.name() == "[memory]" and event.device_type() == torch.autograd.DeviceType.CPU:
                total += event.nbytes()
                peak = max(peak, total)
        print(f"{channels} channels, {name}: {peak / edges / descriptor._bytes_per_edge:.1f} arrays of messages")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="file of a model of silicon, instead of random ones")
    parser.add_argument("--channels", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each comparison (default: %(default)s)")
    parser.add_argument("--memory", action="store_true", help="measure memory instead of time")
    options = parser.parse_args()

    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(options.threads)
    if options.memory:
        for channels in options.channels:
            memory(channels)
        return
    print(f"{options.threads} threads, {options.device}, {options.dtype}, torch {torch.__version__}")
    if options.model:
        compare(options.model, options.model, options)
        return
    for channels in options.channels:
        compare(f"{channels}x0e+{channels}x1o", random_model(channels), options)


if __name__ == "__main__":
    main()
