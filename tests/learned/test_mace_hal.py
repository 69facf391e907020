"""Dynamics by a MACE model, biased by what its features do not know."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import mlipselect as ms
from learned.models import structures, tiny_mace
from mlipselect.cli import main
from mlipselect.hal import MacePotential
from mlipselect.io import write_exact


@pytest.fixture(scope="module")
def potential():
    return MacePotential(tiny_mace())


@pytest.fixture(scope="module")
def core():
    out = []
    for seed in range(4):
        atoms = structures()[0]
        atoms.rattle(0.05, seed=100 + seed)
        out.append(atoms)
    return out


@pytest.fixture(scope="module")
def surrogate(potential, core):
    return ms.Surrogate(potential.descriptor, core=core)


def biased(atoms, base, surrogate, tau=0.7, **options):
    out = atoms.copy()
    out.calc = ms.BiasedCalculator(base, surrogate, tau, max_bias=None, **options)
    return out


@pytest.mark.parametrize("k", [0, 2, 3])
def test_the_potential_is_that_of_mace(potential, k):
    from mace.calculators import MACECalculator

    atoms = structures()[k]
    atoms.calc = MACECalculator(models=[tiny_mace()], device="cpu", default_dtype="float64")
    found = potential.predict(atoms)
    assert found.energy == pytest.approx(atoms.get_potential_energy(), rel=1e-9)
    assert found.forces == pytest.approx(atoms.get_forces(), abs=1e-8)
    if atoms.pbc.all():  # else mace divides by the volume of a box of its own
        assert -found.virial / atoms.get_volume() == pytest.approx(atoms.get_stress(), abs=1e-9)
    assert found.site_energies.sum() == pytest.approx(found.energy)


def test_one_pass_gives_what_several_give(potential, surrogate):
    atoms = structures()[0]
    descriptor = potential.descriptor
    forward = descriptor.forward(atoms)
    assert forward.row == pytest.approx(descriptor.features(atoms).mean(axis=0))
    weights = np.random.default_rng(0).normal(size=(2, descriptor.n_features))
    for found, w in zip(forward.predictions(weights), weights, strict=True):
        expected = descriptor.predict(atoms, w)
        assert found.forces == pytest.approx(expected.forces)
        assert found.virial == pytest.approx(expected.virial)
    together = biased(atoms, potential, surrogate)
    apart = biased(atoms, potential, surrogate)
    apart.calc._is_shared = False
    assert together.get_forces() == pytest.approx(apart.get_forces())
    assert together.get_stress() == pytest.approx(apart.get_stress())
    assert together.get_potential_energy() == pytest.approx(apart.get_potential_energy())


@pytest.mark.parametrize("k", [0, 2])
def test_forces_and_stress_are_those_of_differences(potential, surrogate, k):
    start = structures()[k]
    atoms = biased(start, potential, surrogate)
    forces, stress = atoms.get_forces(), atoms.get_stress()

    def slope(change, step):
        values = []
        for times in (-2, -1, 1, 2):
            moved = start.copy()
            change(moved, times * step)
            values.append(biased(moved, potential, surrogate).get_potential_energy())
        return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)

    def move(out, by):
        out.positions[1, 1] += by

    def stretch(out, by):
        out.set_cell(out.cell.array @ np.diag([1.0, 1.0 + by, 1.0]), scale_atoms=True)

    assert -slope(move, 1e-3) == pytest.approx(forces[1, 1], abs=1e-6 * np.abs(forces).max())
    assert slope(stretch, 1e-4) / atoms.get_volume() == pytest.approx(stress[1], abs=1e-6 * np.abs(stress).max())


def test_without_a_bias_it_is_the_model_to_the_last_bit(potential, surrogate):
    atoms = structures()[0]
    found = biased(atoms, potential, surrogate, tau=0.0)
    assert (found.get_forces() == potential.predict(atoms).forces).all()


def test_a_run_takes_the_same_in_other_processes_and_from_its_checkpoint(potential, surrogate, core, tmp_path):
    options = {"temperature": (600.0, 1200.0), "burst": 20, "threshold": 1.5, "max_steps": 200}

    def run(**more):
        out = ms.Hal(core[:2], potential, surrogate, 3, **options, **more)
        list(out)
        return [(pick.walker, pick.step, pick.atoms.positions.tolist()) for pick in out.picks]

    expected = run()
    assert expected
    assert run(checkpoint=tmp_path / "hal.ckpt") == expected
    assert run(checkpoint=tmp_path / "hal.ckpt") == expected
    again = pickle.loads(pickle.dumps(potential))
    assert (again.predict(core[0]).forces == potential.predict(core[0]).forces).all()
    other = MacePotential(tiny_mace(seed=1))
    with pytest.raises(ms.InvalidInputError, match="another run"):
        ms.Hal(core[:2], other, surrogate, 3, **options, checkpoint=tmp_path / "hal.ckpt")


def test_another_descriptor_beside_the_model(potential, core):
    surrogate = ms.Surrogate(ms.ACE(["Si"], totaldegree=6), core=core)
    atoms = biased(structures()[0], potential, surrogate)
    assert np.isfinite(atoms.get_forces()).all()
    assert atoms.calc._is_shared is False


def test_the_command_line(core, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    import torch

    torch.save(copy.deepcopy(tiny_mace()), "si.model")
    write_exact("train.xyz", core)
    write_exact("start.xyz", core[:1])
    command = ["hal", "start.xyz", "--core", "train.xyz", "-n", "1", "--temperature", "900", "--burst", "10"]
    command += ["--threshold", "1.2", "--max-steps", "100", "-q", "-o", "picked.xyz"]
    assert main([*command, "--base", "mace:si.model"]) == 0
    assert '"name": "MACE"' in (tmp_path / "picked.json").read_text().replace('"name":"MACE"', '"name": "MACE"')
    assert main([*command, "--base", "mace:si.model", "--totaldegree", "6"]) == 0
    assert main([*command, "--base", "mace:absent.model"]) == 1
    assert "absent.model" in capsys.readouterr().err
