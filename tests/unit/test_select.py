"""`select`: the whole way in one call."""

from __future__ import annotations

import json
import logging

import ase.io
import numpy as np
import pytest
from ase import Atoms

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io import differences
from reference.structures import rattled


def toy(atoms):
    return np.column_stack([np.sin(atoms.positions), np.cos(atoms.positions), atoms.numbers])


@pytest.mark.parametrize("update", ["structure", "atoms"])
@pytest.mark.parametrize("score", ["energy", "pool_variance"])
def test_it_is_the_parts_put_together(files, score, update):
    rows = "atoms" if update == "atoms" else "structure"
    X = ms.featurize("pool.xyz", toy, rows=rows)
    X_core = ms.featurize(ms.read("core.xyz")[1:], toy, rows=rows)
    by_hand = ms.BayesianSelector(5, score=score, update=update).fit(X, core=X_core)
    selection = ms.select(
        "pool.xyz", 5, "core.xyz", toy, score=score, update=update, isolated="config_type=isolated_atom"
    )
    assert np.array_equal(selection.indices, by_hand.selected_idx_)
    assert np.array_equal(selection.scores, by_hand.scores_)
    assert np.array_equal(selection.information, by_hand.information_)
    assert np.array_equal(selection.features, X)
    assert len(selection) == 5


def test_however_structures_are_given(files):
    pool, core = ms.read("pool.xyz"), ms.read("core.xyz")
    expected = ms.select("pool.xyz", 4, "core.xyz", toy).indices
    for given_pool, given_core in [(pool, core), (iter(pool), iter(core)), (["pool.xyz"], files / "core.xyz")]:
        assert np.array_equal(ms.select(given_pool, 4, given_core, toy).indices, expected)
    assert len(ms.select("pool.xyz", 3, descriptor=toy)) == 3
    assert len(ms.select("pool.xyz", 3, core[0], toy)) == 3


def test_structures_carry_their_provenance(files):
    ase.io.write("more.xyz", [rattled(seed) for seed in range(20, 23)])
    selection = ms.select(["pool.xyz", "more.xyz"], 15, descriptor=toy)
    whole = ms.read(["pool.xyz", "more.xyz"])
    for rank, atoms in enumerate(selection.structures, start=1):
        index = selection.indices[rank - 1]
        assert differences(atoms, whole[index], ignore="mlipselect_") == []
        assert atoms.info["mlipselect_rank"] == rank
        assert atoms.info["mlipselect_score"] == selection.scores[rank - 1]
        file, frame = ("pool.xyz", index) if index < 12 else ("more.xyz", index - 12)
        assert (atoms.info["mlipselect_source"], atoms.info["mlipselect_index"]) == (file, frame)
    assert "mlipselect_source" not in ms.select(whole, 1, descriptor=toy).structures[0].info
    assert not any(key.startswith("mlipselect_") for atoms in whole for key in atoms.info)


def test_a_selection_can_be_selected_from_again(files):
    ms.select("pool.xyz", 6, descriptor=toy, output="first.xyz")
    second = ms.select("first.xyz", 2, descriptor=toy)
    assert [atoms.info["mlipselect_source"] for atoms in second.structures] == ["first.xyz"] * 2


def test_isolated_atoms_pass_through(files):
    isolated = [
        Atoms(symbol, info={"config_type": "isolated_atom", "e0": e0}) for symbol, e0 in [("Si", 0.1), ("O", 1 / 3)]
    ]
    ms.io.write_exact("with.xyz", [isolated[0], *ms.read("pool.xyz"), isolated[1]])
    mark = "config_type=isolated_atom"
    plain = ms.select("pool.xyz", 4, "core.xyz", toy, isolated=mark)
    selection = ms.select("with.xyz", 4, "core.xyz", toy, isolated=mark, output="out.xyz")
    assert np.array_equal(selection.indices, plain.indices + 1)
    assert np.array_equal(selection.scores, plain.scores)
    written = ms.read("out.xyz")
    assert len(written) == 2 + 4
    for atoms, original in zip(written[:2], isolated, strict=True):
        assert differences(atoms, original, ignore="mlipselect_") == []
        assert atoms.info["mlipselect_isolated"]
        assert "mlipselect_rank" not in atoms.info
    assert [atoms.info["mlipselect_index"] for atoms in written[:2]] == [0, 13]
    record = json.loads((files / "out.json").read_text())
    assert record["isolated"] == [["with.xyz", 0], ["with.xyz", 13]]
    assert record["inputs"]["pool"]["isolated"] == 2
    with pytest.raises(InvalidInputError, match="n: expected between 1 and 12, the number of candidates in the pool"):
        ms.select("with.xyz", 13, descriptor=toy, isolated=mark)


def test_a_core_of_isolated_atoms_only_is_no_core(files):
    atom = Atoms("Si", info={"config_type": "isolated_atom"})
    selection = ms.select("pool.xyz", 3, [atom], toy, isolated="config_type=isolated_atom")
    assert np.array_equal(selection.indices, ms.select("pool.xyz", 3, descriptor=toy).indices)
    assert selection.core_features is None


def test_a_mark_that_nothing_carries_is_pointed_out(files, caplog):
    with caplog.at_level(logging.WARNING, logger="mlipselect"):
        ms.select("pool.xyz", 2, descriptor=toy, isolated="config_type=isolated")
    assert "no structure has config_type=isolated" in caplog.text


