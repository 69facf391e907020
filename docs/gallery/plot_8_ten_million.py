"""
Ten million frames
==================

These are the commands for ten million frames, here with three files of 200. :doc:`/how-to/large-pools` explains them.
"""

# %%
# The pool lies in several files.

import os
import shlex
import shutil
import tempfile
from pathlib import Path

import ase.io
import matplotlib.pyplot as plt
import numpy as np
from ase.build import bulk

import mlipselect as ms
from mlipselect import plot
from mlipselect.cli import main

rng = np.random.default_rng(3)
folder = Path(tempfile.mkdtemp())


def frame(strain):
    """A strained, rattled cell of silicon."""
    atoms = bulk("Si", a=5.43)
    atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(scale=strain, size=(3, 3))), scale_atoms=True)
    atoms.positions += rng.normal(scale=0.05, size=(2, 3))
    return atoms


for number, strain in enumerate([0.01, 0.02, 0.04]):
    ms.io.write_exact(folder / f"part-{number}.xyz", [frame(strain) for _ in range(200)])
ms.io.write_exact(folder / "train.xyz", [frame(0.005) for _ in range(20)])

# %%
# Each file gets a store, in as many jobs as there are machines.


def run(command):
    """Run a command in the folder."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        assert main(shlex.split(command)[1:]) == 0
    finally:
        os.chdir(here)


for number in range(3):
    run(
        f"mlipselect featurize part-{number}.xyz --elements Si --totaldegree 10 --dtype float32 "
        f"--store part-{number}.features --no-progress"
    )

# %%
# All stores are one pool. ``--checkpoint`` keeps the picks of a run that is stopped; the same command goes on from
# there.

run(
    "mlipselect select part-0.features part-1.features part-2.features --core train.xyz --score energy -n 15 "
    "--max-memory 100MB --checkpoint picks.json -o selected.xyz --no-progress"
)

# %%
# The same in Python.

stores = [folder / f"part-{number}.features" for number in range(3)]
selection = ms.select(stores, n=15, core=folder / "train.xyz", score="energy", max_memory=10**8, progress=False)
assert len(ase.io.read(folder / "selected.xyz", ":")) == len(selection.indices)
plot.map(selection)
plt.show()
shutil.rmtree(folder)

# %%
# What ten million take
# ---------------------
#
# These are the costs on two cores, with frames of 100 atoms and rows of 640 features. They are extrapolated from
# measurements on smaller pools. What was measured stands beside them, with the command that measures it.
#
# .. list-table::
#    :header-rows: 1
#
#    * - step
#      - ten million frames
#      - measured
#      - by
#    * - reading
#      - half an hour to an hour
#      - 1.5 to 3 µs an atom
#      - ``python benches/python/reading.py``
#    * - describing with ACE
#      - 1 to 1.5 hours
#      - 3 to 5 µs an atom
#      - ``python benches/python/ace_speed.py``
#    * - the pass over all rows
#      - 1 to 2.5 minutes
#      - 6 to 14 µs a row
#      - ``python benches/python/scale.py``
#
# The stores take 26 GB on disk. The memory of a selection was measured with all ten million rows, of 64 features each:
# 300 MB for 100 picks and 620 MB for 1000, by ``python benches/python/scale.py``.
