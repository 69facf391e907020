# ruff: noqa: E402
"""Time of species channels beside ace-jax's element embeddings and featomic's SOAP with species compression.

    python benches/python/channels_peers.py [--repeats 5] [--elements 4 20 89]

Crystals of one density with random elements; rows of atoms, one thread, whatever is compared in turns; the median is
told, per atom and per column that is not zero by construction. ace-jax 0.4.1 has frozen embeddings of elements in
channels that are not mixed, as here, blocks of columns for each central element, and a pair basis of all elements. The
power spectrum of featomic has no species compression of its own: its spherical expansion of each element is added up
with weights of the elements to channels here, and channels are squared one by one; the expansion is timed without that,
too. Rows of the three differ in what they resolve: this says what a row costs, not what it is worth. ace-jax and
featomic are black boxes; install them with mlipselect in an environment of their own (pip install ace-jax==0.4.1
featomic==0.6.7).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])
# Read when the libraries are loaded.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["RAYON_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import argparse
from collections.abc import Callable
from time import perf_counter

import numpy as np
from ase import Atoms
from ase.build import bulk

from mlipselect import ACE

CUTOFF, CHANNELS = 5.0, 4
L_MAX, N_MAX = 6, 7
Rows = Callable[[Atoms], np.ndarray]


def mixed_crystals(n_elements: int) -> list[Atoms]:
    """Make crystals of one density with random elements: 288 atoms."""
    rng = np.random.default_rng(n_elements)
    numbers = 1 + rng.permutation(89)[:n_elements]
    structures = []
    for seed in range(4):
        atoms = bulk("Cu", cubic=True, a=4.0) * (3, 3, 2)
        atoms.numbers = rng.choice(numbers, len(atoms))
        # Every element is there.
        atoms.numbers[: len(numbers)] = numbers[: len(atoms)]
        atoms.rattle(0.1, seed=seed)
        structures.append(atoms)
    return structures


def known(structures: list[Atoms]) -> list[int]:
    return sorted({number for atoms in structures for number in atoms.numbers.tolist()})


def channels(structures: list[Atoms], n_channels: int) -> tuple[Rows, int]:  # noqa: ARG001 - any elements
    ace = ACE(species="channels", n_channels=n_channels, totaldegree=[12, 9, 6], rcut=CUTOFF, r0=2.4)
    return lambda atoms: ace.site_features([atoms], 1), ace.n_features


def ace_jax(structures: list[Atoms], n_channels: int) -> tuple[Rows, int]:
    import jax
    from ace_jax import site_descriptors
    from ace_jax.basis.model import build_embedding_model

    jax.config.update("jax_enable_x64", True)
    numbers = known(structures)
    embedding = np.random.default_rng(0).normal(size=(len(numbers), min(n_channels, len(numbers))))
    basis = build_embedding_model(
        numbers, 3, 7, rows=embedding, d_max=embedding.shape[1], rcut=CUTOFF, with_gamma=False, coupling_cache=False
    )
    model, meta = basis.eval_pair()
    # A row has blocks for all central elements, of which that of the atom is not zero.
    width = meta["n_B"] + meta["n_pair"]
    return lambda atoms: site_descriptors(
        model, atoms.positions, atoms.numbers, atoms.cell.array, atoms.pbc, meta=meta
    ), width


def spherical_expansion():
    from featomic import SphericalExpansion

    return SphericalExpansion(
        cutoff={"radius": CUTOFF, "smoothing": {"type": "ShiftedCosine", "width": 0.5}},
        density={"type": "Gaussian", "width": 0.5},
        basis={"type": "TensorProduct", "max_angular": L_MAX, "radial": {"type": "Gto", "max_radial": N_MAX - 1}},
    )


def expansion(structures: list[Atoms], n_channels: int) -> tuple[Rows, int]:  # noqa: ARG001 - before compression
    """Make the part of `soap` that featomic does: the spherical expansion of each element."""
    return spherical_expansion().compute, len(known(structures)) * (L_MAX + 1) ** 2 * N_MAX


def soap(structures: list[Atoms], n_channels: int) -> tuple[Rows, int]:
    from metatensor import Labels

    l_max, n_max, calculator = L_MAX, N_MAX, spherical_expansion()
    numbers = known(structures)
    weights = np.random.default_rng(0).normal(size=(len(numbers), n_channels))
    upper = np.triu_indices(n_max)

    def rows(atoms: Atoms) -> np.ndarray:
        found = calculator.compute(atoms).keys_to_samples("center_type")
        found = found.components_to_properties("o3_mu").keys_to_properties(
            Labels(["neighbor_type"], np.array(numbers)[:, None])
        )
        out = []
        for degree in range(l_max + 1):
            block = found.block({"o3_lambda": degree})
            # By element, component and radial function.
            values = block.values.reshape(len(block.samples), len(numbers), 2 * degree + 1, n_max)
            mixed = np.einsum("azmn,zk->akmn", values, weights, optimize=True)
            power = np.einsum("akmn,akmp->aknp", mixed, mixed, optimize=True) / np.sqrt(2 * degree + 1)
            out.append(power[:, :, upper[0], upper[1]].reshape(len(power), -1))
        return np.concatenate(out, axis=1)

    return rows, n_channels * (l_max + 1) * len(upper[0])


def seconds(rows: Rows, structures: list[Atoms]) -> float:
    start = perf_counter()
    for atoms in structures:
        rows(atoms)
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="turns of each comparison (default: %(default)s)")
    parser.add_argument("--elements", type=int, nargs="+", default=[4, 20, 89], help="numbers of elements")
    parser.add_argument("--peers", nargs="*", default=["ace_jax", "soap", "expansion"], help="what is compared")
    arguments = parser.parse_args()
    print("elements  rows                    columns   µs per atom   ns per atom and column   over channels per atom")
    for n_elements in arguments.elements:
        structures = mixed_crystals(n_elements)
        works = {}
        for make in (channels, *(globals()[name] for name in arguments.peers)):
            start = perf_counter()
            try:
                rows, width = make(structures, CHANNELS)
                # What is compiled is compiled now.
                seconds(rows, structures)
                works[make.__name__] = (rows, width, perf_counter() - start)
            except ImportError as error:
                print(f"{make.__name__}: {error}")
        turns = [[seconds(rows, structures) for rows, _, _ in works.values()] for _ in range(arguments.repeats)]
        n_atoms = sum(map(len, structures))
        for k, (name, (_, width, prepared)) in enumerate(works.items()):
            each = 1e6 * float(np.median([turn[k] for turn in turns])) / n_atoms
            ratio = float(np.median([turn[k] / turn[0] for turn in turns]))
            print(
                f"{n_elements:8}  {name:22} {width:8} {each:13.1f} {1e3 * each / width:24.1f} {ratio:24.1f}   "
                f"(made in {prepared:.1f} s)",
                flush=True,
            )


if __name__ == "__main__":
    main()