def test_compositions_bring_element_columns(files):
    pool = [rattled(seed, element=element) for seed in range(4) for element in ("Si", "Ge")]
    selection = ms.select(pool, 3, descriptor=toy)
    assert selection.parameters["composition"] == ["Si", "Ge"]
    assert selection.features.shape == (8, 7 + 2)
    assert ms.select(pool, 3, descriptor=toy, composition=False).features.shape == (8, 7)
    assert ms.select("pool.xyz", 3, descriptor=toy).features.shape == (12, 7)
    with_core = ms.select("pool.xyz", 3, [rattled(1, element="Ge")], toy, composition=True)
    assert with_core.features.composition == with_core.core_features.composition == ("Si", "Ge")
    assert with_core.features.composition_scale == with_core.core_features.composition_scale


def test_the_default_descriptor_sees_pool_and_core(files):
    selection = ms.select("pool.xyz", 2, [rattled(1, element="Ge")])
    assert selection.descriptor.elements == ("Si", "Ge")
    assert selection.record()["descriptor"]["elements"] == ["Si", "Ge"]


def test_the_record_tells_how(files):
    selection = ms.select("pool.xyz", 5, "core.xyz", ms.ACE(["Si"], totaldegree=6), output="out.xyz", random_state=3)
    record = json.loads((files / "out.json").read_text())
    assert record == json.loads(json.dumps(selection.record()))
    assert record["mlipselect"] == ms.__version__
    assert record["indices"] == selection.indices.tolist()
    assert record["scores"] == selection.scores.tolist()
    assert record["information"] == selection.information.tolist()
    assert record["sources"] == [["pool.xyz", index] for index in record["indices"]]
    assert record["parameters"]["random_state"] == 3
    assert record["descriptor"]["totaldegree"] == [6.0, 6.0, 6.0]
    import hashlib

    digest = hashlib.sha256((files / "pool.xyz").read_bytes()).hexdigest()
    assert record["inputs"]["pool"]["files"] == [{"path": "pool.xyz", "sha256": digest}]


def test_a_matrix_prior_is_recorded_by_its_digest(files):
    record = ms.select("pool.xyz", 2, descriptor=toy, prior_precision=np.full(7, 0.1)).record()
    assert record["parameters"]["prior_precision"]["shape"] == [7]
    assert record["parameters"]["ridge"] is None


def test_written_and_returned_are_the_same(files):
    selection = ms.select("pool.xyz", 5, "core.xyz", toy, output="a.xyz", save_posterior="a.posterior")
    selection.write("b.xyz")
    assert (files / "a.xyz").read_bytes() == (files / "b.xyz").read_bytes()
    assert (files / "a.json").read_bytes() == (files / "b.json").read_bytes()
    posterior = ms.Posterior.load("a.posterior")
    assert posterior.logdet() == selection.posterior.logdet()
    with pytest.raises(InvalidInputError, match="the output would replace an input file"):
        selection.write("pool.xyz")
    with pytest.raises(InvalidInputError, match="the record of the selection goes there"):
        selection.write("b.json")


def test_smaller_selections_are_beginnings_of_larger_ones(files):
    large = ms.select("pool.xyz", 12, "core.xyz", toy)
    for n in (1, 5, 11):
        small = ms.select("pool.xyz", n, "core.xyz", toy)
        assert np.array_equal(small.indices, large.indices[:n])
        assert np.array_equal(small.scores, large.scores[:n])


def test_far_more_than_the_data_can_tell_is_pointed_out(files, caplog):
    with caplog.at_level(logging.WARNING, logger="mlipselect"):
        ms.select("pool.xyz", 12, descriptor=lambda atoms: np.ones((len(atoms), 3)))
    assert "12 structures are far more than the effective dimension of the data, 1.0" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "kind", "problem"),
    [
        ({"n": 13}, InvalidInputError, "n: expected between 1 and 12, the number of candidates in the pool, got 13"),
        ({"n": 0}, InvalidInputError, "n: expected between 1 and 12"),
        ({"pool": []}, InvalidInputError, "expected at least one candidate in the pool, got none"),
        ({"isolated": "config_type"}, InvalidInputError, "expected KEY=VALUE"),
        ({"save_posterior": "p"}, InvalidInputError, "save_posterior: expected `output` with it"),
        ({"pool": "none.xyz"}, StructureError, "none.xyz: cannot be read: No such file"),
        ({"core": "none.xyz"}, StructureError, "none.xyz: cannot be read: No such file"),
        (
            {
                "descriptor": lambda atoms: np.ones((len(atoms), 2 + (atoms.info["config_type"] == "isolated_atom"))),
                "isolated": "none",
            },
            StructureError,
            "core.xyz, frame 1: expected 3 features as for the structures before, got 2",
        ),
    ],
)
def test_arguments_that_cannot_be_worked_with(files, arguments, kind, problem):
    with pytest.raises(kind, match=problem):
        ms.select(**({"pool": "pool.xyz", "n": 2, "core": "core.xyz", "descriptor": toy} | arguments))


def test_core_and_pool_must_have_the_same_length(files):
    def shorter_for_the_core(atoms):
        return np.ones((len(atoms), 2 if atoms.info.get("step", 0) >= 100 else 3))

    with pytest.raises(StructureError, match=r"core.xyz, frame 1: expected 3 features as for the pool, got 2"):
        ms.select("pool.xyz", 2, "core.xyz", shorter_for_the_core, isolated="config_type=isolated_atom")
