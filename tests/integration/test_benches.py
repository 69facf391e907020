"""The benchmark that reaches behind the public interface still runs; what it prints is not looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCALE = Path(__file__).parents[2] / "benches" / "python" / "scale.py"
METHODS = ["energy", "fps", "pool_variance", "pool_std", "facility"]


def test_scale_runs_with_every_method():
    sizes = ["--rows", "3000", "--features", "4", "--picks", "3"]
    command = [sys.executable, SCALE, *sizes, "--methods", *METHODS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for method in METHODS:
        [line] = [line for line in done.stdout.splitlines() if line.strip().startswith(f"{method} ")]
        assert "3/3" in line
