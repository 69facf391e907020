"""SevenNet with the trained models that it brings."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import mlipselect as ms
from learned.foundation import assert_physical, slope_along, structures
from mlipselect.cli import main
from mlipselect.testing import check_descriptor


@pytest.fixture(scope="module")
def sevennet():
    return ms.SevenNet()


def test_the_conformance_kit_passes(sevennet):
    print(check_descriptor(sevennet))


def test_the_energy_is_linear_in_the_last_layer(sevennet):
    """The two matrices of the readout applied to the last rows give the energies of the atoms."""
    import torch
    from sevenn.calculator import SevenNetCalculator

    calculator, atoms = SevenNetCalculator("7net-0", device="cpu"), structures()[3]
    atoms.calc = calculator
    expected, model = atoms.get_potential_energies(), calculator.model
    with torch.no_grad():
        hidden = model.reduce_input_to_hidden.linear(torch.tensor(sevennet.features(atoms)[:, 512:]))
        data = model.rescale_atomic_energy(
            {
                "scaled_atomic_energy": model.reduce_hidden_to_energy.linear(hidden),
                "atom_type": model._atomic_numbers_to_onehot(torch.tensor(atoms.numbers)),
            }
        )
    np.testing.assert_allclose(data["atomic_energy"].numpy()[:, 0], expected, rtol=1e-5)


def test_structures_that_are_the_same_have_the_same_rows(sevennet):
    assert_physical(sevennet)
    np.testing.assert_array_equal(
        ms.SevenNet(layers=[5, 2]).features(structures()[3]),
        sevennet.features(structures()[3])[:, [*range(512, 640), *range(128, 256)]],
    )


@pytest.mark.parametrize("k", [1, 3, 4, 6])
def test_derivatives_are_those_of_differences(sevennet, k):
    rng = np.random.default_rng(k)
    atoms, w = structures()[k], rng.normal(size=640)
    direction = rng.normal(size=(len(atoms), 3))
    slope = slope_along(sevennet, atoms, w, direction, 5e-3)
    np.testing.assert_allclose((sevennet.vjp(atoms, w) * direction).sum(), slope, rtol=1e-2, atol=2e-2)
    slopes = sevennet.vjps(atoms, rng.normal(size=(2, 640)))
    np.testing.assert_allclose(slopes.sum(axis=1), 0.0, atol=1e-4 * np.abs(slopes).max() * len(atoms))


def test_a_model_of_several_data_sets_needs_one(sevennet):
    with pytest.raises(
        ms.InvalidInputError, match=r"7net-mf-0: cannot be loaded .*modal argument missing \(avail: .*PBE"
    ):
        ms.SevenNet("7net-mf-0")
    with pytest.raises(ms.InvalidInputError, match="modal: expected none for 7net-0, which follows one data set"):
        ms.SevenNet(modal="PBE")
    first, second = (ms.SevenNet("7net-mf-0", layers=[2], modal=modal) for modal in ("PBE", "R2SCAN"))
    assert first.parameters["sha256"] == second.parameters["sha256"]
    assert first.parameters != second.parameters
    # Two structures in a batch, each with its data set.
    rows, others = (d.site_features([bulk("Si"), bulk("Cu")]) for d in (first, second))
    np.testing.assert_allclose(rows[2:], first.features(bulk("Cu")), atol=1e-5)
    assert np.abs(rows - others).max() > 1e-3


def test_compiled_files_are_refused(tmp_path):
    import torch

    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "deployed_serial.pt"))
    with pytest.raises(ms.InvalidInputError, match=r"deployed_serial\.pt: this model was compiled \(TorchScript"):
        ms.SevenNet(tmp_path / "deployed_serial.pt")
    (tmp_path / "no.pth").write_bytes(b"not a model")
    with pytest.raises(ms.InvalidInputError, match=r"no\.pth: cannot be loaded as a model of sevenn .*any code"):
        ms.SevenNet(tmp_path / "no.pth")


def test_generators_stay_where_they_were(sevennet):
    import torch

    def drawn():
        return torch.rand(1).item(), np.random.rand(), random.random()  # noqa: NPY002

    def seed():
        torch.manual_seed(3)
        np.random.seed(3)  # noqa: NPY002
        random.seed(3)

    seed()
    expected = drawn()
    seed()
    ms.SevenNet(layers=[1]).features(structures()[1])
    assert drawn() == expected


def test_the_command_line(files, capsys):
    ms.io.write_exact("core.xyz", ms.read("core.xyz")[1:])
    model = ["--descriptor", "sevennet", "--model", "7net-mf-0", "--modal", "PBE", "--layers", "3"]
    assert main(["select", "pool.xyz", "--core", "core.xyz", "-n", "3", "-q", *model, "-o", "out.xyz"]) == 0
    assert capsys.readouterr().out == ""
    record = json.loads(Path("out.json").read_text())
    assert record["descriptor"] == ms.SevenNet("7net-mf-0", modal="PBE", layers=[3]).parameters
