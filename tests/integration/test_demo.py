"""The embedded demonstration: what it builds, what it writes, and that its numbers are honest."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.demo import compare_with_random, silicon_core, silicon_pool
from mlipselect.io import differences
from mlipselect.selectors.registry import METHODS
from reference.posterior import prior_precision


def test_structures_come_from_the_seed():
    for build in (silicon_core, silicon_pool):
        first, again, other = build(1), build(1), build(2)
        assert not any(differences(a, b) for a, b in zip(first, again, strict=True))
        assert all(differences(a, b) for a, b in zip(first, other, strict=True))


def test_the_pool_is_what_it_says():
    pool = silicon_pool()
    assert 180 <= len(pool) <= 220
    assert {atoms.info["config_type"] for atoms in pool} == {"surface_100", "surface_110", "surface_111"}
    assert len({(len(atoms), atoms.info["config_type"]) for atoms in pool}) >= 6
    for before, atoms in itertools.pairwise(pool):
        if atoms.info["near_duplicate"]:
            assert 0.0 < np.abs(atoms.positions - before.positions).max() < 0.1
        lengths = atoms.get_all_distances(mic=True)[np.triu_indices(len(atoms), 1)]
        assert lengths.min() > 1.2


def test_demo_runs_and_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "-o", "here/selected.xyz"]) == 0
    text = capsys.readouterr().out
    worse = re.search(r"core and 20 by the default +\S+ +(\d+) of 20 ", text)
    assert int(worse[1]) >= 18, "the default is not better than nine of ten random draws"
    for word in ("near-duplicates", "information gained", "largest sd", "random, median", "time:", *METHODS):
        assert word in text
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == [
        "demo-core.xyz",
        "demo-pool.xyz",
        "selected.html",
        "selected.json",
        "selected.xyz",
    ]
    chosen = ms.read("here/selected.xyz")
    assert [atoms.info["mlipselect_rank"] for atoms in chosen] == list(range(1, 21))
    assert text.splitlines()[-1].startswith("open here/selected.html in a browser")
    assert "20 of 200 candidates" in (tmp_path / "here" / "selected.html").read_text()
    command = text.splitlines()[-2].split()
    before = (tmp_path / "here" / "selected.xyz").read_bytes()
    assert main(command[1:]) == 0
    assert (tmp_path / "here" / "selected.xyz").read_bytes() == before
    assert main(["demo", "-o", "there", "--random-state", "3", "-q"]) == 0
    assert (tmp_path / "there" / "selected.xyz").exists()


def test_the_comparison_measures_what_it_says():
    core, pool = silicon_core()[:10], silicon_pool()[:60:3]
    selection = ms.select(pool, 4, core, ms.ACE(["Si"], totaldegree=6), score="energy")
    chosen = {"ours": selection.indices}
    comparison = compare_with_random(selection.features, selection.core_features, chosen, n_draws=30)
    assert comparison.chosen["ours"].information == pytest.approx(selection.information[-1], rel=1e-8)
    assert comparison.before == pytest.approx(np.sqrt(selection.scores[0]), rel=1e-8)
    draws = [tuple(worth.picks) for worth in comparison.random]
    assert len(set(draws)) == 30
    assert all(len(set(draw)) == 4 for draw in draws)

    X, X_core = selection.features.per_structure, selection.core_features.per_structure
    alpha = np.diag(prior_precision(1e-4, X, X_core))
    rows = np.concatenate([X_core, X[list(draws[0])]])
    covariance = np.linalg.inv(alpha + rows.T @ rows)
    deviations = np.sqrt(np.einsum("ij,jk,ik->i", X, covariance, X))
    assert comparison.random[0].largest_sd == pytest.approx(deviations.max(), rel=1e-6)
    assert comparison.random[0].mean_sd == pytest.approx(deviations.mean(), rel=1e-6)
