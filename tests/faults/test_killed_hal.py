"""A run of `hal` that is killed goes on from its checkpoint, and ends with the files of an undisturbed run."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.demo import silicon_core
from mlipselect.demo.potentials import label
from mlipselect.io import write_exact

KILLS = 50
#: Rounds are short, and change all that a checkpoint has to keep: picks, rejected frames, cells and trajectories.
COMMAND = [
    *("hal", "start.xyz", "--core", "train.xyz", "--base", "si.npz", "-n", "20", "--burst", "10", "-q"),
    *("--temperature", "600", "1800", "--threshold", "2", "--max-heat", "2.5", "--cell-moves", "1"),
]

#: Exit codes after each signal; those after the first are of a signal before the command has begun or after its end.
CODES = {signal.SIGKILL: [-9], signal.SIGTERM: [143, -15], signal.SIGINT: [130, -2, 1]}

#: The state is written down after every round. A shell makes what it runs in the background ignore SIGINT.
CODE = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from mlipselect.hal import checkpoint
from mlipselect.cli import main
checkpoint.HalCheckpoint.is_due = lambda self: True
print("ready", flush=True)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make a training set, a potential and starts."""
    monkeypatch.chdir(tmp_path)
    train = label(silicon_core()[::4])
    write_exact("train.xyz", train)
    ms.LinearPotential(ms.ACE(["Si"], totaldegree=6), reference_energies={"Si": 0.0}).fit(train).save("si.npz")
    crystal = bulk("Si", a=5.43, cubic=True)
    defect = crystal.copy()
    del defect[0]
    write_exact("start.xyz", [crystal, defect])
    return tmp_path


def start(*options):
    """Start a run, and return it when all is imported, from when on a signal meets what this project does."""
    Path("parts").mkdir(exist_ok=True)
    outputs = ["--checkpoint", "parts/hal.ckpt", "--trajectory", "parts", "-o", "parts/picked.xyz"]
    run = subprocess.Popen(
        [sys.executable, "-c", CODE, *COMMAND, *options, *outputs],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout.readline() == "ready\n"
    return run


def rounds():
    """Return the number of rounds in the checkpoint."""
    known = Path("parts/hal.ckpt")
    return json.loads(known.read_text())["state"]["round"] if known.exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_killed_at_random_moments(folder, number):
    Path("whole").mkdir()
    assert main([*COMMAND, "--trajectory", "whole", "-o", "whole/picked.xyz"]) == 0
    whole = {path.name: path.read_bytes() for path in Path("whole").iterdir()}
    assert {"picked.xyz", "picked.json", "picked.rejected.xyz", "walker-000.xyz"} <= set(whole)
    rng = np.random.default_rng(int(number))
    began = time.perf_counter()
    assert start().communicate()[1] == ""
    moments = time.perf_counter() - began
    last = rounds()
    shutil.rmtree("parts")
    kept, ended = [], 0
    while len(kept) < KILLS:
        run = start()
        try:
            error = run.communicate(timeout=rng.uniform(0.0, moments))[1]
        except subprocess.TimeoutExpired:
            run.send_signal(number)
            error = run.communicate()[1]
        # The load of the machine changes, and with it how long a run takes.
        moments *= 0.9 if run.returncode == 0 else 1.03
        if run.returncode != 0:
            assert run.returncode in CODES[number], error
            kept.append(rounds())
        # The signal may come when the files are there already.
        for name in ("picked.xyz", "picked.json"):
            if Path("parts", name).exists():
                assert Path("parts", name).read_bytes() == whole[name]
        if Path("parts/picked.json").exists():
            for name in whole:
                assert Path("parts", name).read_bytes() == whole[name]
            shutil.rmtree("parts")
            ended += 1
            assert ended <= KILLS + len(kept), "signals have no effect"
    assert ended > 0
    # Runs went on from many places.
    assert len(set(kept) - {0, last}) > KILLS // 5


@pytest.mark.slow
def test_processes_end_with_the_one_that_started_them(folder):
    psutil = pytest.importorskip("psutil")
    run = start("--workers", "2", "-n", "1000", "--threshold", "0.1")
    children = []
    while len(children) < 2:
        time.sleep(0.2)
        children = psutil.Process(run.pid).children(recursive=True)
    time.sleep(3.0)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert not psutil.wait_procs(children, timeout=20)[1]
