"""Every method, through the function and through the command, with limits."""

from __future__ import annotations

import json
from collections import Counter

import ase.build
import ase.io
import numpy as np
import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.selection.limits import costs
from mlipselect.selectors.registry import METHODS, selector_parameters
from reference.posterior import prior_precision
from reference.structures import rattled

ACE = ["--totaldegree", "8", "--isolated", "config_type=isolated_atom"]


def valid_json(path):
    """Read JSON as those read it who do not know NaN and Infinity."""
    return json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("has_core", [True, False])
def test_a_method_is_its_selector(files, capsys, method, has_core):
    core = ["--core", "core.xyz"] if has_core else []
    assert main(["select", "pool.xyz", *core, *ACE, "--method", method, "-n", "5", "-o", "out.xyz"]) == 0
    assert f"by {method}" in capsys.readouterr().out
    descriptor = ms.ACE(["Si"], totaldegree=8)
    X = ms.featurize("pool.xyz", descriptor)
    X_core = ms.featurize(ms.read("core.xyz")[1:], descriptor) if has_core else None
    by_hand = METHODS[method](5).fit(X, core=X_core)
    record = valid_json(files / "out.json")
    assert record["indices"] == by_hand.selected_idx_.tolist()
    assert record["scores"] == [s if np.isfinite(s) else None for s in by_hand.scores_.tolist()]
    assert record["parameters"]["method"] == method
    names = selector_parameters(by_hand)
    assert all(record["parameters"][name] == value for name, value in names.items() if value is not None)
    for atoms, score in zip(ase.io.read("out.xyz", ":"), record["scores"], strict=True):
        assert atoms.info.get("mlipselect_score") == score

    # What the picks tell is measured alike for all.
    known = np.zeros((0, 54)) if X_core is None else X_core.per_structure
    precision = np.diag(prior_precision(1e-4, known, X.per_structure)) + known.T @ known
    before = np.linalg.slogdet(precision)[1]
    for k, index in enumerate(record["indices"]):
        precision = precision + np.outer(X.per_structure[index], X.per_structure[index])
        assert record["information"][k] == pytest.approx((np.linalg.slogdet(precision)[1] - before) / 2, rel=1e-6)


def test_parameters_of_methods_reach_them(files):
    arguments = ["--method", "fps", "--metric", "cosine", "--scale", "none"]
    main(["select", "pool.xyz", *ACE, *arguments, "-n", "5", "-o", "out.xyz", "-q"])
    X = ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=8))
    expected = ms.FPS(5, metric="cosine", scale="none").fit(X)
    assert valid_json(files / "out.json")["indices"] == expected.selected_idx_.tolist()


@pytest.mark.parametrize(
    ("method", "start", "made"),
    [
        ("fps", "3", lambda: ms.FPS(5, initialize=3)),
        ("k_medoids", "build", lambda: ms.KMedoids(5, initialize="build")),
        ("k_medoids", "k_medoids++", lambda: ms.KMedoids(5, initialize="k_medoids++", random_state=7)),
    ],
)
def test_starts_and_seeds_of_the_command_line_reach_the_selectors(files, method, start, made):
    arguments = ["--method", method, "--initialize", start, "--random-state", "7", "--no-progress"]
    main(["select", "pool.xyz", *ACE, *arguments, "-n", "5", "-o", "out.xyz", "-q"])
    expected = made().fit(ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=8)))
    assert valid_json(files / "out.json")["indices"] == expected.selected_idx_.tolist()


@pytest.mark.parametrize("random_state", [None, np.random.default_rng(3)])
def test_the_seed_of_fresh_entropy_and_of_a_generator_is_recorded(files, random_state):
    how = {"n": 5, "method": "random", "descriptor": ms.ACE(["Si"], totaldegree=6)}
    selection = ms.select("pool.xyz", random_state=random_state, **how)
    seed = selection.record()["parameters"]["random_state"]
    assert isinstance(seed, int)
    assert ms.select("pool.xyz", random_state=seed, **how).indices.tolist() == selection.indices.tolist()


