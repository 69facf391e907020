"""MACE as a descriptor: the numbers of mace itself, their derivatives, and what can go wrong."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import subprocess
import sys
import urllib.error

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import mlipselect as ms
from learned.models import structures, tiny_mace
from mlipselect.testing import check_descriptor


def rotated(atoms: Atoms, seed: int = 0) -> Atoms:
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    out = atoms.copy()
    out.set_cell(atoms.cell.array @ turn)
    out.positions = atoms.positions @ turn
    return out


@pytest.mark.parametrize("invariants_only", [True, False])
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 1e-5)])
def test_features_are_those_of_mace_one_by_one(model, device, invariants_only, dtype, rtol):
    from mace.calculators import MACECalculator

    descriptor = ms.MACE(model, invariants_only=invariants_only, dtype=dtype, device=device)
    rows = descriptor.site_features(structures())
    assert rows.dtype == np.dtype(dtype)
    assert rows.shape == (sum(map(len, structures())), 16 if invariants_only else 40)
    calculator = MACECalculator(models=[tiny_mace()], device=device, default_dtype=dtype)
    expected = np.concatenate([calculator.get_descriptors(a, invariants_only=invariants_only) for a in structures()])
    np.testing.assert_allclose(rows, expected, rtol=0, atol=rtol * np.abs(expected).max())


def test_batches_are_bounded_and_change_nothing(model, monkeypatch):
    from mlipselect.descriptors.mace import descriptor as mace

    sizes = []

    def spy(graphs, device):
        batch = collated(graphs, device)
        sizes.append((len(graphs), batch["edge_index"].shape[1]))
        return batch

    collated = mace._collated
    monkeypatch.setattr(mace, "_collated", spy)
    pool = [atoms for _ in range(3) for atoms in structures()]
    descriptor = ms.MACE(model)
    sizes.clear()
    together = descriptor.site_features(pool)
    assert sizes == [(18, sum(edges for _, edges in sizes))]
    largest = 0
    for atoms in structures():
        ms.MACE(model).features(atoms)
        largest = max(largest, sizes[-1][1])
    bytes_per_edge = 5 * 8 * max(layer.conv_tp.irreps_out.dim for layer in model.interactions)
    descriptor = ms.MACE(model, max_memory=bytes_per_edge * (largest + 100))
    sizes.clear()
    few = descriptor.site_features(pool)
    assert 1 < len(sizes) < 18
    assert max(edges for _, edges in sizes) <= largest + 100
    np.testing.assert_allclose(few, together, rtol=0, atol=1e-12 * np.abs(together).max())
    # A structure that is larger than the bound is taken alone.
    descriptor = ms.MACE(model, max_memory=1)
    sizes.clear()
    descriptor.site_features(pool)
    assert [count for count, _ in sizes] == [1] * 18


def test_a_model_of_the_size_of_the_paper_has_640_features_of_which_384_turn():
    model = tiny_mace(128, max_ell=3, correlation=3)
    every, invariant = ms.MACE(model, invariants_only=False), ms.MACE(model)
    assert (every.n_features, invariant.n_features) == (640, 256)
    atoms = bulk("Si")
    atoms.rattle(0.1)
    before, after = every.features(atoms), every.features(rotated(atoms))
    unmoved = np.abs(after - before).max(axis=0) < 1e-10 * np.abs(before).max()
    assert np.flatnonzero(~unmoved).tolist() == list(range(128, 512))
    np.testing.assert_array_equal(before[:, unmoved], invariant.features(atoms))


@pytest.mark.parametrize("invariants_only", [True, False])
def test_the_conformance_kit_passes(model, device, invariants_only):
    descriptor = ms.MACE(model, invariants_only=invariants_only, device=device)
    check_descriptor(descriptor, structures(), invariant=invariants_only)


def test_the_conformance_kit_passes_in_single_precision(model):
    check_descriptor(ms.MACE(model, dtype="float32"), structures()[:2], rtol=1e-5, gradient_rtol=2e-2)


@pytest.mark.parametrize("invariants_only", [True, False])
@pytest.mark.parametrize("max_memory", [1, 2**24, 2**28])
def test_all_derivatives_agree(model, device, invariants_only, max_memory):
    """Rows by position, rows by feature, and single passes: cells have more rows than 16 and fewer than 40."""
    descriptor = ms.MACE(model, invariants_only=invariants_only, device=device, max_memory=max_memory)
    d = descriptor.n_features
    w = np.random.default_rng(0).normal(size=d)
    pool = structures()
    for atoms, prediction in zip(pool, descriptor.predictions(pool, w), strict=True):
        design, by_feature = descriptor.design(atoms), descriptor.vjps(atoms, np.eye(d))
        scale = 1e-12 * max(1.0, np.abs(design.forces).max())
        np.testing.assert_allclose(-by_feature.reshape(d, -1).T, design.forces, rtol=0, atol=scale)
        np.testing.assert_allclose(prediction.forces.ravel(), design.forces @ w, rtol=0, atol=d * scale)
        np.testing.assert_allclose(prediction.virial, design.virial @ w, rtol=0, atol=10 * d * scale)
        np.testing.assert_allclose(prediction.site_energies, descriptor.features(atoms) @ w, rtol=1e-10, atol=1e-12)
        assert prediction.energy == pytest.approx(design.energy @ w, rel=1e-10)
        np.testing.assert_array_equal(descriptor.vjp(atoms, w), -descriptor.predict(atoms, w).forces)


def test_a_free_atom_has_no_force(model):
    design = ms.MACE(model).design(Atoms("Si"))
    assert np.abs(design.energy).max() > 0.1
    assert not design.forces.any()
    assert not design.virial.any()


def slopes() -> None:
    """Print the slope of an energy by differences, in reverse mode and in forward mode, after two passes back."""
    import torch
    from torch.autograd import forward_ad

    from mlipselect.descriptors.mace.descriptor import _collated, torch_settings

    class Unexamined(ms.MACE):
        """After passes of several shapes torch compiles less, and the part is not dropped."""

        def _examine(self):
            self.n_features = len(self._columns)

        def _has_gradient(self):
            return True

    descriptor = Unexamined(tiny_mace())
    atoms = bulk("Si")
    atoms.rattle(0.1, seed=1)
    rng = np.random.default_rng(0)
    direction, w = rng.normal(size=(2, 3)), rng.normal(size=16)
    reverse = [(descriptor.vjp(atoms, w) * direction).sum() for _ in range(2)][1]
    with torch_settings("float64"), forward_ad.dual_level():
        batch = _collated([descriptor._graph(atoms)], "cpu")
        positions = batch["positions"].requires_grad_(True)
        batch["positions"] = forward_ad.make_dual(positions, torch.tensor(direction))
        found = descriptor._module(batch, compute_force=False)["node_feats"][:, descriptor._columns].sum(dim=0)
        forward = float(forward_ad.unpack_dual(found).tangent @ torch.tensor(w))

    def energy(h):
        moved = atoms.copy()
        moved.positions += h * direction
        return descriptor.features(moved).sum(axis=0) @ w

    h = 1e-3
    differences = (8 * (energy(h) - energy(-h)) - (energy(2 * h) - energy(-2 * h))) / (12 * h)
    print(json.dumps([differences, reverse, forward]))


def test_forward_mode_is_silently_wrong_and_reverse_mode_is_right():
    """Why forward-mode differentiation is not used: torch drops a part of it once it has compiled pieces of MACE.

    What it has compiled, and so the result, depends on what ran before: hence a process of its own.
    """
    script = "import learned.test_mace; learned.test_mace.slopes()"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "ignore"}
    run = subprocess.run([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, check=True, text=True)
    differences, reverse, forward = json.loads(run.stdout.splitlines()[-1])
    assert reverse == pytest.approx(differences, rel=1e-7)
    assert abs(forward / differences - 1) > 1e-3


def test_what_is_not_known_is_named_with_its_index(model):
    descriptor = ms.MACE(model)
    with pytest.raises(ms.StructureError, match=r"^expected elements that the model knows \(O, Si\), got Ge$"):
        descriptor.features(bulk("Ge"))
    pool = [bulk("Si"), bulk("Si"), bulk("Ge")]
    with pytest.raises(ms.StructureError, match=r"^structure 2: .*got Ge$"):
        descriptor.site_features(pool)
    with pytest.raises(ms.StructureError, match=r"^structure 2: .*got Ge$"):
        ms.MACE(model, max_memory=1).predictions(pool, np.ones(16))
    broken = bulk("Si")
    broken.positions[1, 0] = np.nan
    with pytest.raises(ms.StructureError, match=r"expected finite positions, got .* for atom 1"):
        descriptor.features(broken)
    with pytest.raises(ms.InvalidInputError, match="expected a sequence"):
        descriptor.site_features(bulk("Si"))


@pytest.mark.parametrize("w", [np.ones(15), np.ones((1, 16)), np.full(16, np.nan)])
def test_weights_that_do_not_fit_are_refused(model, w):
    with pytest.raises(ms.InvalidInputError, match=r"finite weights of shape \(16,\)"):
        ms.MACE(model).vjp(bulk("Si"), w)


def test_settings_of_torch_and_the_model_are_left_as_they_were(model):
    import torch

    before = torch.get_default_dtype(), torch.get_num_threads(), next(model.parameters()).requires_grad
    descriptor = ms.MACE(model, dtype="float32")
    descriptor.site_features(structures(), n_threads=1)
    descriptor.design(bulk("Si"))
    with pytest.raises(ms.StructureError):
        descriptor.site_features([bulk("Ge")], n_threads=1)
    assert (torch.get_default_dtype(), torch.get_num_threads(), next(model.parameters()).requires_grad) == before
    assert next(model.parameters()).dtype == torch.float64


def test_a_model_file_is_a_model(model, tmp_path):
    import torch

    path = tmp_path / "si.model"
    torch.save(model, path)
    descriptor = ms.MACE(path)
    assert descriptor.parameters == {
        "name": "MACE",
        "model": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "invariants_only": True,
        "dtype": "float64",
    }
    assert (descriptor.elements, descriptor.rcut) == (("O", "Si"), 4.0)
    rows = descriptor.features(bulk("Si"))
    np.testing.assert_array_equal(rows, ms.MACE(model).features(bulk("Si")))
    np.testing.assert_array_equal(rows, pickle.loads(pickle.dumps(descriptor)).features(bulk("Si")))


def test_the_digest_of_a_model_in_memory_tells_models_apart(model):
    def digest(of):
        return ms.MACE(of).parameters["sha256"]

    assert digest(model) == digest(tiny_mace())
    assert len({digest(m) for m in (model, tiny_mace(seed=1), tiny_mace(avg_num_neighbors=19.0))}) == 3


def test_files_that_are_no_models_are_refused_with_a_warning_about_trust(tmp_path):
    import torch

    path = tmp_path / "no.model"
    path.write_bytes(b"not a model")
    with pytest.raises(ms.InvalidInputError, match=r"no\.model: cannot be loaded as a MACE model .* can run any code"):
        ms.MACE(path)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(ms.InvalidInputError, match=r"expected a MACE model .*, got Linear without products"):
        ms.MACE(path)
    with pytest.raises(ms.InvalidInputError, match=r"absent\.model: there is no such file; .* mp:medium-mpa-0"):
        ms.MACE(tmp_path / "absent.model")


def test_a_foundation_model_is_asked_of_mace_and_a_network_that_is_missing_is_named(tmp_path, monkeypatch, capsys):
    asked = []

    def no_network(url, timeout):
        asked.append(url)
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(ms.InvalidInputError, match=r"mp:small: mace_mp .* \(URLError: .*give the path of a model file"):
        ms.MACE("mp:small")
    assert len(asked) == 1
    assert "mace-128-L0" in asked[0]
    assert capsys.readouterr().out == ""
    with pytest.raises(ms.InvalidInputError, match=r"mp:no-such: mace_mp .* \(FileNotFoundError: no-such"):
        ms.MACE("mp:no-such")


def test_what_torch_does_not_have_is_refused(model):
    with pytest.raises(ms.InvalidInputError, match="device: expected one that torch can use here, got 'abacus'"):
        ms.MACE(model, device="abacus")
    with pytest.raises(ms.InvalidInputError, match="dtype: expected 'float32' or 'float64', got 'float16'"):
        ms.MACE(model, dtype="float16")
    assert ms.MACE(model, dtype=np.float32).dtype == "float32"


def test_compiled_models_are_refused_by_name(model, tmp_path):
    """As mace writes them for LAMMPS: the energy could be had, the layers cannot."""
    from e3nn.util import jit
    from mace.calculators import LAMMPS_MACE

    jit.compile(copy.deepcopy(model)).save(str(tmp_path / "compiled.model"))
    jit.compile(LAMMPS_MACE(copy.deepcopy(model))).save(str(tmp_path / "si-lammps.pt"))
    for name in ("compiled.model", "si-lammps.pt"):
        with pytest.raises(ms.InvalidInputError, match=f"{name}: this model was compiled .TorchScript, as for LAMMPS"):
            ms.MACE(tmp_path / name)
