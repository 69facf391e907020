"""CHGNet with the trained models that it brings."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import mlipselect as ms
from learned.foundation import assert_physical, slope_along, structures
from mlipselect.cli import main
from mlipselect.testing import check_descriptor

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "learned-potentials.md"


@pytest.fixture(scope="module")
def chgnet():
    return ms.CHGNet()


def package_rows(atoms):
    """Rows before the last layer, as chgnet itself gives them for a structure in a cell."""
    from chgnet.model import CHGNet
    from pymatgen.io.ase import AseAtomsAdaptor

    model = CHGNet.load(use_device="cpu", verbose=False)
    return model.predict_structure(AseAtomsAdaptor.get_structure(atoms), task="e", return_atom_feas=True)["atom_fea"]


def test_the_conformance_kit_passes(chgnet):
    print(check_descriptor(chgnet))


def test_rows_are_those_of_the_package(chgnet):
    for atoms in structures()[:4]:
        np.testing.assert_allclose(chgnet.features(atoms)[:, 128:192], package_rows(atoms), atol=1e-6)
    assert chgnet.n_features == 256
    np.testing.assert_array_equal(
        ms.CHGNet(layers=[3, 1]).features(atoms), chgnet.features(atoms)[:, [*range(128, 192), *range(64)]]
    )


def test_the_energy_is_that_of_the_last_layer(chgnet):
    """The readout of the model applied to the rows of the last layer gives its energy."""
    import torch
    from chgnet.model import CHGNet
    from pymatgen.io.ase import AseAtomsAdaptor

    model, atoms = CHGNet.load(use_device="cpu", verbose=False), structures()[3]
    structure = AseAtomsAdaptor.get_structure(atoms)
    with torch.no_grad():
        sites = model.mlp(torch.tensor(chgnet.features(atoms)[:, 192:]))
        reference = model.composition_model([model.graph_converter(structure)])
    expected = model.predict_structure(structure, task="e")["e"]
    np.testing.assert_allclose(float(sites.mean() + reference), expected, rtol=1e-5)


def test_structures_that_are_the_same_have_the_same_rows(chgnet):
    assert_physical(chgnet)


@pytest.mark.parametrize("k", [1, 3, 4, 6])
def test_derivatives_are_those_of_differences(chgnet, k):
    """Only of the first layer: later ones bend so sharply that differences of float32 have one digit."""
    first, rng = ms.CHGNet(layers=[1]), np.random.default_rng(k)
    atoms, w = structures()[k], rng.normal(size=64)
    direction = rng.normal(size=(len(atoms), 3))
    slope = slope_along(first, atoms, w, direction, 4e-3)
    np.testing.assert_allclose((first.vjp(atoms, w) * direction).sum(), slope, rtol=2e-2, atol=2e-2 * np.linalg.norm(w))
    slopes = chgnet.vjps(atoms, rng.normal(size=(2, 256)))
    np.testing.assert_allclose(slopes.sum(axis=1), 0.0, atol=1e-4 * np.abs(slopes).max() * len(atoms))


def test_other_models_and_files(tmp_path):
    import torch
    from chgnet.model import CHGNet

    atoms = structures()[1]
    other = ms.CHGNet("r2scan", layers=[2])
    assert other.parameters["sha256"] != ms.CHGNet().parameters["sha256"]
    model = CHGNet.load(model_name="r2scan", use_device="cpu", verbose=False)
    torch.save({"model": model.as_dict()}, tmp_path / "si.tar")
    mine = ms.CHGNet(tmp_path / "si.tar", layers=[2])
    np.testing.assert_array_equal(mine.features(atoms), other.features(atoms))
    # The record names the weights, not the place.
    assert mine.parameters["sha256"] == other.parameters["sha256"]
    scripted = torch.jit.script(torch.nn.Linear(2, 2))
    scripted.save(str(tmp_path / "compiled.pt"))
    for given, message in (
        ({"model": "0.9"}, r"0\.9: is no model of chgnet and no file of one .*any code"),
        ({"model": tmp_path / "compiled.pt"}, r"compiled\.pt: this model was compiled \(TorchScript, as for LAMMPS\)"),
        ({"layers": [0]}, r"layers: expected different layers from 1 to 4, got \[0\]"),
        ({"layers": [1, 1]}, r"got \[1, 1\]"),
        ({"batch_atoms": 0}, "batch_atoms: expected at least 1, got 0"),
    ):
        with pytest.raises(ms.InvalidInputError, match=message):
            ms.CHGNet(**given)


def test_unknown_elements_and_wrong_weights_are_refused(chgnet):
    with pytest.raises(ms.StructureError, match=r"structure 1: expected elements that the model knows, got Cf"):
        chgnet.site_features([bulk("Si"), bulk("Cf", "fcc", a=5.0)])
    with pytest.raises(ms.StructureError, match=r"^expected elements"):
        chgnet.vjp(bulk("Cf", "fcc", a=5.0), np.ones(256))
    with pytest.raises(ms.InvalidInputError, match=r"expected finite weights of shape \(256,\), one per feature"):
        chgnet.vjp(bulk("Si"), np.ones(4))


def test_the_command_line(files, capsys):
    ms.io.write_exact("core.xyz", ms.read("core.xyz")[1:])
    command = [
        "select",
        "pool.xyz",
        "--core",
        "core.xyz",
        "-n",
        "3",
        "-q",
        "--descriptor",
        "chgnet",
        "--layers",
        "2",
        "3",
    ]
    assert main([*command, "-o", "out.xyz"]) == 0
    assert capsys.readouterr().out == ""
    record = json.loads(Path("out.json").read_text())
    descriptor = ms.CHGNet(layers=[2, 3])
    assert record["descriptor"] == descriptor.parameters
    assert record["indices"] == ms.select("pool.xyz", 3, "core.xyz", descriptor=descriptor).indices.tolist()


def test_it_runs_in_another_process(files):
    atoms, here = structures()[1], ms.CHGNet(layers=[2])
    with ms.Remote(sys.executable, "mlipselect:CHGNet", layers=[2]) as descriptor:
        # The same record: stores and caches of one are good for the other.
        assert descriptor.parameters == here.parameters
        np.testing.assert_array_equal(descriptor.site_features([atoms, atoms]), here.site_features([atoms, atoms]))
        w = np.linspace(-1, 1, 64)
        np.testing.assert_allclose(descriptor.vjp(atoms, w), here.vjp(atoms, w), atol=1e-5)


def test_what_the_page_shows_runs(files, monkeypatch, capsys):
    """Blocks marked py and bash, which the tests of all pages leave alone as they need torch."""
    if importlib.util.find_spec("sevenn") is None:
        pytest.skip("sevenn is not installed")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    ms.io.write_exact("core.xyz", ms.read("core.xyz")[1:])
    names = {}
    blocks = re.findall(r"^```(py|bash)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    for language, text in blocks:
        if language == "py":
            exec(compile(text, str(PAGE), "exec"), names)
            continue
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[0] == "mlipselect":
                assert main([*words[1:], "-q"]) == 0, line
    assert names["slopes"].shape == (8, 3)
    assert names["X"].shape == (12, 64)
    assert ms.Features.load("remote.npz").shape == (12, 128)
