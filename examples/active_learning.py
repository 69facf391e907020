"""Active learning of silicon surfaces from bulk: fit, explore, label, fit again, until nothing is worth labelling.

Tersoff's silicon stands in for density functional theory. With a real calculation, `label` is replaced by jobs: every
structure that was taken is in a folder of its own as POSCAR, in the order in which it was taken.

    python examples/active_learning.py -o active-learning
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

import mlipselect as ms
from mlipselect.demo import silicon_core, silicon_pool
from mlipselect.demo.potentials import label

TOTALDEGREE = 12


def fit(train: Sequence[Atoms]) -> ms.LinearPotential:
    """Fit a linear ACE potential, in which energies count as much as in the paper."""
    ace = ms.ACE(["Si"], totaldegree=TOTALDEGREE)
    potential = ms.LinearPotential(
        ace, energy_weight=30.0, forces_weight=1.0, virial_weight=1.0, reference_energies={"Si": 0.0}
    )
    return potential.fit(train)


def explore(
    potential: ms.LinearPotential, train: Sequence[Atoms], starts: Sequence[Atoms], n: int, seed: int
) -> ms.Hal:
    """Take up to `n` structures from biased dynamics, without labels in between."""
    surrogate = ms.Surrogate(potential, core=train)
    return ms.Hal(starts, potential, surrogate, n, temperature=(300.0, 600.0, 900.0), random_state=seed)


def write_jobs(folder: Path, structures: Sequence[Atoms]) -> None:
    """Write each structure to a folder of its own, as input of VASP."""
    for number, atoms in enumerate(structures):
        job = folder / f"{number:03d}"
        job.mkdir(parents=True, exist_ok=True)
        ase.io.write(job / "POSCAR", atoms, format="vasp", sort=False)


def errors(potential: ms.LinearPotential, test: Sequence[Atoms]) -> tuple[float, float]:
    """Return the root mean square errors of energies in meV per atom and of forces in eV/Å."""
    predictions = potential.predictions(test)
    energies = [(p.energy - a.get_potential_energy()) / len(a) for p, a in zip(predictions, test, strict=True)]
    forces = np.concatenate([(p.forces - a.get_forces()).ravel() for p, a in zip(predictions, test, strict=True)])
    return 1000.0 * float(np.sqrt(np.mean(np.square(energies)))), float(np.sqrt(np.mean(forces**2)))


def run(folder: Path, n_rounds: int, per_round: int, seed: int = 0) -> list[tuple[int, float, float]]:
    """Run the loop, and return the number of labels and both errors before each fit and after the last."""
    train = label(silicon_core()[::3])
    pool = silicon_pool()
    starts, test = pool[3:200:33], label(pool[10:200:20])
    potential = fit(train)
    history = [(len(train), *errors(potential, test))]
    print(f"{len(train)} labels of bulk: {history[-1][1]:.1f} meV/atom, {history[-1][2]:.3f} eV/Å on surfaces")
    for number in range(n_rounds):
        run_ = explore(potential, train, starts, per_round, seed + number)
        selection = run_.run()
        selection.write(folder / f"round-{number}.xyz")
        write_jobs(folder / f"round-{number}", [pick.atoms for pick in run_.picks])
        train = [*train, *label([pick.atoms for pick in run_.picks])]
        potential = fit(train)
        history.append((len(train), *errors(potential, test)))
        print(f"{len(train)} labels: {history[-1][1]:.1f} meV/atom, {history[-1][2]:.3f} eV/Å; {run_.ended}")
        if len(run_.picks) < per_round:
            break
    potential.save(folder / "si.npz")
    return history


def main() -> None:
    """Read the command line, and run."""
    parser = argparse.ArgumentParser(description="Active learning of silicon surfaces, with a stand-in for DFT.")
    parser.add_argument("-o", "--output", default="active-learning", type=Path, help="folder for the files")
    parser.add_argument("--rounds", default=6, type=int, help="largest number of fits (default: %(default)s)")
    parser.add_argument("-n", default=10, type=int, help="structures of a round (default: %(default)s)")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    run(options.output, options.rounds, options.n)


if __name__ == "__main__":
    main()
