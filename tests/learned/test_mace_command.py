"""Whole runs with MACE features: files in, files out."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import mlipselect as ms
from learned.models import tiny_mace
from mlipselect.cli import main
from mlipselect.io import differences
from reference.variance import energy_scores_along

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "mace.md"


@pytest.fixture(scope="module")
def si_model(tmp_path_factory):
    """File of a small model of silicon."""
    import torch

    path = tmp_path_factory.mktemp("model") / "si.model"
    torch.save(tiny_mace(4, num_elements=1, atomic_energies=np.zeros(1), atomic_numbers=[14]), path)
    return path


def test_featurize_writes_the_features_of_the_model(files, si_model):
    command = ["featurize", "pool.xyz", "--descriptor", "mace", "--model", str(si_model), "--rows", "atoms", "-q"]
    assert main([*command, "-o", "invariant.npz"]) == 0
    assert main([*command, "--all-features", "--dtype", "float32", "-o", "all.npz"]) == 0
    pool = ms.read("pool.xyz")
    X = ms.Features.load("invariant.npz")
    np.testing.assert_array_equal(X.per_atom, ms.MACE(si_model).site_features(pool))
    X = ms.Features.load("all.npz")
    assert X.per_atom.dtype == np.float32
    assert X.shape == (12, 20)
    np.testing.assert_array_equal(
        X.per_atom, ms.MACE(si_model, invariants_only=False, dtype="float32").site_features(pool)
    )


def test_selection_of_the_silicon_pool_end_to_end(silicon, si_model, tmp_path, capsys):
    pool, core, out = silicon / "surface_pool.xyz", silicon / "core.xyz", tmp_path / "selected.xyz"
    command = ["select", str(pool), "--core", str(core), "--isolated", "config_type=isolated_atom", "-n", "20"]
    command += ["--descriptor", "mace", "--model", str(si_model), "-o", str(out)]
    command += ["--score", "energy", "--scale", "none", "--ridge", "1e-5"]
    assert main(command) == 0
    assert "selected 20 of 186 candidates, given 489 structures in the core" in capsys.readouterr().out
    record = json.loads(out.with_suffix(".json").read_text())
    descriptor = ms.MACE(si_model)
    assert record["descriptor"] == descriptor.parameters
    frames = ms.read(pool)
    for atoms, index in zip(ms.read(out), record["indices"], strict=True):
        assert differences(atoms, frames[index], ignore="mlipselect_") == []
    X, X_core = (
        ms.featurize(frames, descriptor).per_structure,
        ms.featurize(ms.read(core)[1:], descriptor).per_structure,
    )
    alpha = 1e-5 * np.square(np.concatenate([X, X_core])).mean()
    scores = energy_scores_along(np.array(record["indices"]), X, alpha, X_core)
    np.testing.assert_allclose(record["scores"], scores.max(axis=1), rtol=1e-6)


def test_a_store_is_selected_from_as_its_files_are(files, si_model, capsys):
    ms.io.write_exact("core.xyz", ms.read("core.xyz")[1:])
    model = ["--descriptor", "mace", "--model", str(si_model), "--all-features", "--dtype", "float32"]
    select = ["-n", "4", "-q", "-o", "out.xyz"]
    assert main(["featurize", "pool.xyz", *model, "-q", "--store", "features"]) == 0

    def indices():
        return json.loads(Path("out.json").read_text())["indices"]

    for options in (["--core", "core.xyz"], ["--core", "core.xyz", "--method", "fps"], ["--method", "fps"]):
        assert main(["select", "pool.xyz", *model, *options, *select]) == 0
        wanted = indices()
        for given in ([], model[-2:]):
            assert main(["select", "features", *model[:-2], *given, *options, *select]) == 0
            assert indices() == wanted
    # Nothing is described without a core.
    assert main(["select", "features", "--method", "fps", *select]) == 0
    assert indices() == wanted
    moved = Path("moved.model")
    moved.write_bytes(si_model.read_bytes())
    assert main(["select", "features", "--core", "core.xyz", *model[:2], "--model", str(moved), *select]) == 1
    assert "features: made with another descriptor" in capsys.readouterr().err
    assert main(["select", "features", *model[:2], "--model", str(moved), *model[4:], *select]) == 0
    assert main(["select", "features", "--core", "core.xyz", *select]) == 1
    assert "features: expected its descriptor with it, to describe structures" in capsys.readouterr().err
    assert main(["select", "features", *model[:-1], "float64", *select]) == 1
    assert "--dtype: features has features of type float32" in capsys.readouterr().err


def test_shares_of_stores_are_merged(files, si_model, capsys):
    model = ["--descriptor", "mace", "--model", str(si_model), "--cache", "kept"]
    for k in range(2):
        ms.io.write_exact(f"{k}.xyz", ms.read("pool.xyz")[6 * k : 6 * k + 6])
        assert main(["featurize", f"{k}.xyz", *model, "-q", "--store", f"{k}.features"]) == 0
    select = ["select", "0.features", "1.features", "-n", "4", "-q", "--score", "energy"]
    for k in (1, 2):
        assert main([*select, "--shard", f"{k}/2", "-o", f"part{k}.xyz"]) == 0
    assert main([*select, "-o", "whole.xyz"]) == 0
    merge = ["merge", "part1.xyz", "part2.xyz", "-q", "-o", "merged.xyz"]
    assert main(merge) == 1
    assert "part1.xyz: expected its descriptor with it, to describe structures" in capsys.readouterr().err
    assert main([*merge, *model]) == 0
    whole, merged = (json.loads(Path(f"{name}.json").read_text()) for name in ("whole", "merged"))
    same = merged["parameters"]["same_as_whole"]
    assert same >= 1
    assert merged["indices"][:same] == whole["indices"][:same]


def test_errors_name_file_and_frame(files, si_model, capsys):
    from ase.build import bulk

    ms.io.write_exact("mixed.xyz", [bulk("Si"), bulk("Ge")])
    command = ["select", "mixed.xyz", "--descriptor", "mace", "-n", "1", "-o", "out.xyz"]
    assert main([*command, "--model", str(si_model)]) != 0
    assert "mixed.xyz, frame 1: expected elements that the model knows (Si), got Ge" in capsys.readouterr().err
    assert main([*command, "--model", "absent.model"]) != 0
    assert "absent.model: there is no such file" in capsys.readouterr().err
    assert not (files / "out.xyz").exists()


def test_what_the_page_shows_runs(files, si_model, capsys):
    """Blocks marked py and bash, which the tests of all pages leave alone as they need torch."""
    if importlib.util.find_spec("metatomic") is None:
        pytest.skip("metatomic is not installed")
    from learned.toy_metatomic import export

    export(files / "toy.pt")
    (files / "si.model").write_bytes(si_model.read_bytes())
    ms.io.write_exact("core.xyz", ms.read("core.xyz")[1:])
    names = {}
    blocks = re.findall(r"^```(py|bash)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 7
    for language, text in blocks:
        if language == "py":
            exec(compile(text, str(PAGE), "exec"), names)
            continue
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words[0] == "mlipselect":
                assert main(words[1:]) == 0, line
    assert names["variance"].shape == names["slopes"].shape == (8, 3)
    assert "MACE('si.model'" in capsys.readouterr().out
