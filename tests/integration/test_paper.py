"""The paper's experiment in small: it runs, and a second run goes on where the first stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlipselect.io import write_exact
from reference.structures import rattled

ROOT = Path(__file__).parents[2]


def structures(seeds, kinds):
    """Labelled crystals of the kinds that the data has."""
    out = []
    for seed in seeds:
        atoms = rattled(seed)
        atoms.info |= {"config_type": kinds[seed % len(kinds)], "dft_virial": np.eye(3), "dft_energy": -1300.0 + seed}
        out.append(atoms)
    return out


@pytest.mark.skipif(not (ROOT / "benches").is_dir(), reason="the benchmarks are not in an installed package")
def test_a_stopped_run_goes_on(tmp_path):
    pytest.importorskip("matplotlib")
    write_exact(tmp_path / "core.xyz", structures(range(100, 104), ["dia"]))
    write_exact(tmp_path / "surface_pool.xyz", structures(range(8), ["surface_001", "surface_110"]))
    command = [sys.executable, "-m", "benches.paper", "--data", tmp_path, "--descriptors", "ACE S", "--no-surfaces"]
    command += ["--picks", "2", "--seeds", "1", "-o", tmp_path / "out"]
    tables = []
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        tables.append((tmp_path / "out" / "results.csv").read_text())
        kept = tmp_path / "out" / "results.jsonl"
        n_lines = kept.read_text().count("\n")
        # As if it had been stopped while it wrote.
        kept.write_text(kept.read_text()[: len(kept.read_text()) // 2])
    assert tables[0] == tables[1]
    assert n_lines > tables[1].count("\n") // 2
    assert {path.suffix for path in (tmp_path / "out").glob("figure-*")} == {".png", ".svg"}
    assert (tmp_path / "out" / "relative-energy-rmse.md").read_text().count("\n") == 3 + 10


@pytest.mark.skipif(not (ROOT / "benches").is_dir(), reason="the benchmarks are not in an installed package")
def test_a_regression_is_seen(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benches.paper.__main__ import worse_than_random
    from benches.paper.results import Result

    def results(*energies):
        bayesian = [Result("ACE M", "Bayesian, energy", 0, 20, energy, 0.1, 2.1, 1.5) for energy in energies]
        return bayesian + [Result("-", "random", seed, 20, 5.0 + seed, 0.1, 2.1, 1.5) for seed in range(3)]

    assert worse_than_random(results(5.5)) == []
    assert worse_than_random(results(6.0)) == ["ACE M, n = 20: 6.00 meV/atom against 6.00"]
    assert worse_than_random(results(float("nan"))) == ["ACE M, n = 20: nan meV/atom against 6.00"]
    assert worse_than_random(results()) == ["no selection of 20 or 50 structures was measured"]
