r"""Train MACE models on the silicon data with mace's own program: `python -m benches.paper.train_mace SIZE --on WHAT`.

`paper core` and `paper total` have the size of the models of arXiv:2502.21165, MACE (C) and MACE (T): 128x0e+128x1o and
two layers, 640 features. The paper's other settings are not known here: what is set below is ours, the rest are mace's
defaults. They want a GPU. Neither these two nor the experiment with them has been run here.

    python -m benches.paper.train_mace paper --on core --data ../shared/data/silicon --device cuda
    python -m benches.paper.train_mace paper --on total --data ../shared/data/silicon --device cuda
    python -m benches.paper --data ../shared/data/silicon --descriptors \
        "MACE (C)=benches.paper.train_mace:core" "MACE (T)=benches.paper.train_mace:total"

`tiny core` takes about a minute on two processor cores: a model good for trying things out, and for nothing else.

    python -m benches.paper.train_mace tiny --on core --data ../shared/data/silicon

Models go to `paper-output/mace/SIZE-WHAT.model`. It needs `pip install 'mlipselect[mace]'`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benches.paper.silicon import REFERENCE_ENERGIES, read_silicon

import mlipselect as ms

MODELS = Path("paper-output/mace")

SETTINGS = {
    "paper": {
        "hidden_irreps": "128x0e + 128x1o",
        "r_max": 5.0,
        "batch_size": 8,
        "max_num_epochs": 200,
        "patience": 50,
        "stage_two": True,
        "default_dtype": "float64",
    },
    "tiny": {
        "hidden_irreps": "8x0e + 8x1o",
        "r_max": 4.0,
        "max_ell": 2,
        "correlation": 2,
        "batch_size": 4,
        "max_num_epochs": 30,
        "default_dtype": "float32",
    },
}
# Of the tiny model's training set, one structure in so many.
THIN = {"paper": 1, "tiny": 4}
COMMON = {
    "model": "ScaleShiftMACE",
    "num_interactions": 2,
    "loss": "universal",
    "energy_weight": 1.0,
    "forces_weight": 10.0,
    "stress_weight": 1.0,
    "energy_key": "dft_energy",
    "forces_key": "dft_force",
    "valid_fraction": 0.1,
    "ema": True,
    "seed": 0,
}


def __getattr__(name: str) -> Any:
    """Give the features of a model that was trained, `core` or `total`: all 640, as in the paper."""
    if name in ("core", "total"):
        return ms.MACE(MODELS / f"paper-{name}.model", invariants_only=False)
    raise AttributeError(name)


def train(size: str, on: str, data: Path, device: str) -> Path:
    """Train a model and give its file."""
    silicon = read_silicon(data)
    structures = (silicon.core if on == "core" else silicon.core + silicon.pool)[:: THIN[size]]
    for atoms in structures:
        virial = atoms.info.pop("dft_virial", None)
        if virial is not None:
            atoms.info["dft_stress"] = -virial.reshape(3, 3) / abs(atoms.cell.volume)
    energies = {14: REFERENCE_ENERGIES["Si"]}
    options = COMMON | SETTINGS[size] | {"name": f"{size}-{on}", "device": device, "stress_key": "dft_stress"}
    with tempfile.TemporaryDirectory() as folder:
        ms.io.write_exact(Path(folder) / "train.xyz", structures)
        command = [sys.executable, "-m", "mace.cli.run_train", "--train_file=train.xyz", f"--E0s={energies}"]
        for key, value in options.items():
            command.append(f"--{key}" if value is True else f"--{key}={value}")
        subprocess.run(command, cwd=folder, check=True)
        MODELS.mkdir(parents=True, exist_ok=True)
        best = [f"{size}-{on}_stagetwo.model", f"{size}-{on}.model"]
        trained = next(Path(folder) / name for name in best if (Path(folder) / name).exists())
        return Path(shutil.copy(trained, MODELS / f"{size}-{on}.model"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=list(SETTINGS))
    parser.add_argument("--on", choices=["core", "total"], default="core", help="what to train on (default: core)")
    parser.add_argument("--data", type=Path, required=True, help="folder with core.xyz and surface_pool.xyz")
    parser.add_argument("--device", default="cpu", help="such as cuda (default: cpu)")
    options = parser.parse_args()
    print(f"wrote {train(options.size, options.on, options.data, options.device)}")


if __name__ == "__main__":
    main()
