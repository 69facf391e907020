"""Write files from which guided fuzzing starts.

    python tests/fuzz/seeds.py FOLDER

The folders `extxyz` and `posterior` in it have a few small valid files each.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase.build
import numpy as np

import mlipselect as ms
from mlipselect.demo.tersoff import silicon_tersoff


def main(folder: Path) -> None:
    """Write the files."""
    for kind in ("extxyz", "posterior"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    silicon = ase.build.bulk("Si", cubic=True)
    silicon.calc = silicon_tersoff()
    silicon.get_forces()
    silicon.get_stress()
    water = ase.build.molecule("H2O")
    water.info.update(config_type="a b", number=3, flag=True, row=np.arange(3.0))
    water.new_array("tag", np.arange(3))
    for name, frames in {"silicon": [silicon], "water": [water], "both": [water, silicon, water]}.items():
        ms.io.write_exact(folder / "extxyz" / f"{name}.xyz", frames)
    for name, prior in {"one": 0.1, "row": np.array([0.1, 0.2]), "matrix": np.eye(2)}.items():
        posterior = ms.Posterior(2, prior)
        posterior.update(np.array([[1.0, 0.5]]))
        posterior.save(folder / "posterior" / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
