# ruff: noqa: E402
"""What species channels are worth beside labels of elements, and how fast inner products of rows converge.

    python benches/python/species_channels.py [--data ../shared/data/systems] [-o channels-output]

Fits: linear ridge regression of energies per atom, the ridge by leave-one-out errors, on NiMo (DFT), on alloys of up to
five of seven elements (EMT, made here), and of twenty (benches/quality/twenty.py); half of the structures or 200 are
for training, four splits. Columns are
divided by the root of their standard deviation. Convergence: the inner product of the rows of two atoms over the number
of channels, against that at 16,384 channels; the mean deviation over pairs of atoms goes to a figure.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds modules beside it, and not from the root of the repository, from which benches import each other.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from benches.quality.systems import read_system
from benches.quality.twenty import SecondMoment, cells

from mlipselect import ACE

METALS = ["Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"]
COUNTS = [2, 4, 8, 16, 32]


def alloys(n: int) -> list[Atoms]:
    """Random alloys with energies of EMT."""
    rng, out = np.random.default_rng(0), []
    for seed in range(n):
        some = rng.choice(METALS, rng.integers(2, 6), replace=False)
        atoms = bulk("Cu", cubic=True, a=rng.uniform(3.8, 4.2)) * (2, 2, 1)
        atoms.symbols = rng.choice(some, len(atoms))
        atoms.rattle(rng.uniform(0.02, 0.2), seed=seed)
        atoms.set_cell(atoms.cell[:] @ (np.eye(3) + rng.normal(size=(3, 3)) * 0.03), scale_atoms=True)
        atoms.calc = EMT()
        atoms.calc = SinglePointCalculator(atoms, energy=atoms.get_potential_energy())
        out.append(atoms)
    return out


def error(rows: np.ndarray, energies: np.ndarray, composition: np.ndarray) -> float:
    """Root-mean-square error of test energies, in meV per atom: the geometric mean over four splits."""
    errors = []
    for split in range(4):
        order = np.random.default_rng(split).permutation(len(rows))
        train, test = np.split(order, [min(200, len(order) // 2)])
        atomic = np.linalg.lstsq(composition[train], energies[train], rcond=None)[0]
        target = energies - composition @ atomic
        spread = np.sqrt(rows[train].std(axis=0))
        scaled = rows / np.where(spread > 0, spread, np.inf)
        mean, offset = scaled[train].mean(axis=0), target[train].mean()
        u, s, vt = np.linalg.svd(scaled[train] - mean, full_matrices=False)
        wanted = target[train] - offset
        tried = []
        for ridge in 10.0 ** np.arange(-9, 1, 0.5) * s[0] ** 2:
            kept = s**2 / (s**2 + ridge)
            left_out = (wanted - u @ (kept * (u.T @ wanted))) / (1 - u**2 @ kept - 1 / len(train))
            tried.append((np.sqrt(np.mean(left_out**2)), ridge))
        weights = vt.T @ (s / (s**2 + min(tried)[1]) * (u.T @ wanted))
        errors.append(np.sqrt(np.mean(((scaled[test] - mean) @ weights + offset - target[test]) ** 2)))
    return 1000 * float(np.exp(np.mean(np.log(errors))))


def fits(name: str, structures: list[Atoms]) -> None:
    numbers = sorted({number for atoms in structures for number in atoms.numbers.tolist()})
    energies = np.array([atoms.get_potential_energy() / len(atoms) for atoms in structures])
    composition = np.array([[np.mean(atoms.numbers == number) for number in numbers] for atoms in structures])
    print(f"\n{name}: {len(structures)} structures")
    for limit in (500, 1000):
        tried = [("labels", ACE(numbers, species="labels", max_features=limit))]
        tried += [(f"{n} channels", ACE(species="channels", n_channels=n, max_features=limit)) for n in COUNTS]
        for kind, ace in tried:
            rmse = error(ace.structure_features(structures, n_threads=1), energies, composition)
            degrees = " ".join(f"{degree:g}" for degree in ace.totaldegree)
            print(f"{kind:12} degrees {degrees:9} {ace.n_features:5} features {rmse:8.2f} meV per atom", flush=True)


def convergence(folder: Path) -> None:
    from benches.drawing import plt, save

    structures = alloys(3)

    def products(n_channels: int) -> np.ndarray:
        ace = ACE(species="channels", n_channels=n_channels, totaldegree=[3, 3, 3])
        rows = np.concatenate([ace.features(atoms)[:4] for atoms in structures])
        return rows @ rows.T / n_channels

    exact = products(16384)
    counts = [2**k for k in range(1, 13)]
    deviations = [float(np.abs(products(n) - exact).mean() / np.abs(exact).mean()) for n in counts]
    print("\nchannels  mean deviation of inner products over their mean")
    for n, deviation in zip(counts, deviations, strict=True):
        print(f"{n:8} {deviation:8.3f}")
    figure, axes = plt.subplots(figsize=(4, 3), layout="constrained")
    axes.loglog(counts, deviations, "o-", label="ACE")
    axes.loglog(counts, deviations[0] * (np.array(counts) / counts[0]) ** -0.5, "k--", label=r"$1/\sqrt{K}$")
    axes.set(xlabel="channels K", ylabel="deviation of inner products")
    axes.legend()
    folder.mkdir(parents=True, exist_ok=True)
    save(figure, folder / "convergence.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/systems"), help="folder with NiMo")
    parser.add_argument("-o", "--output", type=Path, default=Path("channels-output"), help="folder of the figure")
    arguments = parser.parse_args()
    convergence(arguments.output)
    parts = [[arguments.data / f"NiMo.{part}.xyz.gz"] for part in ("core", "pool", "test")]
    if all(path.is_file() for [path] in parts):
        nimo = read_system("NiMo", *parts)
        fits("NiMo", nimo.core + nimo.pool + nimo.test)
    fits("alloys of seven elements, EMT", alloys(500))
    fits("alloys of twenty elements, second moment", cells(np.random.default_rng(2), 500, (2, 6), SecondMoment.drawn()))


if __name__ == "__main__":
    main()
