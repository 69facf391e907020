#!/bin/sh
# dpdata reads zero forces on fixed atoms from a trajectory of ASE that holds their true forces.
# Exits with 0 while it does so, silently; installs public packages in a temporary folder.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dpdata==1.1.0 ase==3.29.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import platform
import sys
import warnings

import ase
import ase.io
import dpdata
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

heard = []
warnings.showwarning = lambda message, *_, **__: heard.append(str(message))

pair = Atoms("CuO", positions=[[0, 0, 0], [0, 0, 1.7]], cell=[8, 8, 8], pbc=True, constraint=FixAtoms([0]))
pair.calc = SinglePointCalculator(pair, energy=-5.0, forces=[[0.0, 0.0, 0.75], [0.0, 0.0, -0.75]])
ase.io.write("pair.traj", pair)
stored = ase.io.read("pair.traj").get_forces(apply_constraint=False)
found = dpdata.LabeledSystem("pair.traj", fmt="ase/traj")["forces"][0]

print(f"Python {platform.python_version()}, ase {ase.__version__}, dpdata {dpdata.__version__}")
print("forces in the file:", stored.tolist(), " as dpdata reads them:", found.tolist(), " warnings:", heard)
sys.exit(not (stored[0, 2] == 0.75 and found[0, 2] == 0.0 and found[1, 2] == -0.75 and not heard))
PYTHON
