"""`mlipselect info` says what every kind of file is."""

from __future__ import annotations

import hashlib

import pytest
from ase import Atoms

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.demo.potentials import label
from mlipselect.io import write_exact
from reference.structures import rattled


def told(capsys, *things):
    assert main(["info", *things]) == 0
    out = {}
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("  "):
            name, value = line.strip().split("  ", 1)
            out.setdefault(name, value.strip())
    return out


def test_structures(files, capsys):
    pool = ms.read("core.xyz")
    close = Atoms("Si2", [[0, 0, 0], [0, 0, 0.3]], cell=[9, 9, 9], pbc=True)
    write_exact("mixed.xyz", [*pool, pool[1], close])
    found = told(capsys, "mixed.xyz")
    assert found["what"] == "structures"
    assert found["structures"] == "7, of which 1 isolated atom"
    assert found["atoms"] == "40, 8 in a structure"
    assert found["copies"] == "1 structure equal to another to the last bit"
    assert found["bad"].startswith("1: mixed.xyz, frame 6: Si 0 and Si 1 are 0.3 Å apart")
    assert found["config_type"].startswith("kind_1 (3)")
    assert "energies of 6 (dft_energy)" in found["labels"]
    assert found["SHA-256"] == hashlib.sha256((files / "mixed.xyz").read_bytes()).hexdigest()


def test_digests_of_several_files_name_them(files, capsys):
    (files / "folder").mkdir()
    texts = {name: (files / "core.xyz").read_bytes() + b"\n" * k for k, name in enumerate(["a.xyz", "b.xyz"])}
    for name, text in texts.items():
        (files / "folder" / name).write_bytes(text)
    assert main(["info", "folder"]) == 0
    told_of = [line.split()[1:] for line in capsys.readouterr().out.splitlines() if "SHA-256" in line]
    assert told_of == [[hashlib.sha256(text).hexdigest(), f"folder/{name}"] for name, text in texts.items()]


def test_stores_and_archives(files, capsys):
    descriptor = ms.ACE(["Si"], totaldegree=6)
    ms.featurize("pool.xyz", descriptor, store="pool.features")
    found = told(capsys, "pool.features")
    assert found["what"] == "a store of features"
    assert found["features"] == f"{descriptor.n_features}, float64"
    assert found["keys"] == "config_type, dft_energy, step"
    n_bytes = sum(file.stat().st_size for file in (files / "pool.features").iterdir())
    assert found["size"] == f"{n_bytes / 1e3:.1f} kB"
    (files / "pool.xyz").rename(files / "elsewhere.xyz")
    assert told(capsys, "pool.features")["file"] == "pool.xyz (missing)"
    ms.featurize("core.xyz", descriptor, rows="atoms").save("core.npz")
    found = told(capsys, "core.npz")
    assert found["what"] == "an archive of features"
    assert found["descriptor"].startswith("ACE ")
    assert found["elements"] == "Si"


def test_records_say_whether_their_files_are_what_they_were(files, capsys):
    ms.select("pool.xyz", 3, "core.xyz", ms.ACE(["Si"], totaldegree=4), output="out.xyz")
    found = told(capsys, "out.json")
    assert found["method"] == "bayesian, score pool_variance"
    assert found["picks"] == "3 of 12 candidates"
    assert (found["pool"], found["core"]) == ("pool.xyz, unchanged", "core.xyz, unchanged")
    (files / "pool.xyz").write_text("")
    (files / "core.xyz").unlink()
    found = told(capsys, "out.json")
    assert (found["pool"], found["core"]) == ("pool.xyz, changed since", "core.xyz, not here")


def test_potentials_and_posteriors(files, capsys):
    bare = [rattled(seed) for seed in range(6)]
    for atoms in bare:
        atoms.info, atoms.arrays = {}, {name: atoms.arrays[name] for name in ("numbers", "positions")}
    potential = ms.LinearPotential(ms.ACE(["Si"], totaldegree=4)).fit(label(bare))
    potential.save("si.npz")
    potential.posterior_.save("si.posterior")
    found = told(capsys, "si.npz")
    assert found["what"] == "a linear potential"
    assert f"energy {potential.noise_['energy']:.3g}" in found["noise"]
    assert found["factors of deviations"] == "not calibrated"
    found = told(capsys, "si.posterior")
    assert found["what"].startswith("a posterior")
    assert found["features"] == str(len(potential.weights_))


def test_several_things_are_told_one_after_the_other(files, capsys):
    assert main(["info", "pool.xyz", "core.xyz"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == ["pool.xyz", "core.xyz"]


def test_a_thing_that_is_nothing_does_not_hide_the_others(files, capsys):
    (files / "other.json").write_text("{}")
    assert main(["info", "none.xyz", "pool.xyz", "other.json", "core.xyz"]) == 1
    captured = capsys.readouterr()
    assert [line for line in captured.out.splitlines() if line and not line.startswith(" ")] == ["pool.xyz", "core.xyz"]
    assert not captured.out.startswith("\n")
    errors = [line for line in captured.err.splitlines() if line.startswith("mlipselect: error: ")]
    assert ["none.xyz" in errors[0], "other.json" in errors[1]] == [True, True]
    assert len(errors) == 2


def test_structures_without_labels_have_none(files, capsys):
    bare = rattled(0)
    bare.info, bare.arrays = {"config_type": ""}, {name: bare.arrays[name] for name in ("numbers", "positions")}
    write_exact("bare.xyz", [bare])
    found = told(capsys, "bare.xyz")
    assert found["labels"] == "no labels"
    assert found["config_type"] == "empty (1)"
    bare.info["formation_energy"] = -1.0
    bare.info["energies"] = -1.0
    write_exact("bare.xyz", [bare])
    assert told(capsys, "bare.xyz")["labels"].startswith("no labels; these look like some")


@pytest.mark.parametrize("name", ["none.xyz", "other.npz", "other.json"])
def test_what_is_nothing_is_refused(files, capsys, name):
    if name != "none.xyz":
        (files / name).write_bytes(b"nothing that anyone knows\n")
    assert main(["info", name]) == 1
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("mlipselect: error: ")
    assert name in error.splitlines()[-1]
