"""The example of a whole loop runs, and its potential gets better."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import ase.io

EXAMPLE = Path(__file__).parents[2] / "examples" / "active_learning.py"


def test_a_round_of_the_loop_makes_the_potential_better(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("active_learning", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "TOTALDEGREE", 6)
    history = example.run(tmp_path, 1, 3)
    assert history[1][0] == history[0][0] + 3
    assert history[1][1] < 0.5 * history[0][1]
    assert len(ase.io.read(tmp_path / "round-0.xyz", ":")) == 3
    assert len(ase.io.read(tmp_path / "round-0" / "002" / "POSCAR")) > 0