def test_strata(files):
    pool = [ase.build.bulk(name, "diamond", a=5.5) for name in ("Si", "Ge", "C") for _ in range(3)]
    pool[0] *= (2, 1, 1)
    for index, atoms in enumerate(pool):
        atoms.info["config_type"] = f"kind {index % 3}"
    constant = {"method": "random", "descriptor": lambda atoms: np.ones((len(atoms), 2))}
    by_composition = ms.select(pool, 3, stratify_by="composition", **constant).indices
    np.testing.assert_array_equal(np.sort(by_composition // 3), [0, 1, 2])
    by_kind = ms.select(pool, 3, stratify_by="config_type", **constant).indices
    np.testing.assert_array_equal(np.sort(by_kind % 3), [0, 1, 2])
    with pytest.raises(InvalidInputError, match="stratify_by: expected only with the method random, got bayesian"):
        ms.select(pool, 3, stratify_by="composition")


def test_limits_are_kept_and_told(files, capsys):
    pool = ms.read("pool.xyz")
    kinds = [atoms.info["config_type"] for atoms in pool]
    for method in ("bayesian", "fps", "facility_location", "cur", "random"):
        limits = ["--groups", "config_type", "--max", "2", "--max-atoms", "40", "--cost", "natoms^3"]
        limits += ["--max-cost", "2000", "--min-distance", "1e-3"]
        command = ["select", "pool.xyz", "--core", "core.xyz", *ACE, "--method", method, *limits]
        assert main([*command, "-n", "4", "-o", "out.xyz"]) == 0
        out = capsys.readouterr().out
        chosen = valid_json(files / "out.json")["indices"]
        sizes = np.array([len(pool[i]) for i in chosen])
        assert max(Counter(kinds[i] for i in chosen).values()) <= 2
        assert sizes.sum() <= 40
        assert (sizes**3).sum() <= 2000
        assert f"cost {sizes.sum()} of at most 40" in out
        assert f"cost {(sizes**3).sum()} of at most 2000" in out
        assert "candidates passed over as near-duplicates" in out
        assert ("of 4 structures selected: no other candidate meets the limits" in out) == (len(chosen) < 4)


def test_a_stop_is_told(files, capsys):
    command = ["select", "pool.xyz", *ACE, "--stop-gain", "0.3", "-n", "12", "-o", "out.xyz"]
    assert main(command) == 0
    scores = valid_json(files / "out.json")["scores"]
    assert len(scores) < 12
    assert min(scores) >= 0.3 * scores[0]
    assert f"{len(scores)} of 12 structures selected: the next gain is below stop_gain" in capsys.readouterr().out


def test_groups_by_composition_and_duplicates_of_the_core(files):
    pool = ms.read("pool.xyz")
    chosen = ms.select(pool, 1, descriptor=ms.ACE(["Si"], totaldegree=8), groups="composition", max_per_group=1)
    assert len(chosen) == 1
    with pytest.raises(InvalidInputError, match="expected at most 1 pick, got 2"):
        ms.select(pool, 2, descriptor=ms.ACE(["Si"], totaldegree=8), groups="composition", max_per_group=1)
    again = ms.select(pool[:3], 2, core=pool[:2], descriptor=ms.ACE(["Si"], totaldegree=8), min_distance=1e-6)
    assert again.indices.tolist() == [2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "guess"}, "method: expected one of bayesian, .*got 'guess'"),
        ({"method": "fps", "score": "energy"}, "score: expected only with the method bayesian, got fps"),
        ({"method": "k_medoids", "max_atoms": 10}, "chooses its structures together"),
        ({"max_per_group": 1}, "expected `groups` with it, got none"),
        ({"cost": "natoms^3"}, "cost: expected `max_cost` with it, got none"),
        ({"cost": "atoms", "max_cost": 1.0}, "expected natoms or a power of it such as natoms\\^3, got 'atoms'"),
    ],
)
def test_what_does_not_fit_together_is_refused(files, options, message):
    with pytest.raises(InvalidInputError, match=message):
        ms.select("pool.xyz", 2, descriptor=ms.ACE(["Si"], totaldegree=6), **options)


@pytest.mark.parametrize("method", ["bayesian", "k_medoids"])
def test_groups_alone_limit_nothing_and_are_counted(files, method, capsys):
    pool = ms.read("pool.xyz")
    for k, atoms in enumerate(pool):
        atoms.info["plane"] = ["", "100", "111"][min(k % 4, 2)]
    ms.io.write_exact("planes.xyz", pool)
    descriptor = ms.ACE(["Si"], totaldegree=6)
    found = ms.select("planes.xyz", 5, descriptor=descriptor, method=method, groups="plane", random_state=0)
    plain = ms.select("planes.xyz", 5, descriptor=descriptor, method=method, random_state=0)
    assert found.indices.tolist() == plain.indices.tolist()
    assert not any("limits" in reason for reason in found.reasons)
    planes = [pool[index].info["plane"] for index in found.indices]
    counts = {name: planes.count(name) for name in ("", "100", "111")}
    assert f"picks by plane: 111 {counts['111']} of 6, empty {counts['']} of 3, 100 {counts['100']} of 3" in found.notes
    argv = ["select", "planes.xyz", "-n", "5", "--method", method, "--groups", "plane", "--totaldegree", "6"]
    assert main([*argv, "--random-state", "0", "-o", "out.xyz", "--report", "page.html"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["rank", "index", "file", "frame", "plane", "score", "information"]
    assert [row.split()[4] for row in rows[:5]] == [plane or "empty" for plane in planes]
    page = (files / "page.html").read_text()
    assert "picks by plane: 111" in page
    assert "Structures by plane" in page


def test_more_groups_than_are_listed_are_put_together():
    pool = [rattled(seed) for seed in range(16)]
    for k, atoms in enumerate(pool):
        atoms.info["run"] = max(k - 1, 0)
    found = ms.select(pool, 2, descriptor=ms.ACE(["Si"], totaldegree=4), groups="run", method="random", random_state=1)
    [note] = [note for note in found.notes if note.startswith("picks by run: 0 ")]
    listed = [index for index in found.indices if index < 13]
    assert note.endswith(f", 3 other groups {2 - len(listed)} of 3")


def test_a_structure_without_a_group_is_named(files):
    pool = ms.read("pool.xyz")
    del pool[3].info["config_type"]
    with pytest.raises(StructureError, match="structure 3: expected a key 'config_type', its keys are"):
        ms.select(pool, 2, descriptor=ms.ACE(["Si"], totaldegree=6), groups="config_type", max_per_group=1)


def test_costs():
    np.testing.assert_array_equal(costs("natoms", [1, 8]), [1, 8])
    np.testing.assert_array_equal(costs(" natoms**1.5", [4, 9]), [8, 27])
    np.testing.assert_array_equal(costs([0.5, 2], [1, 8]), [0.5, 2])
