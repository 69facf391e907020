"""A run of `hal` that is killed goes on from its checkpoint, and ends with the files of an undisturbed run."""

from __future__ import annotations

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
COMMAND = [
    *("hal", "start.xyz", "--core", "train.xyz", "--base", "si.npz", "-n", "30", "--burst", "40", "-q"),
    *("--temperature", "600", "1200", "1800", "--threshold", "2", "--patience", "100"),
]

#: Exit codes after each signal; the second is that of a signal before the command has begun.
CODES = {signal.SIGKILL: [-9], signal.SIGTERM: [143, -15], signal.SIGINT: [130, -2, 1]}

#: The state is written down after every round, and a round takes a while.
CODE = """
import sys, time
from mlipselect.hal import checkpoint
from mlipselect.cli import main
def is_due(self):
    time.sleep(0.02)
    return True
checkpoint.HalCheckpoint.is_due = is_due
sys.exit(main([*sys.argv[1:], "--checkpoint", "hal.ckpt", "-o", "parts.xyz"]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make a training set, a potential and starts, and the output of an undisturbed run."""
    monkeypatch.chdir(tmp_path)
    train = label(silicon_core()[::4])
    write_exact("train.xyz", train)
    ms.LinearPotential(ms.ACE(["Si"], totaldegree=6), reference_energies={"Si": 0.0}).fit(train).save("si.npz")
    crystal = bulk("Si", a=5.43, cubic=True)
    defect = crystal.copy()
    del defect[0]
    write_exact("start.xyz", [crystal, defect])
    assert main([*COMMAND, "-o", "whole.xyz"]) == 0
    return tmp_path


def start(*options):
    return subprocess.Popen([sys.executable, "-c", CODE, *COMMAND, *options], stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_at_random_moments(folder, number):
    rng = np.random.default_rng(int(number))
    began = time.perf_counter()
    assert start().communicate()[1] == ""
    whole = time.perf_counter() - began
    Path("hal.ckpt").unlink()
    kills, ended = 0, 0
    while kills < KILLS:
        run = start()
        try:
            error = run.communicate(timeout=rng.uniform(0.3, 1.0) * whole)[1]
        except subprocess.TimeoutExpired:
            run.send_signal(number)
            error = run.communicate()[1]
        # The load of the machine changes, and with it how long a run takes.
        whole *= 0.9 if run.returncode == 0 else 1.03
        if run.returncode != 0:
            assert run.returncode in CODES[number], error
            kills += 1
        # The signal may come when the files are there already.
        for name in ("parts.xyz", "parts.json"):
            if Path(name).exists():
                assert Path(name).read_bytes() == Path(name.replace("parts", "whole")).read_bytes()
        if Path("parts.json").exists():
            for name in ("parts.xyz", "parts.json", "hal.ckpt"):
                Path(name).unlink()
            ended += 1
    assert ended > 0


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
