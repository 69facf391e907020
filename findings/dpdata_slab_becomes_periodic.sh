#!/bin/sh
# dpdata writes a slab that is periodic in two directions to deepmd/npy, and reads it back periodic in three.
# Exits with 0 while it does so, silently; installs public packages in a temporary folder.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dpdata==1.1.0 ase==3.29.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import logging
import platform
import sys
import warnings

import ase
import dpdata
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

heard = []
warnings.showwarning = lambda message, *_, **__: heard.append(str(message))
logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))

slab = Atoms("CuO", positions=[[0, 0, 4], [1.2, 1.3, 5.5]], cell=[3, 3, 15], pbc=[True, True, False])
slab.calc = SinglePointCalculator(slab, energy=-5.0, forces=[[0.1, 0.0, 0.2], [-0.1, 0.0, -0.2]])
dpdata.LabeledSystem(slab, fmt="ase/structure").to("deepmd/npy", "slab")
(back,) = dpdata.LabeledSystem("slab", fmt="deepmd/npy").to("ase/structure")

print(f"Python {platform.python_version()}, ase {ase.__version__}, dpdata {dpdata.__version__}")
print("periodic before:", slab.pbc.tolist(), " after:", back.pbc.tolist(), " warnings:", heard)
sys.exit(not (slab.pbc.tolist() == [True, True, False] and back.pbc.tolist() == [True, True, True] and not heard))
PYTHON
