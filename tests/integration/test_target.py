"""Selections for a target, from files to the record: the same picks wherever pool and target are."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from ase import Atoms

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io import write_exact
from mlipselect.io.digest import sha256
from mlipselect.stores import FeatureStore, fill
from reference.structures import rattled

ACE = ms.ACE(["Si"], totaldegree=6)
FLAGS = ["--elements", "Si", "--totaldegree", "6", "-q"]


@pytest.fixture
def aimed(files):
    """Write five structures of two kinds as a target, with an isolated atom among them."""
    frames = [rattled(seed) for seed in range(200, 205)]
    for k, atoms in enumerate(frames):
        atoms.info.update(kind="ab"[k > 1], weight=[2.0, 0.0, 1.0, 1.0, 3.0][k])
    write_exact("target.xyz", [frames[0], Atoms("Si", info={"config_type": "isolated_atom"}), *frames[1:]])
    return files


def by_hand(weights=None, **how):
    """Select with the selector, from features that are made here."""
    pool, core, target = (ms.read(f"{name}.xyz") for name in ("pool", "core", "target"))
    core, target = core[1:], [atoms for atoms in target if len(atoms) > 1]
    X, X_core, X_target = (ms.featurize(part, ACE) for part in (pool, core, target))
    made = {"designs": pool, "core_designs": core, "target_designs": target}
    designs = {name: ms.Designs(part, ACE) for name, part in made.items()}
    selector = ms.BayesianSelector(4, **how)
    return selector.fit(X, core=X_core, target=X_target, target_weights=weights, **designs).selected_idx_.tolist()


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({}, None),
        ({"target_weights": "weight"}, [2.0, 0.0, 1.0, 1.0, 3.0]),
        ({"target_weights": [1.0, 2.0, 3.0, 4.0, 5.0]}, [1.0, 2.0, 3.0, 4.0, 5.0]),
        ({"target_groups": "kind"}, [1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3]),
        ({"target_groups": "kind", "target_weights": {"a": 4.0, "b": 0.0}}, [2.0, 2.0, 0.0, 0.0, 0.0]),
    ],
)
def test_weights_are_those_of_structures_and_groups(aimed, options, weights):
    selection = ms.select("pool.xyz", 4, "core.xyz", ACE, target="target.xyz", **options)
    assert selection.indices.tolist() == by_hand(weights)


@pytest.mark.parametrize("update", ["structure", "forces", "stress"])
@pytest.mark.parametrize("objective", ["energy", "forces", "both"])
def test_objectives_and_updates_reach_the_selector(aimed, objective, update):
    how = {"objective": objective, "update": update}
    assert ms.select("pool.xyz", 4, "core.xyz", ACE, target="target.xyz", **how).indices.tolist() == by_hand(**how)


def test_the_picks_are_the_same_wherever_pool_and_target_are(aimed):
    plain = ms.select("pool.xyz", 4, "core.xyz", ACE, target="target.xyz", target_groups="kind")
    assert plain.indices.tolist() != ms.select("pool.xyz", 4, "core.xyz", ACE).indices.tolist()
    store = ms.featurize("pool.xyz", ACE, store="pool.features")
    ms.featurize("target.xyz", ACE, isolated="config_type=isolated_atom", store="target.features")
    in_memory = [atoms for atoms in ms.read("target.xyz") if len(atoms) > 1]
    for pool in ("pool.xyz", store):
        for target in ("target.xyz", "target.features", in_memory):
            found = ms.select(pool, 4, "core.xyz", ACE, target=target, target_groups="kind")
            assert found.indices.tolist() == plain.indices.tolist()
            np.testing.assert_allclose(found.scores, plain.scores, rtol=1e-10)
    ms.featurize(in_memory, ACE).save("target.npz")
    unweighted = ms.select("pool.xyz", 4, "core.xyz", target="target.npz", progress=False)
    assert unweighted.descriptor.totaldegree == ACE.totaldegree
    assert (
        unweighted.indices.tolist() == ms.select("pool.xyz", 4, "core.xyz", ACE, target="target.xyz").indices.tolist()
    )


def test_a_store_as_target_is_read_in_parts(aimed, monkeypatch):
    monkeypatch.setattr(fill, "SHARD_BYTES", 2 * 25 * 8)
    ms.featurize("target.xyz", ACE, isolated="config_type=isolated_atom", store="target.features")
    plain = ms.select("pool.xyz", 4, "core.xyz", ACE, target="target.xyz")
    monkeypatch.setattr(FeatureStore, "load", lambda _: pytest.fail("the target is read into memory"))
    for score in ("pool_variance", "pool_std"):
        how = {"score": score, "checkpoint": f"{score}.json"}
        found = ms.select("pool.xyz", 4, "core.xyz", ACE, target="target.features", **how)
        of_files = ms.select("pool.xyz", 4, "core.xyz", ACE, target="target.xyz", score=score)
        assert found.indices.tolist() == of_files.indices.tolist()
    assert found.inputs["target"]["candidates"] == 5
    assert plain.inputs["target"]["files"] == found.inputs["target"]["files"]
    with pytest.raises(InvalidInputError, match="has features of type float64, those of the pool are float32"):
        ms.select("pool.xyz", 4, "core.xyz", ACE, target="target.features", dtype="float32")


def test_elements_that_no_column_stands_for_are_refused(files):
    ace = ms.ACE(["Ni", "Mo", "Fe"], totaldegree=3)
    pair = [[0, 0, 0], [0, 0, 2.2]]
    pool = [Atoms(symbols, positions=pair) for symbols in ("Ni2", "NiMo", "Mo2")]
    iron = ms.featurize([Atoms("Fe2", positions=pair)], ace)
    with pytest.raises(InvalidInputError, match="the target has Fe, but neither pool nor core"):
        ms.select(pool, 1, descriptor=ace, target=iron)


def test_forces_of_a_target_count_beside_a_pool_that_is_a_store(aimed):
    store = ms.featurize("pool.xyz", ACE, store="pool.features")
    found = ms.select(store, 4, "core.xyz", target="target.xyz", objective="forces")
    plain = ms.select("pool.xyz", 4, "core.xyz", ACE, target="target.xyz", objective="forces")
    assert found.indices.tolist() == plain.indices.tolist()


def test_several_compositions_have_the_same_columns(files):
    pool = [Atoms("NiMo" if k % 2 else "Ni2", positions=[[0, 0, 0], [0, 0, 2 + 0.1 * k]]) for k in range(8)]
    target = [Atoms("Mo2", positions=[[0, 0, 0], [0, 0, 2.2]])]
    write_exact("alloy.xyz", pool)
    write_exact("molybdenum.xyz", target)
    ace = ms.ACE(["Ni", "Mo"], totaldegree=4)
    selection = ms.select("alloy.xyz", 3, descriptor=ace, target="molybdenum.xyz")
    store = ms.featurize("alloy.xyz", ace, store="alloy.features")
    assert ms.select(store, 3, target="molybdenum.xyz").indices.tolist() == selection.indices.tolist()
    assert selection.indices[0] % 2 == 1
    write_exact("iron.xyz", [Atoms("Fe2", positions=[[0, 0, 0], [0, 0, 2.2]])])
    with pytest.raises(StructureError, match=r"iron\.xyz, frame 0: atom 0 has atomic number 26"):
        ms.select("alloy.xyz", 3, descriptor=ace, target="iron.xyz")


def test_the_command_records_the_target(aimed):
    command = ["select", "pool.xyz", "--core", "core.xyz", "-n", "4", *FLAGS, "-o", "out.xyz", "--target", "target.xyz"]
    assert main([*command, "--target-groups", "kind", "--target-weights", "a=4", "b=0"]) == 0
    record = json.loads((aimed / "out.json").read_text())
    options = {"target_groups": "kind", "target_weights": {"a": 4.0, "b": 0.0}}
    by_call = ms.select("pool.xyz", 4, "core.xyz", ACE, target="target.xyz", **options)
    assert record["indices"] == by_call.indices.tolist()
    file = {"path": "target.xyz", "sha256": sha256("target.xyz")}
    assert record["inputs"]["target"] == {"files": [file], "candidates": 5, "isolated": 1}
    assert record["parameters"]["objective"] == "energy"
    assert record["parameters"]["target_groups"] == "kind"
    assert main([*command, "--target-weights", "weight"]) == 0
    record = json.loads((aimed / "out.json").read_text())
    assert record["indices"] == by_hand([2.0, 0.0, 1.0, 1.0, 3.0])


def test_no_file_of_a_target_is_replaced(aimed, capsys):
    before = (aimed / "target.xyz").read_bytes()
    assert main(["select", "pool.xyz", "-n", "2", *FLAGS, "--target", "target.xyz", "-o", "target.xyz"]) == 1
    assert "target.xyz" in capsys.readouterr().err
    assert (aimed / "target.xyz").read_bytes() == before


def test_a_checkpoint_belongs_to_its_target(aimed):
    how = {"checkpoint": "picks.json", "descriptor": ACE, "target": "target.xyz"}
    first = ms.select("pool.xyz", 4, **how)
    again = ms.select("pool.xyz", 4, **how)
    assert again.scores.tolist() == first.scores.tolist()
    with pytest.raises(InvalidInputError, match="the checkpoint of another selection: target was"):
        ms.select("pool.xyz", 4, **how, target_weights="weight")
    with pytest.raises(InvalidInputError, match="target was") as told:
        ms.select("pool.xyz", 4, **how | {"target": "core.xyz"})
    was, now = re.search("target was (.*) and is (.*); name another", str(told.value)).groups()
    assert json.loads(was)["rows"]["shape"] != json.loads(now)["rows"]["shape"]


def test_a_target_is_looked_at_like_a_pool(aimed):
    short = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 0.4]])
    write_exact("short.xyz", [rattled(1), short])
    with pytest.raises(InvalidInputError, match=r"short\.xyz, frame 1"):
        ms.select("pool.xyz", 2, descriptor=ACE, target="short.xyz", min_bond=0.5)
    passed = ms.select("pool.xyz", 2, descriptor=ACE, target="short.xyz", min_bond=0.5, skip_bad=True)
    assert [(item.source, item.index) for item in passed.rejected] == [("short.xyz", 1)]
    assert passed.inputs["target"]["candidates"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "energy"}, "target: expected the method bayesian with the score pool_variance or pool_std"),
        ({"method": "fps"}, "target: expected the method bayesian .*, got fps"),
        ({"shard": "1/1"}, "target: not with `shard`"),
        ({"target_groups": "kind", "target_weights": {"a": 1.0}}, "expected a weight for each group, got none for b"),
        (
            {"target_groups": "kind", "target_weights": ["a=1", "b=1", "d=2"]},
            "expected groups of the target, a, b, got d",
        ),
        (
            {"target_groups": "kind", "target_weights": ["a=1", "b=1", "a=7"]},
            "expected one weight for each group, got several for a",
        ),
        ({"target_groups": "kind", "target_weights": [1.0] * 5}, "expected weights of groups with `target_groups`"),
        ({"target_weights": {"a": 1.0}}, "expected `target_groups` with weights of groups"),
        ({"target_weights": "kind"}, r"expected a number for target\.xyz, frame 0 \(kind_2\), got 'a'"),
        ({"target_weights": ["a=1", "weight"], "target_groups": "kind"}, "expected one key, or GROUP=WEIGHT"),
        ({"target_weights": "none"}, "target.xyz, frame 0: expected a key 'none'"),
        ({"target_weights": [1.0, np.nan, 1.0, 1.0, 1.0]}, "finite numbers of at least 0, got nan for structure 1"),
        ({"target_weights": [1.0, 1.0, np.inf, 1.0, 1.0]}, "finite numbers of at least 0, got inf for structure 2"),
        ({"target_weights": [0.0] * 5}, "expected a weight above 0, got 0 for all structures"),
        ({"target_weights": [1.0]}, "expected one weight for each of 5 structures"),
        ({"target": None, "target_weights": "weight"}, "target_weights: expected `target` with it"),
        ({"target": "absent.xyz"}, "absent.xyz"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(aimed, options, message):
    pool = "pool.xyz"
    if "shard" in options:
        pool = ms.featurize("pool.xyz", ACE, store="pool.features")
    given = {"target": "target.xyz", "descriptor": ACE, **options}
    with pytest.raises((InvalidInputError, StructureError), match=message):
        ms.select(pool, 3, **given)


def test_described_targets_lack_what_only_files_have(aimed):
    in_memory = [atoms for atoms in ms.read("target.xyz") if len(atoms) > 1]
    ms.featurize(in_memory, ACE).save("target.npz")
    with pytest.raises(InvalidInputError, match=r"target\.npz: keeps no key 'kind'"):
        ms.select("pool.xyz", 3, target="target.npz", target_groups="kind")
    with pytest.raises(InvalidInputError, match=r"target\.npz: an objective with forces needs the structures"):
        ms.select("pool.xyz", 3, target="target.npz", objective="forces")
    store = ms.featurize("pool.xyz", ACE, store="pool.features")
    with pytest.raises(InvalidInputError, match="need structures as pool, not a store"):
        ms.select(store, 3, objective="forces")
