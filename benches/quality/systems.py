"""Labelled systems to judge selections on: a core, a pool and a test set each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import mlipselect as ms

#: Names of labels, in the order in which they are looked for.
ENERGIES, FORCES = ("REF_energy", "dft_energy", "energy"), ("REF_forces", "dft_force", "forces")


@dataclass(frozen=True)
class System:
    """Structures with energies in eV and forces in eV/Å as results of a calculator.

    Attributes
    ----------
    name : str
        Name of the system.
    core, pool, test : list of ase.Atoms
        What a project has at first, its candidates, and what a potential is judged by.
    """

    name: str
    core: list[Atoms]
    pool: list[Atoms]
    test: list[Atoms]

    @property
    def elements(self) -> list[str]:
        """Chemical symbols, by atomic number."""
        found = {
            number: symbol
            for atoms in self.core + self.pool
            for number, symbol in zip(atoms.numbers, atoms.symbols, strict=True)
        }
        return [str(found[number]) for number in sorted(found)]

    def split(self, number: int) -> System:
        """Return a random four fifths of core and pool; the rest of the pool joins the test set."""
        rng = np.random.default_rng([number, 2025])
        core = rng.permutation(len(self.core))[: max(1, 4 * len(self.core) // 5)]
        order = rng.permutation(len(self.pool))
        kept, rest = np.split(order, [4 * len(self.pool) // 5])
        return System(
            f"{self.name}/{number}",
            [self.core[k] for k in sorted(core)],
            [self.pool[k] for k in sorted(kept)],
            [*self.test, *(self.pool[k] for k in sorted(rest))],
        )


def find_systems(folder: Path) -> list[System]:
    """Read every system of a folder: NAME.core.xyz, NAME.pool.xyz and NAME.test.xyz, and the silicon surfaces."""
    found = [
        read_system(
            core.name.split(".core.")[0],
            *([core.with_name(core.name.replace(".core.", f".{part}."))] for part in ("core", "pool", "test")),
        )
        for core in sorted(folder.rglob("*.core.xyz*"))
    ]
    silicon = folder / "silicon"
    if (silicon / "surface_pool.xyz").is_file():
        found.append(read_system("Si surfaces", [silicon / "core.xyz"], [silicon / "surface_pool.xyz"], []))
    return found


def read_system(name: str, core: Sequence[Path], pool: Sequence[Path], test: Sequence[Path]) -> System:
    """Read a system from files of labelled structures; without a test set, the rest of each split's pool serves."""
    parts = [[_labelled(atoms) for atoms in ms.read(files)] if files else [] for files in (core, pool, test)]
    return System(name, *([atoms for atoms in part if len(atoms) > 1] for part in parts))


def _labelled(atoms: Atoms) -> Atoms:
    results = getattr(atoms.calc, "results", {})
    energy = next((value for key in ENERGIES if (value := atoms.info.get(key, results.get(key))) is not None), None)
    forces = next((value for key in FORCES if (value := atoms.arrays.get(key, results.get(key))) is not None), None)
    if energy is None or forces is None:
        raise SystemExit(
            f"expected {' or '.join(ENERGIES)} and {' or '.join(FORCES)}, got {[*atoms.info, *atoms.arrays]}"
        )
    out = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    out.info["config_type"] = atoms.info.get("config_type")
    out.calc = SinglePointCalculator(out, energy=float(energy), forces=np.asarray(forces))
    return out


def atomic_energies(structures: Sequence[Atoms]) -> dict[int, float]:
    """Fit one energy for each element to the energies per atom."""
    numbers = sorted({number for atoms in structures for number in atoms.numbers.tolist()})
    counts = np.array([[np.mean(atoms.numbers == number) for number in numbers] for atoms in structures])
    energies = np.array([atoms.calc.results["energy"] / len(atoms) for atoms in structures])
    solution = np.linalg.lstsq(counts, energies, rcond=None)[0]
    return dict(zip(numbers, solution.tolist(), strict=True))
