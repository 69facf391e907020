"""The linear potential: dense regression gives the same, and its predictions are derivatives of each other."""

from __future__ import annotations

import logging

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator
from ase.calculators.test import calculate_numerical_forces
from ase.optimize import BFGS

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError, NotFittedError, StructureError
from mlipselect.labels import LabelOptions, read_labels
from reference import ridge
from reference.pairs import Pairs

SCALES = np.array([1.0, 3.0, 2.0, 5.0])


def labelled(n=12, seed=0, **how):
    """Rattled crystals with the energies, forces and stresses of a Morse potential, as results."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.6) * how.get("repeat", (1, 1, 1))
        atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
        atoms.calc = MorsePotential(r0=2.6, epsilon=0.4, rho0=5.0, rcut1=3.0, rcut2=4.8)
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        out.append(atoms)
    return out


def potential(**how):
    return ms.LinearPotential(Pairs(), prior_scales=SCALES, reference_energies={"Cu": -3.0}, **how)


def dense(structures, weights=(30.0, 1.0, 30.0), parts=("energy", "forces", "stress")):
    """Weighted rows and targets of all structures, one below the other, the columns divided by the prior scales."""
    rows, targets = [], []
    for atoms in structures:
        design, known, root = Pairs().design(atoms), atoms.calc.results, len(atoms) ** 0.5
        if "energy" in parts and "energy" in known:
            rows.append(weights[0] / root * design.energy[None])
            targets.append([weights[0] / root * (known["energy"] + 3.0 * len(atoms))])
        if "forces" in parts and "forces" in known:
            rows.append(weights[1] * design.forces)
            targets.append(weights[1] * known["forces"].ravel())
        if "stress" in parts and "stress" in known:
            rows.append(weights[2] / root * design.virial)
            targets.append(-weights[2] / root * atoms.get_volume() * known["stress"])
    return np.concatenate(rows) / SCALES, np.concatenate(targets)


@pytest.mark.parametrize("weights", [(30.0, 1.0, 30.0), (10.0, 0.0, 0.0), (0.0, 2.0, 0.0), (1.0, 1.0, 0.0)])
def test_it_is_the_dense_regression(weights):
    structures = labelled()
    fitted = potential(energy_weight=weights[0], forces_weight=weights[1], virial_weight=weights[2]).fit(structures)
    parts = [part for part, weight in zip(("energy", "forces", "stress"), weights, strict=True) if weight]
    A, y = dense(structures, weights, parts)
    assert fitted.n_rows_ == len(y)
    noises = [fitted.noise_[kind] * w for kind, w in zip(("energy", "forces", "virial"), weights, strict=True) if w]
    assert noises == pytest.approx([noises[0]] * len(noises))
    mean, covariance = ridge.posterior(A, y, fitted.prior_variance_, noises[0] ** 2)
    np.testing.assert_allclose(fitted.weights_, mean / SCALES, rtol=1e-8)
    expected = ridge.log_evidence(A, y, fitted.prior_variance_, noises[0] ** 2)
    # The dense one factors a matrix of targets by targets, in which little noise beside the prior loses digits.
    assert fitted.log_evidence_ == pytest.approx(expected, rel=1e-7)
    covariance = covariance / np.outer(SCALES, SCALES)
    np.testing.assert_allclose(fitted.posterior_.covariance, covariance, rtol=1e-6, atol=1e-12 * covariance.max())

    atoms = labelled(1, seed=5)[0]
    design = Pairs().design(atoms)
    assert fitted.energy_std(atoms) == pytest.approx(np.sqrt(design.energy @ covariance @ design.energy), rel=1e-6)
    expected = np.sqrt(np.einsum("id,de,ie->i", design.forces, covariance, design.forces)).reshape(-1, 3)
    np.testing.assert_allclose(fitted.forces_std(atoms), expected, rtol=1e-6)


def test_a_model_that_can_be_met_is_found_exactly():
    weights = np.array([0.3, -1.0, 0.5, 2.0])
    structures = labelled()
    for atoms in structures:
        design = Pairs().design(atoms)
        results = {
            "energy": design.energy @ weights - 3.0 * len(atoms),
            "forces": (design.forces @ weights).reshape(-1, 3),
            "stress": -design.virial @ weights / atoms.get_volume(),
        }
        atoms.calc = SinglePointCalculator(atoms, **results)
    fitted = potential().fit(structures)
    np.testing.assert_allclose(fitted.weights_, weights, rtol=1e-5)
    prediction = fitted.predict(structures[0])
    assert prediction.energy == pytest.approx(structures[0].get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(prediction.forces, structures[0].get_forces(), atol=1e-5)


def test_parts_of_a_training_set_can_be_kept_and_merged():
    structures = labelled()
    labels, references = read_labels(structures), {"Cu": -3.0}
    whole = potential().fit(structures)
    rows = potential().rows(structures[:5], labels[:5], references)
    rows.merge(potential().rows(structures[5:], labels[5:], references))
    parts = potential().fit_rows(rows, references)
    np.testing.assert_allclose(parts.weights_, whole.weights_, rtol=1e-9)
    assert parts.n_rows_ == whole.n_rows_


def test_each_structure_is_used_for_what_it_has(caplog):
    structures = labelled()
    for k, atoms in enumerate(structures):
        results = dict(atoms.calc.results)
        results = {name: results[name] for name in [("energy",), ("forces",), ("energy", "forces", "stress")][k % 3]}
        atoms.calc = SinglePointCalculator(atoms, **results)
    with caplog.at_level(logging.INFO, logger="mlipselect"):
        fitted = potential().fit(structures)
    assert "labels of 12 structures: energies of 8 (energy), forces of 8 (forces), virials of 4 (stress)" in caplog.text
    # Rows in units of the noise that the evidence found for each kind.
    A, y = dense(structures, [1.0 / fitted.noise_[kind] for kind in ("energy", "forces", "virial")])
    mean = ridge.posterior(A, y, fitted.prior_variance_, 1.0)[0]
    np.testing.assert_allclose(fitted.weights_, mean / SCALES, rtol=1e-8)


def test_reference_energies():
    structures = labelled()
    free = Atoms("Cu", cell=np.eye(3) * 20.0, pbc=True)
    free.calc = SinglePointCalculator(free, energy=-1.5)
    bare = ms.LinearPotential(Pairs(), prior_scales=SCALES)
    assert bare.fit([*structures, free]).reference_energies_ == {"Cu": -1.5}
    means = [atoms.get_potential_energy() / len(atoms) for atoms in structures]
    assert bare.fit(structures).reference_energies_["Cu"] == pytest.approx(np.mean(means))
    assert potential().fit([*structures, free]).reference_energies_ == {"Cu": -3.0}


def test_the_calculator_is_consistent_and_relaxes():
    fitted = potential().fit(labelled(repeat=(2, 1, 1)))
    atoms = labelled(1, seed=9)[0]
    atoms.calc = fitted.calculator()
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-5), atol=1e-6)
    assert atoms.get_potential_energies().sum() == pytest.approx(atoms.get_potential_energy())
    strained, h, strain = atoms.copy(), 1e-6, np.zeros((3, 3))
    strain[0, 0] = h
    energies = []
    for sign in (1, -1):
        strained.set_cell(atoms.cell @ (np.eye(3) + sign * strain), scale_atoms=False)
        strained.positions = atoms.positions @ (np.eye(3) + sign * strain)
        energies.append(fitted.predict(strained).energy)
    assert atoms.get_stress()[0] == pytest.approx((energies[0] - energies[1]) / (2 * h) / atoms.get_volume(), rel=1e-5)
    assert atoms.calc.get_property("energy_std", atoms) == fitted.energy_std(atoms)
    np.testing.assert_array_equal(atoms.calc.get_property("forces_std", atoms), fitted.forces_std(atoms))
    before = atoms.get_potential_energy()
    assert BFGS(atoms, logfile=None).run(fmax=0.05, steps=50)
    assert atoms.get_potential_energy() < before
    cluster = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]], calculator=fitted.calculator())
    assert np.isfinite(cluster.get_potential_energy())
    with pytest.raises(PropertyNotImplementedError, match="a cell with three vectors"):
        cluster.get_stress()


def test_fit_once_and_select_with_it():
    fitted = potential().fit(labelled())
    pool = labelled(8, seed=3)
    X = ms.featurize(pool, Pairs())
    first = ms.BayesianSelector(1, score="energy", posterior=fitted.posterior_).fit(X).selected_idx_[0]
    stds = [fitted.energy_std(atoms) / len(atoms) for atoms in pool]
    assert first == np.argmax(stds)


def test_files(tmp_path):
    fitted = potential().fit(labelled())
    fitted.save(tmp_path / "cu.npz")
    again = ms.LinearPotential.load(tmp_path / "cu.npz", descriptor=Pairs())
    atoms = labelled(1, seed=5)[0]
    assert again.predict(atoms).energy == fitted.predict(atoms).energy
    assert again.energy_std(atoms) == fitted.energy_std(atoms)
    with pytest.raises(InvalidInputError, match=r"cu.npz: expected its descriptor with it, which is not an ACE"):
        ms.LinearPotential.load(tmp_path / "cu.npz")
    (tmp_path / "other.npz").write_text("no archive")
    with pytest.raises(InvalidInputError, match=r"other.npz: expected a potential saved by mlipselect"):
        ms.LinearPotential.load(tmp_path / "other.npz")


def test_bad_input_is_named():
    structures = labelled(3)
    with pytest.raises(NotFittedError, match="no weights yet"):
        potential().predict(structures[0])
    with pytest.raises(InvalidInputError, match="energy_key: none of 3 structures has 'dft_energy'"):
        potential().fit(structures, energy_key="dft_energy")
    structures[0].info["dft_energy"] = 1.0
    with pytest.raises(InvalidInputError, match=r"energy_key: dft_energy \(1 structure\), energy \(1"):
        potential().fit(structures)
    bare = [atoms.copy() for atoms in labelled(2)]
    with pytest.raises(InvalidInputError, match="expected energies, forces or virials, but 2 structures have none"):
        potential().fit(bare)
    bare[1].arrays["forces"] = np.full((4, 3), np.nan)
    with pytest.raises(InvalidInputError, match="expected energies, forces or virials, but 2 structures have none"):
        potential().fit(bare)
    bare[1].arrays["forces"][0] = 0.0
    with pytest.raises(StructureError, match="structure 1: forces: expected finite numbers"):
        potential().fit(bare)
    bare[1].info["virial"] = "none"
    with pytest.raises(StructureError, match="virial: expected numbers, got 'none'"):
        read_labels(bare, LabelOptions("none", "none", "virial"))
    with pytest.raises(InvalidInputError, match="must not be negative"):
        potential(energy_weight=-1.0).fit(labelled(2))
    with pytest.raises(InvalidInputError, match="at least one label with a weight above 0"):
        potential(forces_weight=0.0, virial_weight=0.0).fit(labelled(2), energy_key="none")
    with pytest.raises(InvalidInputError, match="Pairs has no smoothness_prior"):
        ms.LinearPotential(Pairs()).fit(labelled(2))
    with pytest.raises(StructureError, match="element 'Ag' has no reference energy"):
        potential().fit(labelled()).predict(ase.build.bulk("Ag"))


@pytest.mark.parametrize("shape", [(3, 3), (9,), (6,)])
def test_virials_in_any_layout(shape):
    full = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
    atoms = ase.build.bulk("Cu")
    atoms.info["virial"] = np.arange(1.0, 7.0) if shape == (6,) else full.reshape(shape)
    np.testing.assert_array_equal(read_labels([atoms])[0].virial, np.arange(1.0, 7.0))
