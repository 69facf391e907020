#!/bin/sh
# mattersim moves atoms below the cell of a slab to its top, along the direction in which the slab is not periodic.
# Exits with 0 while it does so, silently; installs public packages in a temporary folder (several GB, for torch).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ase==3.29.0 pymatgen==2026.10.24 torch==2.15.0 torch_geometric==2.8.1
# Without its applications, which need more than a hundred packages.
"$folder/venv/bin/pip" install --quiet --no-deps mattersim==1.2.3
cd "$folder"
venv/bin/python - <<'PYTHON'
import platform
import sys
import warnings

import ase
from ase.build import fcc111
from mattersim.datasets.utils.convertor import GraphConvertor

heard = []
warnings.showwarning = lambda message, *_, **__: heard.append(str(message))

slab = fcc111("Cu", (1, 1, 3), vacuum=6.0)
slab.pbc = [True, True, False]
lowered = slab.copy()
lowered.positions[:, 2] -= slab.positions[:, 2].min() + 0.5
convert = GraphConvertor("m3gnet", 5.0, True, 4.0).convert
graphs = [convert(atoms.copy()) for atoms in (slab, lowered)]
bonds = [int(graph.num_bonds) for graph in graphs]

print(f"Python {platform.python_version()}, ase {ase.__version__}, mattersim 1.2.3")
for atoms, graph, number in zip((slab, lowered), graphs, bonds):
    heights = [[round(float(z), 2) for z in positions[:, 2]] for positions in (atoms.positions, graph.atom_pos)]
    print("periodic:", atoms.pbc.tolist(), " heights:", heights[0], " in the graph:", heights[1], " bonds:", number)
print("warnings:", heard)
sys.exit(not (bonds[1] < bonds[0] and not heard))
PYTHON
