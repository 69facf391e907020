"""The biased potential: its parts sum up, its forces are derivatives, and without a bias it is the base."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet

import mlipselect as ms
from mlipselect.demo import silicon_core
from mlipselect.demo.potentials import label
from mlipselect.demo.tersoff import silicon_tersoff
from mlipselect.hal.dynamics import thermalize
from reference.gaussians import Gaussians
from reference.structures import rattled, scattered


@pytest.fixture(scope="module")
def potential():
    descriptor = ms.ACE(["Si"], totaldegree=6)
    return ms.LinearPotential(descriptor, reference_energies={"Si": 0.0}).fit(label(silicon_core()[::4]))


@pytest.fixture(scope="module")
def surrogate(potential):
    return ms.Surrogate(potential)


def silicon(seed=4):
    atoms = bulk("Si", a=5.43, cubic=True)
    atoms.rattle(0.08, seed=seed)
    return atoms


def with_calculator(atoms, base, surrogate, tau, **options):
    atoms = atoms.copy()
    atoms.calc = ms.BiasedCalculator(base, surrogate, tau, **options)
    return atoms


def bases(potential):
    return {"its own ACE": potential, "an ASE calculator": silicon_tersoff(), "a function": silicon_tersoff}


@pytest.mark.parametrize("which", ["its own ACE", "an ASE calculator", "a function"])
def test_base_and_bias_sum_up(potential, surrogate, which):
    atoms = with_calculator(silicon(), bases(potential)[which], surrogate, 0.7)
    forces, energy, stress = atoms.get_forces(), atoms.get_potential_energy(), atoms.get_stress()
    found, deviation = atoms.calc.results, surrogate.deviation(silicon())
    assert energy == found["base_energy"] + found["bias_energy"]
    assert (forces == found["base_forces"] + found["bias_forces"]).all()
    assert found["bias_energy"] == pytest.approx(-0.7 * deviation.sigma, rel=1e-9)
    assert found["bias_forces"] == pytest.approx(0.7 * deviation.gradient, rel=1e-9, abs=1e-12)
    assert found["uncertainty"] == pytest.approx(deviation.sigma, rel=1e-9)
    assert found["uncertainty_per_atom"] == found["uncertainty"] / 8
    plain = silicon()
    plain.calc = potential.calculator() if which == "its own ACE" else silicon_tersoff()
    assert found["base_energy"] == plain.get_potential_energy()
    assert (found["base_forces"] == plain.get_forces()).all()
    of_bias = 0.7 * deviation.virial / plain.get_volume()
    assert stress == pytest.approx(plain.get_stress() + of_bias, rel=1e-9, abs=1e-12)


def test_forces_and_stress_are_those_of_differences(potential, surrogate):
    atoms = with_calculator(silicon(), potential, surrogate, 2.0, max_bias=None)
    forces, stress = atoms.get_forces(), atoms.get_stress()

    def energy(change):
        out = with_calculator(silicon(), potential, surrogate, 2.0)
        change(out)
        return out.get_potential_energy()

    def slope(change, step):
        values = [energy(lambda out, k=k: change(out, k * step)) for k in (-2, -1, 1, 2)]
        return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)

    def move(out, by):
        out.positions[3, 1] += by

    def stretch(out, by):
        out.set_cell(out.cell.array @ np.diag([1.0, 1.0 + by, 1.0]), scale_atoms=True)

    assert -slope(move, 1e-3) == pytest.approx(forces[3, 1], abs=1e-8 * np.abs(forces).max())
    assert slope(stretch, 1e-4) / atoms.get_volume() == pytest.approx(stress[1], abs=1e-7 * np.abs(stress).max())


@pytest.mark.parametrize("which", ["its own ACE", "an ASE calculator"])
def test_without_a_bias_it_is_the_base_to_the_last_bit(potential, surrogate, which):
    atoms = with_calculator(silicon(), bases(potential)[which], surrogate, 0.0)
    plain = silicon()
    plain.calc = potential.calculator() if which == "its own ACE" else silicon_tersoff()
    assert atoms.get_potential_energy() == plain.get_potential_energy()
    assert (atoms.get_forces() == plain.get_forces()).all()
    assert (atoms.get_stress() == plain.get_stress()).all()
    assert (atoms.calc.results["bias_forces"] == 0.0).all()


def drift(atoms, timestep):
    """Run at constant energy, and return the spread of the total energy."""
    thermalize(atoms, 300.0, np.random.default_rng(2))
    dynamics = VelocityVerlet(atoms, timestep * units.fs)
    energies = [atoms.get_total_energy() for _ in dynamics.irun(200)]
    return np.std(energies)


def test_dynamics_with_a_constant_bias_conserve_the_energy(potential, surrogate):
    plain = silicon()
    plain.calc = potential.calculator()
    of_base = drift(plain, 1.0)
    # A tenth of the thermal forces: a stronger constant bias drives the structure away.
    tau = 0.1 * np.abs(plain.get_forces()).mean() / np.abs(surrogate.deviation(plain).gradient).mean()
    biased = [drift(with_calculator(silicon(), potential, surrogate, tau, max_bias=None), step) for step in (1.0, 0.5)]
    assert biased[0] < 5 * of_base
    # The error of Verlet's method is of second order, while a force that is no derivative does not depend on the step.
    assert biased[1] < 0.35 * biased[0]


def test_a_relative_bias_is_a_fraction_of_the_force(potential, surrogate):
    atoms = with_calculator(silicon(), potential, surrogate, ms.RelativeTau(0.1, burn_in=0))
    atoms.get_forces()
    lengths = [np.linalg.norm(atoms.calc.results[name], axis=1).mean() for name in ("base_forces", "bias_forces")]
    assert lengths[1] == pytest.approx(0.1 * lengths[0])


def test_each_structure_is_a_step_and_a_second_look_is_none(potential, surrogate):
    atoms = with_calculator(silicon(), silicon_tersoff(), surrogate, lambda step: float(step), step=5)
    atoms.get_forces()
    atoms.get_stress()
    assert atoms.calc.results["tau"] == 5.0
    for seed in (1, 2):
        atoms.rattle(0.01, seed=seed)
        atoms.get_potential_energy()
        atoms.get_stress()
    assert atoms.calc.results["tau"] == 7.0


def test_masked_atoms_have_no_bias(potential, surrogate):
    free = with_calculator(silicon(), potential, surrogate, 1.0)
    masked = with_calculator(silicon(), potential, surrogate, 1.0, unbiased=[0, 5])
    by_flags = with_calculator(silicon(), potential, surrogate, 1.0, unbiased=np.isin(np.arange(8), [0, 5]))
    bias = [atoms.get_forces() - atoms.calc.results["base_forces"] for atoms in (free, masked, by_flags)]
    assert (bias[1][[0, 5]] == 0.0).all()
    assert (np.delete(bias[1], [0, 5], axis=0) == np.delete(bias[0], [0, 5], axis=0)).all()
    assert (bias[1] == bias[2]).all()


def test_long_bias_forces_are_shortened_counted_and_told(potential, surrogate, caplog):
    atoms = with_calculator(silicon(), potential, surrogate, 1e6, max_bias=2.0)
    with caplog.at_level(logging.INFO, logger="mlipselect"):
        bias = (atoms.get_forces(), atoms.calc.results["bias_forces"])[1]
    limit = 2.0 * np.linalg.norm(atoms.calc.results["base_forces"], axis=1).mean()
    assert np.linalg.norm(bias, axis=1) == pytest.approx(np.full(8, limit))
    directions = [
        vectors / np.linalg.norm(vectors, axis=1)[:, None] for vectors in (bias, surrogate.deviation(atoms).gradient)
    ]
    assert directions[0] == pytest.approx(directions[1])
    assert atoms.calc.n_capped == 1
    assert "limited to 2 times the mean force" in caplog.text


def test_a_molecule_and_a_descriptor_without_virials():
    atoms = scattered(np.random.default_rng(0), 6, ["Cu"])
    core = [scattered(np.random.default_rng(seed), 6, ["Cu"]) for seed in range(1, 5)]
    atoms.calc = ms.BiasedCalculator(EMT(), ms.Surrogate(Gaussians(), core=core), 0.1)
    assert atoms.get_forces().shape == (6, 3)
    with pytest.raises(PropertyNotImplementedError, match="cell with three vectors"):
        atoms.get_stress()
    atoms.set_cell([20.0, 20.0, 20.0])
    with pytest.raises(PropertyNotImplementedError, match="has no virials"):
        atoms.get_stress()


def test_a_slab_has_a_stress(potential, surrogate):
    atoms = rattled(3)
    atoms.pbc = (True, True, False)
    atoms.cell[2] *= 3.0
    slab = with_calculator(atoms, potential, surrogate, 0.5)
    assert slab.get_stress().shape == (6,)


@pytest.mark.parametrize("wrong", [3.0, lambda: 3.0])
def test_what_is_no_potential_is_refused(surrogate, wrong):
    with pytest.raises(ms.InvalidInputError, match="base: expected"):
        ms.BiasedCalculator(wrong, surrogate)


def test_a_limit_of_zero_is_refused(potential, surrogate):
    with pytest.raises(ms.InvalidInputError, match="max_bias"):
        ms.BiasedCalculator(potential, surrogate, max_bias=0.0)
