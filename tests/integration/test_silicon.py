"""The paper's data, all of it: files in, files out, every pick checked against the definition."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.io import differences
from reference.variance import energy_scores_along

N = 100


@pytest.fixture(scope="module")
def run(silicon, tmp_path_factory):
    """Directory with the result of the command, 100 and 20 picks of it."""
    directory = tmp_path_factory.mktemp("silicon")
    for n in (N, 20):
        arguments = [str(silicon / "surface_pool.xyz"), "--core", str(silicon / "core.xyz")]
        arguments += ["--isolated", "config_type=isolated_atom", "--order", "3", "--totaldegree", "16", "--rcut", "5.0"]
        arguments += ["--score", "energy", "--scale", "none", "--ridge", "1e-5"]
        assert main(["select", *arguments, "-n", str(n), "-o", str(directory / f"selected{n}.xyz"), "-q"]) == 0
    return directory


@pytest.fixture(scope="module")
def record(run):
    return json.loads((run / f"selected{N}.json").read_text())


def test_every_frame_equals_its_input_frame(silicon, run, record):
    pool, chosen = ms.read(silicon / "surface_pool.xyz"), ms.read(run / f"selected{N}.xyz")
    assert len(chosen) == N
    assert len(set(record["indices"])) == N
    for rank, (atoms, index) in enumerate(zip(chosen, record["indices"], strict=True)):
        assert differences(atoms, pool[index], ignore="mlipselect_") == []
        assert atoms.positions.tobytes() == pool[index].positions.tobytes()
        assert atoms.arrays["dft_force"].tobytes() == pool[index].arrays["dft_force"].tobytes()
        assert {key: value for key, value in atoms.info.items() if key.startswith("mlipselect_")} == {
            "mlipselect_rank": rank + 1,
            "mlipselect_score": record["scores"][rank],
            "mlipselect_source": str(silicon / "surface_pool.xyz"),
            "mlipselect_index": index,
        }


def test_what_was_read_and_how_it_was_described(record):
    assert record["inputs"]["pool"]["candidates"] == 186
    assert (record["inputs"]["core"]["candidates"], record["inputs"]["core"]["isolated"]) == (489, 1)
    assert record["descriptor"]["elements"] == ["Si"]
    assert record["descriptor"]["totaldegree"] == [16.0, 16.0, 16.0]


def test_twenty_are_the_first_twenty_of_a_hundred(run, record):
    fewer = json.loads((run / "selected20.json").read_text())
    for curve in ("indices", "scores", "information", "sources"):
        assert fewer[curve] == record[curve][:20]


def test_every_pick_is_the_best_by_definition(silicon, record):
    descriptor = ms.ACE(["Si"], order=3, totaldegree=16, rcut=5.0)
    X = ms.featurize(silicon / "surface_pool.xyz", descriptor).per_structure
    core = ms.featurize(ms.read(silicon / "core.xyz")[1:], descriptor).per_structure
    picks = np.array(record["indices"])
    alpha = 1e-5 * np.square(np.concatenate([X, core])).mean()
    scores = energy_scores_along(picks, X, alpha, core)
    best = scores.max(axis=1)
    first_of_best = [int(np.flatnonzero(row >= top * (1 - 1e-12))[0]) for row, top in zip(scores, best, strict=True)]
    assert first_of_best == picks.tolist()
    np.testing.assert_allclose(record["scores"], best, rtol=1e-8)
    np.testing.assert_allclose(record["information"], np.log1p(best).cumsum() / 2, rtol=1e-8)
