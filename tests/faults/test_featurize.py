"""A featurize that is killed, or finds the disk full, loses nothing that it had finished."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.io import write_exact
from mlipselect.stores import fill
from reference.structures import rattled

KILLS = 50

#: Small shards, so that there are many moments at which something is half done.
CODE = """
import resource, signal, sys
from mlipselect.cli import main
from mlipselect.stores import fill
fill.SHARD_BYTES = 6 * 25 * 8
if len(sys.argv) > 1:  # bytes that a file may have
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.exit(main(["featurize", "pool.xyz", "--totaldegree", "6", "--store", "features", "-q"]))
"""


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """Make a pool of 300 structures, and the store that an undisturbed run makes of it."""
    monkeypatch.chdir(tmp_path)
    write_exact("pool.xyz", [rattled(seed) for seed in range(300)])
    monkeypatch.setattr(fill, "SHARD_BYTES", 6 * 25 * 8)
    ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=6), store="whole")
    shutil.move("whole", "expected")
    return tmp_path


def start(*arguments):
    return subprocess.Popen([sys.executable, "-c", CODE, *arguments], stderr=subprocess.PIPE, text=True)


def finish(run):
    """Wait for a run, and give its exit code and what it said."""
    error = run.communicate()[1]
    return run.returncode, error


def same(folder, expected):
    files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return files == {path.name: path.read_bytes() for path in Path(expected).iterdir()}


@pytest.mark.slow
def test_killed_at_random_moments(pool):
    rng = np.random.default_rng(0)
    began = time.perf_counter()
    assert finish(start()) == (0, "")
    whole = time.perf_counter() - began
    assert same("features", "expected")
    shutil.rmtree("features")
    kills = 0
    while kills < KILLS:
        run = start()
        time.sleep(rng.uniform(0.5, 1.02) * whole)
        run.send_signal(signal.SIGKILL)
        code, _ = finish(run)
        kills += code == -signal.SIGKILL
        if code == 0:
            assert same("features", "expected")
        if code == 0 or kills % 10 == 0:
            # From the beginning, so that all stages are met.
            shutil.rmtree("features", ignore_errors=True)
    assert finish(start()) == (0, "")
    assert same("features", "expected")


@pytest.mark.slow
@pytest.mark.parametrize("limit", [200, 1000, 5000, 9000])
def test_no_room_on_the_disk(pool, limit):
    code, error = finish(start(str(limit)))
    assert code == 1
    assert error.startswith("mlipselect: error: features")
    assert "cannot be written: File too large" in error
    assert error.count("\n") == 1
    assert not list(Path("features").glob(".mlipselect-*"))
    assert finish(start()) == (0, "")
    assert same("features", "expected")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_folder_that_cannot_be_written_to(pool):
    Path("features").mkdir(mode=0o500)
    code, error = finish(start())
    assert code == 1
    assert "cannot be written: Permission denied" in error
