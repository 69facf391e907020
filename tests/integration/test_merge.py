"""Selections in shares, and the second round that merges them."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError
from mlipselect.io import write_exact
from mlipselect.selection.certificate import certificate
from mlipselect.stores import fill
from reference.posterior import prior_precision
from reference.structures import rattled

STORES = ["0.features", "1.features"]
PARTS = ["part1.xyz", "part2.xyz", "part3.xyz"]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Make two stores of several shards, and select from three shares of them."""
    folder = tmp_path_factory.mktemp("pool")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setattr(fill, "SHARD_BYTES", 20 * 25 * 8)
        for k, count in enumerate((70, 50)):
            write_exact(f"{k}.xyz", [rattled(1000 * k + seed) for seed in range(count)])
            ms.featurize(f"{k}.xyz", ms.ACE(["Si"], totaldegree=6), store=f"{k}.features")
        write_exact("core.xyz", [rattled(seed) for seed in range(5000, 5006)])
        for k, part in enumerate(PARTS, start=1):
            ms.select(STORES, 8, "core.xyz", score="energy", shard=f"{k}/3", output=part)
    return folder


@pytest.fixture(autouse=True)
def there(pool, monkeypatch):
    monkeypatch.chdir(pool)


def test_shares_are_the_pool():
    whole = ms.select(STORES, 8, "core.xyz", score="energy")
    indices = [ms.select(STORES, k, "core.xyz", score="energy", shard="2/3").indices for k in (1, 8)]
    assert indices[0][0] == indices[1][0]
    records = [json.loads((Path(part).with_suffix(".json")).read_text()) for part in PARTS]
    everything = sorted(
        index for k in (1, 2, 3) for index in ms.select(STORES, 40, "core.xyz", score="energy", shard=f"{k}/3").indices
    )
    assert everything == list(range(120))
    assert whole.indices[0] in [record["indices"][0] for record in records]
    for record in records:
        assert record["parameters"]["prior_precision"] == records[0]["parameters"]["prior_precision"]
    X = np.concatenate([ms.FeatureStore.open(store).load().per_structure for store in STORES])
    core = ms.featurize("core.xyz", ms.ACE(["Si"], totaldegree=6)).per_structure
    np.testing.assert_allclose(records[0]["parameters"]["prior_precision"], prior_precision(1e-4, X, core), rtol=1e-9)


def test_what_is_certain_is_the_same_as_from_the_whole_pool():
    whole = ms.select(STORES, 8, "core.xyz", score="energy")
    merged = ms.merge(PARTS, core="core.xyz")
    assert merged.inputs["pool"]["candidates"] == len(whole.features) == 120
    same, bound = merged.parameters["same_as_whole"], merged.parameters["information_bound"]
    assert same >= 1
    assert merged.indices[:same].tolist() == whole.indices[:same].tolist()
    np.testing.assert_allclose(merged.scores[:same], whole.scores[:same])
    assert bound >= max(whole.information[-1], merged.information[-1])
    assert merged.information[-1] >= 0.8 * whole.information[-1]
    structures = ms.read("0.xyz") + ms.read("1.xyz")
    for index, frame in zip(merged.indices, merged.frames, strict=True):
        np.testing.assert_array_equal(structures[index].positions, frame.atoms.positions)
        assert frame.source == ("0.xyz" if index < 70 else "1.xyz")
        assert frame.index == index % 70


def test_the_command_says_how_good_the_result_is(capsys, tmp_path):
    out = tmp_path / "selected.xyz"
    assert main(["merge", *PARTS, "--core", "core.xyz", "-n", "5", "-o", str(out), "--reasons"]) == 0
    text = capsys.readouterr().out
    assert "two rounds of greedy selection, from 3 shares: the first " in text
    assert "of what no 5 structures exceed" in text
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["inputs"]["pool"]["parts"] == PARTS
    # The candidates of a merge are what shares picked: nothing is said of how many a pick covers.
    for rank, reason in enumerate(record["reasons"], start=1):
        assert f"{rank}: {reason}." in text
        assert "nearest in the core: core.xyz, frame" in reason
        assert "candidates" not in reason
    assert record["indices"] == ms.merge(PARTS, 5, "core.xyz").indices.tolist()
    assert len(ase.io.read(out, ":")) == 5


@given(st.integers(1, 4), st.integers(1, 12), st.integers(1, 6), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_the_certificate_holds(shares, each, dim, logdet, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((shares * 15, dim)) / np.arange(1, dim + 1)
    options = {"score": "logdet" if logdet else "energy", "prior_precision": 0.01}
    n = min(each, 15)
    fits = [ms.BayesianSelector(n, **options).fit(X[k::shares].copy()) for k in range(shares)]
    union = np.concatenate([np.arange(len(X))[k::shares][fit.selected_idx_] for k, fit in enumerate(fits)])
    merged = ms.BayesianSelector(n, **options).fit(X[union])
    picked = [divmod(int(index), n) for index in merged.selected_idx_]
    same, bound = certificate(
        [fit.scores_.tolist() for fit in fits],
        [fit.next_score() for fit in fits],
        picked,
        merged.scores_,
        merged.information_,
        0.0 if logdet else 1.0,
    )
    whole = ms.BayesianSelector(n, **options).fit(X)
    np.testing.assert_allclose(merged.scores_[:same], whole.scores_[:same], rtol=1e-6)
    assert bound >= whole.information_[-1] * (1 - 1e-9)
    # A random set is no better than the bound either.
    others = ms.BayesianSelector(n, **options).fit(X[rng.choice(len(X), n, replace=False)])
    assert bound >= others.information_[-1] * (1 - 1e-9)
    if shares == 1:
        assert same == n


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["merge", *PARTS[:2], "--core", "core.xyz"], "expected the selections from all 3 shares once: missing 3/3"),
        (["merge", *PARTS, PARTS[0], "--core", "core.xyz"], "the selections from all 3 shares once: some twice"),
        (["merge", *PARTS], "part1.xyz: selected with another core"),
        (["merge", *PARTS, "--core", "0.xyz"], "part1.xyz: selected with another core"),
        (["merge", "core.xyz"], "core.json: the record of a selection cannot be read"),
        (["select", *STORES, "--shard", "4/3"], "shard: expected I/M with I from 1 to M, got 4/3"),
        (["select", *STORES, "--shard", "1/90"], "7 shards cannot be divided between 90 jobs"),
        (["select", *STORES, "--shard", "half"], "shard: expected I/M such as 2/8, got 'half'"),
        (["select", *STORES, "--shard", "1/2", "--method", "fps"], "shard: expected the method bayesian"),
        (["select", *STORES, "--shard", "1/2", "--max-atoms", "9"], "or logdet (--score energy), without limits"),
        (["select", *STORES, "--shard", "1/2"], "with the score energy or logdet (--score energy), without limits"),
        (["select", "0.xyz", "--shard", "1/2"], "shard: expected a store of features as pool"),
        (["select", "0.features", "0.xyz"], "0.features: a store of features, which cannot be a pool together with"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(arguments, message, capsys, tmp_path):
    assert main([*arguments, "-n", "3", "-o", str(tmp_path / "out.xyz")]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_other_parameters_are_refused(tmp_path):
    other = tmp_path / "other.xyz"
    ms.select(STORES, 8, "core.xyz", score="energy", shard="3/3", ridge=1e-3, output=other)
    with pytest.raises(InvalidInputError, match=r"other\.xyz: selected with another prior \(ridge, .*than part1\.xyz"):
        ms.merge([*PARTS[:2], other], core="core.xyz")
