"""A select that is killed goes on from its checkpoint, and ends with the file of an undisturbed run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.io import write_exact
from reference.structures import rattled

KILLS = 50
COMMAND = ["select", "features", "--core", "core.xyz", "-n", "120", "-q", "--max-memory", "500MB"]

#: Every decision is written down, and takes a while.
CODE = """
import sys, time
from mlipselect import checkpoint
from mlipselect.cli import main
def is_due(self):
    time.sleep(0.01)
    return True
checkpoint.Checkpoint.is_due = is_due
sys.exit(main([*sys.argv[1:], "--checkpoint", "picks.json", "-o", "parts.xyz"]))
"""


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """Make a store of 300 structures, a core, and the output of an undisturbed run."""
    monkeypatch.chdir(tmp_path)
    write_exact("pool.xyz", [rattled(seed) for seed in range(300)])
    write_exact("core.xyz", [rattled(seed) for seed in range(1000, 1005)])
    ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=6), store="features")
    return tmp_path


def start(*options):
    return subprocess.Popen([sys.executable, "-c", CODE, *COMMAND, *options], stderr=subprocess.PIPE, text=True)


def finish(run):
    """Wait for a run, and give its exit code and what it said."""
    error = run.communicate()[1]
    return run.returncode, error


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    # With something to look at after every pick, every pick is written down by itself.
    [["--stop-gain", "1e-9"], ["--method", "fps", "--stop-gain", "1e-9"], ["--max-atoms", "900"]],
)
def test_killed_at_random_moments(pool, options):
    assert main([*COMMAND, *options, "-o", "whole.xyz"]) == 0
    rng = np.random.default_rng(0)
    began = time.perf_counter()
    assert finish(start(*options)) == (0, "")
    whole = time.perf_counter() - began
    kills, went_on = 0, 0
    Path("picks.json").unlink()
    while kills < KILLS:
        if Path("picks.json").exists():
            before = json.loads(Path("picks.json").read_text())["decisions"]
            went_on += 0 < len(before) < 120
        run = start(*options)
        time.sleep(rng.uniform(0.3, 1.0) * whole)
        run.send_signal(signal.SIGKILL)
        code, error = finish(run)
        if code == -signal.SIGKILL:
            kills += 1
        else:
            assert (code, error) == (0, "")
            assert Path("parts.xyz").read_bytes() == Path("whole.xyz").read_bytes()
            Path("picks.json").unlink()
            Path("parts.xyz").unlink()
        for left in Path().glob(".mlipselect-*parts*"):
            left.unlink()
    assert went_on >= KILLS // 10
    assert finish(start(*options)) == (0, "")
    assert Path("parts.xyz").read_bytes() == Path("whole.xyz").read_bytes()
    assert Path("parts.json").read_bytes() == Path("whole.json").read_bytes()


@pytest.mark.slow
def test_no_room_for_the_checkpoint(pool):
    code = CODE.replace(
        "import sys, time",
        "import resource, signal, sys, time\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1200,) * 2)",
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *COMMAND, "--method", "fps"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "cannot be written: File too large" in run.stderr
    assert not Path("parts.xyz").exists()


@pytest.mark.slow
def test_terminated(pool):
    assert main([*COMMAND, "--stop-gain", "1e-9", "-o", "whole.xyz"]) == 0
    began = time.perf_counter()
    assert finish(start("--stop-gain", "1e-9")) == (0, "")
    whole = time.perf_counter() - began
    Path("picks.json").unlink()
    Path("parts.xyz").unlink()
    rng, codes = np.random.default_rng(0), []
    while 0 not in codes:
        run = start("--stop-gain", "1e-9")
        time.sleep(rng.uniform(0.5, 0.9) * whole)
        run.send_signal(signal.SIGTERM)
        code, error = finish(run)
        codes.append(code)
        # Before the command has begun the signal ends it as any other.
        assert code in (0, 143, -signal.SIGTERM), error
        if code == 143:
            assert "the same call goes on from it" in error or error == "mlipselect: interrupted\n"
        assert len(codes) < 50
    assert 143 in codes
    assert Path("parts.xyz").read_bytes() == Path("whole.xyz").read_bytes()
