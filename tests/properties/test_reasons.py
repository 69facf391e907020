"""What is said of each pick: numbers against plain loops, and a sentence for every method."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.features import Features
from mlipselect.selection import reasons as module
from mlipselect.selectors.registry import METHODS
from mlipselect.stores import fill
from reference.posterior import covariance, energy, observe

ACE = ms.ACE(["Si"], totaldegree=6)


def features(rows):
    return Features(rows, np.ones(len(rows), dtype=np.int64), sources=[("a.xyz", k) for k in range(len(rows))])


@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(1, 12), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_surroundings_are_those_of_plain_loops(seed, n, n_core, width):
    rng = np.random.default_rng(seed)
    X, core = rng.normal(size=(n, width)), rng.normal(size=(n_core, width)) + 1.0
    picks = rng.permutation(n)[: max(1, n // 3)]
    groups = [("low", slice(0, 1)), ("high", slice(1, width))][: 1 if width == 1 else 2]
    found = module.surroundings(X[picks], picks, X, np.arange(n), features(core), groups)
    unit = np.concatenate([X, core]).std(axis=0)
    covered = np.zeros(len(picks), dtype=int)
    for k in range(n):
        to_core = min(((X[k] - row) / unit) @ ((X[k] - row) / unit) for row in core)
        to_picks = [((X[k] - X[i]) / unit) @ ((X[k] - X[i]) / unit) for i in picks]
        if k not in picks and min(to_picks) < to_core:
            covered[int(np.argmin(to_picks))] += 1
    np.testing.assert_array_equal(found.covered, covered)
    for own, near, distance, group in zip(picks, found.nearest, found.distances, found.groups, strict=True):
        away = [np.sqrt((((X[own] - row) / unit) ** 2).mean()) for row in core]
        assert near == int(np.argmin(away))
        assert distance == pytest.approx(min(away))
        parts = [np.sqrt(((((X[own] - core[near]) / unit)[columns]) ** 2).mean()) for _, columns in groups]
        assert group.startswith(groups[int(np.argmax(parts))][0])


def shares(selector, X):
    return [float(re.search(r"by ([0-9.e+-]+) % of what was left", one)[1]) for one in selector.purposes(X)]


@given(st.integers(0, 10**6), st.sampled_from(["pool_variance", "pool_std"]), st.booleans())
@settings(max_examples=30, deadline=None)
def test_shares_are_those_of_what_was_left_before_each_pick(seed, score, has_target):
    rng = np.random.default_rng(seed)
    X, core, target = rng.normal(size=(20, 4)), rng.normal(size=(3, 4)), rng.normal(size=(6, 4))
    aim = target if has_target else X
    selector = ms.BayesianSelector(5, score=score, prior_precision=0.3)
    selector.fit(X, core=core, target=target if has_target else None)
    sigma, power = covariance(0.3 * np.eye(4), 1.0, core), 1.0 if score == "pool_variance" else 0.5
    for pick, said in zip(selector.selected_idx_, shares(selector, X), strict=True):
        before = (energy(sigma, 1.0, aim) ** power).mean()
        sigma = observe(sigma, 1.0, X[pick][None])
        assert said == pytest.approx(100 * (1 - (energy(sigma, 1.0, aim) ** power).mean() / before), rel=0.06)


def test_a_structure_in_core_and_pool_is_said_to_be_there(files):
    selection = ms.select("pool.xyz", 12, "pool.xyz", ACE)
    assert all("has the features of pool.xyz, frame" in reason for reason in selection.reasons)
    assert all("nearest of core and picks to 0 of 11 other candidates" in reason for reason in selection.reasons)


EXPECTED = {
    "bayesian": "lowers the mean variance of the energies of the pool most, by",
    "fps": "farthest from core and earlier picks, at the distance",
    "facility_location": "lowers the sum of the distances of the pool to core and picks most, by",
    "k_medoids": "represents a cluster of",
    "cur": "drawn in proportion to its leverage,",
    "random": "drawn at random;",
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_what_it_did(files, monkeypatch, method):
    monkeypatch.setattr(fill, "SHARD_BYTES", 5 * 25 * 8)
    selection = ms.select("pool.xyz", 4, "core.xyz", ACE, method=method)
    assert len(selection.reasons) == 4
    for reason in selection.reasons:
        assert reason.startswith(EXPECTED[method])
        lies = r"nearest in the core: core\.xyz, frame [1-4] \(kind_\d\), at the distance \d"
        assert re.search(lies, reason)
        assert re.search(r"nearest of core and picks to \d+ of 11 other candidates", reason)
    assert selection.record()["reasons"] == selection.reasons
    store = ms.featurize("pool.xyz", ACE, store="pool.features")
    assert ms.select(store, 4, "core.xyz", method=method).reasons == selection.reasons


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"score": "energy"}, "has the most uncertain energy; "),
        ({"score": "logdet"}, "carries the most information about the weights, "),
        ({"score": "force"}, "has the most uncertain force on an atom; "),
        ({"score": {"energy": 1.0, "stress": 2.0}}, "has the most uncertain energy, stress, weighted; "),
        ({"score": "pool_std"}, "lowers the mean standard deviation of the energies of the pool most, by "),
        ({"update": "forces", "score": "pool_variance"}, "lowers the mean variance of the energies of the pool most; "),
        ({"objective": "both"}, "lowers the mean variance of the energies and forces of the pool most, by "),
        ({"target": "core.xyz"}, "lowers the mean variance of the energies of the target most, by "),
        ({"max_atoms": 30}, "of what was left, of those that meet the limits; "),
        ({"method": "cur", "deterministic": True}, "has the largest leverage of those left, "),
        ({"method": "fps", "initialize": 3}, "given as the first pick; nearest of the picks to "),
        ({"method": "random", "stratify_by": "composition"}, "drawn at random"),
    ],
)
def test_the_first_pick_is_explained(files, options, said):
    core = None if "initialize" in options else "core.xyz"
    assert said in ms.select("pool.xyz", 2, core, ACE, **options).reasons[0]


def test_a_large_pool_is_looked_at_in_part(monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 50)
    rng = np.random.default_rng(0)
    X = features(rng.normal(size=(1000, 3)))
    selector = ms.BayesianSelector(2).fit(X)
    found = module.reasons(selector, X, None, None, str)
    share = [float(re.search(r"nearest of the picks to about ([0-9.]+) % of the candidates", one)[1]) for one in found]
    assert sum(share) == pytest.approx(100.0, abs=5.0)
    assert all("by about" in one for one in found)


def test_features_of_ace_are_named():
    for elements, degree, order in (
        (["Si"], 12, 3),
        (["Ni", "Mo"], 6, 3),
        (["Ni", "Mo"], [8, 6, 4], 3),
        (["Si"], 9, 1),
    ):
        ace = ms.ACE(elements, totaldegree=degree, order=order)
        groups = ace.feature_groups
        ends = [0, *(columns.stop for columns in groups.values())]
        assert [columns.start for columns in groups.values()] == ends[:-1]
        assert ends[-1] == ace.n_features
    # A dimer has distances only, a triangle two neighbours at most; a row belongs to its own element.
    ace = ms.ACE(["Ni", "Mo"], totaldegree=8)
    groups = ace.feature_groups
    from ase import Atoms

    triangle = Atoms("NiMo2", positions=[[0, 0, 0], [2.4, 0, 0], [0.3, 2.5, 0]])
    dimer = Atoms("NiMo", positions=[[0, 0, 0], [2.4, 0, 0]])
    nickel = {name for name, columns in groups.items() if ace.features(triangle)[0, columns].any()}
    assert nickel == {
        "the distances Ni-Mo", "the arrangement of two neighbours around Ni",
        "the arrangement of three neighbours around Ni",
    }  # fmt: skip
    of_dimer = {
        name for name, columns in groups.items() if np.abs(ace.features(dimer)[0, columns]).max(initial=0.0) > 1e-9
    }
    assert of_dimer == {"the distances Ni-Mo"}
    assert len(groups) == 3 + 2 + 2
    assert (groups["the arrangement of two neighbours around Ni"].stop
            - groups["the arrangement of two neighbours around Ni"].start) == 85  # fmt: skip


def test_the_command_says_reasons_where_asked(files, capsys):
    command = [
        "select",
        "pool.xyz",
        "--core",
        "core.xyz",
        "-n",
        "3",
        "--elements",
        "Si",
        "--totaldegree",
        "6",
        "-o",
        "o.xyz",
    ]
    assert main(command) == 0
    assert "nearest structure" not in capsys.readouterr().out
    assert main([*command, "--reasons"]) == 0
    printed = capsys.readouterr().out
    for rank, reason in enumerate(json.loads((files / "o.json").read_text())["reasons"], start=1):
        assert f"{rank}: {reason}." in printed


def test_files_of_the_core_have_the_shortest_names_that_tell_them_apart(files):
    folders = [files / "runs" / name for name in ("bulk", "slabs")]
    for folder, part in zip(folders, (ms.read("core.xyz")[1:3], ms.read("core.xyz")[3:]), strict=True):
        folder.mkdir(parents=True)
        ms.io.write_exact(folder / "core.xyz", part)
    reasons = ms.select("pool.xyz", 4, [folder / "core.xyz" for folder in folders], ACE).reasons
    assert all(re.search(r"nearest in the core: (bulk|slabs)/core\.xyz, frame", reason) for reason in reasons), reasons
