"""Coverage of predicted standard deviations: leaving out in closed form is fitting anew, and factors make them hold."""

from __future__ import annotations

import json

import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError
from mlipselect.labels import read_labels
from mlipselect.models import calibration
from mlipselect.models.calibration import (
    calibrated,
    conformal_factor,
    coverage,
    residuals_left_out,
    residuals_of_others,
)
from mlipselect.models.rows import LabelRows, kind_of
from reference.pairs import Pairs

SCALES = np.array([1.0, 3.0, 2.0, 5.0])


def labelled(n=12, seed=0, group=None):
    """Rattled crystals with energies, forces and stresses of a Morse potential."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.6)
        atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
        atoms.calc = MorsePotential(r0=2.6, epsilon=0.4, rho0=5.0, rcut1=3.0, rcut2=4.8)
        stress = atoms.get_stress()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": stress}
        atoms.calc = SinglePointCalculator(atoms, **results)
        if group is not None:
            atoms.info["config_type"] = group
        out.append(atoms)
    return out


def potential(**how):
    return ms.LinearPotential(Pairs(), prior_scales=SCALES, reference_energies={"Cu": -3.0}, **how)


def refitted(fitted, rows, kept):
    """Weights and their covariance given the rows of some structures, by normal equations."""
    precision = np.diag(SCALES**2) / fitted.prior_variance_
    moment = np.zeros(len(SCALES))
    for k in kept:
        for kind, block, targets in rows[k]:
            precision += block.T @ block / fitted.noise_[kind] ** 2
            moment += block.T @ targets / fitted.noise_[kind] ** 2
    covariance = np.linalg.inv(precision)
    return covariance @ moment, covariance


def all_rows(fitted, structures):
    labels = read_labels(structures)
    return [
        [(kind, np.array(block), targets) for kind, block, targets in fitted.label_rows(atoms, known, design)]
        for atoms, known, design in zip(structures, labels, map(Pairs().design, structures), strict=True)
    ]


def test_leaving_out_in_closed_form_is_fitting_anew():
    structures = labelled()
    fitted = potential().fit(structures)
    rows = all_rows(fitted, structures)
    found = residuals_left_out(fitted, structures, read_labels(structures))
    assert {kind: len(parts) for kind, parts in found.items()} == {"energy": 12, "forces": 12, "virial": 12}
    for k in range(len(structures)):
        weights, covariance = refitted(fitted, rows, [other for other in range(len(structures)) if other != k])
        for kind, block, targets in rows[k]:
            variances = np.einsum("id,de,ie->i", block, covariance, block) + fitted.noise_[kind] ** 2
            expected = (targets - block @ weights) / np.sqrt(variances)
            np.testing.assert_allclose(found[kind][k], expected, rtol=1e-5, atol=1e-7)


def test_other_structures_are_compared_with_weights_and_noise_together():
    fitted, others = potential().fit(labelled()), labelled(3, seed=7)
    rows = all_rows(fitted, others)
    covariance = fitted.posterior_.covariance
    found = residuals_of_others(fitted, others, read_labels(others))
    for k, own in enumerate(rows):
        for kind, block, targets in own:
            variances = np.einsum("id,de,ie->i", block, covariance, block) + fitted.noise_[kind] ** 2
            expected = (targets - block @ fitted.weights_) / np.sqrt(variances)
            np.testing.assert_allclose(found[kind][k], expected, rtol=1e-5)


@given(st.lists(st.floats(-5.0, 5.0), min_size=10, max_size=60), st.sampled_from([0.5, 0.9]))
def test_intervals_with_the_factor_hold_at_least_what_they_promise(values, level):
    residuals = np.array(values)
    factor = conformal_factor(residuals, level)
    within = np.abs(residuals) <= factor * norm.ppf(0.5 + level / 2.0) * (1.0 + 1e-12)
    assert within.mean() >= level
    # The same residuals, all of them larger, need a factor that is larger alike.
    assert conformal_factor(3.0 * residuals, level) == pytest.approx(3.0 * factor)


def test_few_labels_tell_no_factor():
    assert conformal_factor(np.ones(98), 0.99) == np.inf
    assert np.isfinite(conformal_factor(np.ones(99), 0.99))
    assert calibrated([np.array([5.0])] * 8).factor == 1.0


def test_factors_are_those_of_the_spread():
    rng = np.random.default_rng(0)
    small = calibrated([2.0 * rng.normal(size=20) for _ in range(500)])
    assert small.factors == pytest.approx((2.0, 2.0, 2.0), rel=0.05)
    assert small.factor == small.factors[1]
    assert small.before.rms == pytest.approx(2.0, rel=0.03)
    assert small.after.fractions == pytest.approx((0.5, 0.9, 0.99), abs=0.02)
    # Standard deviations that are too large stay.
    assert calibrated([0.5 * rng.normal(size=20) for _ in range(500)]).factor == 1.0


def test_each_half_is_judged_by_the_factor_of_the_other():
    residuals = [np.full(20, 1.0 if k % 2 == 0 else 4.0) for k in range(20)]
    known = calibrated(residuals)
    own = conformal_factor(np.full(200, 4.0), 0.9)
    expected = np.concatenate([np.full(200, 1.0 / own), np.full(200, 4.0)])
    assert known.after.rms == pytest.approx(np.sqrt(np.mean(expected**2)))


def test_coverage_counts():
    found = coverage([np.array([0.1, -3.0]), np.array([1.5, 0.7])])
    assert (found.n_structures, found.n_values, found.fractions) == (2, 4, (0.25, 0.75, 0.75))


def test_standard_deviations_have_the_factor_and_the_noise(tmp_path):
    structures = labelled(30)
    fitted = potential().fit(structures)
    atoms = labelled(1, seed=5)[0]
    bare = fitted.energy_std(atoms), fitted.forces_std(atoms), fitted.virial_std(atoms)
    covariance = fitted.posterior_.covariance
    virials = Pairs().design(atoms).virial
    np.testing.assert_allclose(bare[2] ** 2, np.einsum("id,de,ie->i", virials, covariance, virials), rtol=1e-5)
    assert fitted.energy_std(atoms, noise=True) ** 2 == pytest.approx(bare[0] ** 2 + 4 * fitted.noise_["energy"] ** 2)
    np.testing.assert_allclose(fitted.forces_std(atoms, noise=True) ** 2, bare[1] ** 2 + fitted.noise_["forces"] ** 2)
    # One in seven virials is off by as much: more than the tenth that intervals of 90 % may miss.
    for atoms_off in structures[::7]:
        atoms_off.calc.results["stress"] = atoms_off.calc.results["stress"] + 0.5
    fitted = potential().fit(structures)
    bare = fitted.energy_std(atoms), fitted.forces_std(atoms), fitted.virial_std(atoms)
    fitted.calibrate(structures)
    factors = [fitted.calibration_[kind].factor for kind in ("energy", "forces", "virial")]
    assert factors[2] > 1.2
    again = [fitted.energy_std(atoms), fitted.forces_std(atoms), fitted.virial_std(atoms)]
    for before, after, factor in zip(bare, again, factors, strict=True):
        np.testing.assert_allclose(after, factor * before, rtol=1e-12)
    fitted.save(tmp_path / "cu.npz")
    loaded = ms.LinearPotential.load(tmp_path / "cu.npz", descriptor=Pairs())
    assert loaded.calibration_ == fitted.calibration_
    assert loaded.energy_std(atoms, noise=True) == fitted.energy_std(atoms, noise=True)
    assert fitted.fit(structures).calibration_ == {}


def test_files_without_a_calibration_are_read(tmp_path):
    potential().fit(labelled()).save(tmp_path / "cu.npz")
    with np.load(tmp_path / "cu.npz") as archive:
        arrays = dict(archive)
    known = json.loads(str(arrays["about"]))
    del known["calibration"], known["group_noise"], known["parameters"]["noise_by"]
    np.savez(tmp_path / "old.npz", **arrays | {"about": np.array(json.dumps(known))})
    loaded = ms.LinearPotential.load(tmp_path / "old.npz", descriptor=Pairs())
    assert loaded.calibration_ == {}
    assert loaded.noise_by is None


def copper(n, seed):
    """Rattled copper with energies, forces and stresses of effective medium theory."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.6 + 0.1 * rng.normal())
        atoms.positions += rng.normal(scale=0.15, size=atoms.positions.shape)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        out.append(atoms)
    return out


def test_exploded_virials_do_not_ruin_energies_and_forces():
    structures, others, ace = copper(60, 1), copper(40, 2), ms.ACE(["Cu"], totaldegree=8)
    weights = {"energy_weight": 30.0, "forces_weight": 1.0, "virial_weight": 30.0}
    whole = ms.models.prediction_errors(ms.LinearPotential(ace).fit(structures), others)
    rng = np.random.default_rng(0)
    for atoms in structures[::20]:
        atoms.calc.results["stress"] = atoms.calc.results["stress"] + 10.0 * rng.normal(size=6)
    ruined = ms.models.prediction_errors(ms.LinearPotential(ace).fit(structures), others)
    assert ruined.energy < 1.2 * whole.energy
    assert ruined.forces < 1.2 * whole.forces
    # Noises that are given do not give way.
    weighted = ms.models.prediction_errors(ms.LinearPotential(ace, **weights).fit(structures), others)
    assert weighted.energy > 3.0 * whole.energy
    assert weighted.forces > 1.5 * whole.forces


def test_groups_have_noises_of_their_own():
    structures, rng = copper(90, 3), np.random.default_rng(4)
    for k, atoms in enumerate(structures):
        if k < 85:
            atoms.info["config_type"] = "clean" if k < 40 else "rough" if k < 80 else "rare"
        if 40 <= k < 80:
            atoms.calc.results["stress"] = atoms.calc.results["stress"] + 0.5 * rng.normal(size=6)
    ace = ms.ACE(["Cu"], totaldegree=6)
    plain = ms.LinearPotential(ace).fit(structures)
    fitted = ms.LinearPotential(ace, noise_by="config_type").fit(structures)
    noises = fitted.group_noise_["virial"]
    assert set(noises) == {"clean", "rough", "others"}
    volume = np.mean([atoms.get_volume() for atoms in structures[40:80]])
    assert noises["rough"] == pytest.approx(0.5 * volume / 2.0, rel=0.15)
    # Noises stay within a factor of 3 of that of all groups together.
    assert noises["clean"] == pytest.approx(plain.noise_["virial"] / 3.0)
    mean_square = (40 * noises["clean"] ** 2 + 40 * noises["rough"] ** 2 + 10 * noises["others"] ** 2) / 90
    assert fitted.noise_["virial"] == pytest.approx(mean_square**0.5)
    assert fitted.noises_of(structures[50])["virial"] == noises["rough"]
    assert fitted.noises_of(structures[82])["virial"] == noises["others"]
    assert fitted.log_evidence_ > plain.log_evidence_


def test_groups_that_cannot_be_are_refused():
    structures = labelled(20, group="one")
    with pytest.raises(InvalidInputError, match="expected at least 10 labelled structures that agree in 'kind'"):
        potential(noise_by="kind").fit(structures)
    with pytest.raises(InvalidInputError, match="noise_by: expected no weights with it"):
        potential(noise_by="config_type", forces_weight=1.0).fit(structures)


def test_crystals_whose_forces_vanish_do_not_outweigh_the_others():
    structures, others = copper(40, 1), copper(40, 2)
    for k in range(20):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.4 + 0.02 * k)
        atoms.calc = EMT()
        results = {
            "energy": atoms.get_potential_energy(),
            "forces": 1e-6 * np.ones((4, 3)),
            "stress": atoms.get_stress(),
        }
        atoms.calc = SinglePointCalculator(atoms, **results)
        structures.append(atoms)
    for k, atoms in enumerate(structures):
        atoms.info["config_type"] = "rattled" if k < 40 else "crystal"
    ace = ms.ACE(["Cu"], totaldegree=6)
    plain = ms.models.prediction_errors(ms.LinearPotential(ace).fit(structures), others)
    grouped = ms.models.prediction_errors(ms.LinearPotential(ace, noise_by="config_type").fit(structures), others)
    assert grouped.energy < 2.0 * plain.energy
    assert grouped.forces < 1.2 * plain.forces


def test_small_groups_are_put_together_and_lose_no_row():
    rng = np.random.default_rng(0)
    parts = [LabelRows(3), LabelRows(3)]
    for k in range(24):
        key = f"energy/{'large' if k % 2 else f'small {k % 3}'}"
        parts[k % 2].add(key, rng.normal(size=(2, 3)), rng.normal(size=2), None)
    parts[0].merge(parts[1])
    pooled = parts[0].with_large_groups()
    assert dict(pooled.n_structures) == {"energy/large": 12, "energy/others": 12}
    whole = parts[0].weighted({"energy": 1.0}).triangle()
    again = pooled.weighted({"energy/large": 1.0, "energy/others": 1.0}).triangle()
    np.testing.assert_allclose(whole.T @ whole, again.T @ again, rtol=1e-12, atol=1e-12)
    assert {kind_of(key) for key in pooled.factors} == {"energy"}


def free_of_references():
    return ms.LinearPotential(Pairs(), prior_scales=SCALES)


@pytest.mark.parametrize("scale", [0.0, 0.1], ids=["copies", "distinct"])
def test_energies_that_the_reference_energies_are_all_of_are_refused(scale):
    structures = []
    for seed in range(10):
        atoms = ase.build.bulk("Cu", cubic=True)
        atoms.rattle(scale, seed=seed)
        atoms.info["energy"] = -5.1 * len(atoms)
        structures.append(atoms)
    with pytest.raises(InvalidInputError, match="nothing to fit"):
        free_of_references().fit(structures, energy_key="energy")


@pytest.mark.parametrize("n", [1, 10])
def test_copies_of_a_structure_are_fitted_and_calibrated_as_far_as_possible(n, caplog):
    structures = labelled(1) * n
    fitted = potential().fit(structures)
    with caplog.at_level("WARNING", "mlipselect"):
        fitted.calibrate(structures)
    told = "undetermined" in caplog.text
    assert told == (n == 1)
    assert all(np.isfinite(known.before.rms) for known in fitted.calibration_.values())
    assert bool(fitted.calibration_) != told
    assert np.isfinite(fitted.energy_std(structures[0]))


def test_energies_that_say_nothing_beside_forces_are_told(caplog):
    with caplog.at_level("WARNING", "mlipselect"):
        fitted = free_of_references().fit(labelled(1))
    assert "energy" not in fitted.noise_
    assert "nothing is fitted to them" in caplog.text


def test_a_structure_without_which_nothing_is_known_is_left_out_and_counted(caplog, monkeypatch):
    structures = labelled(5)
    fitted = potential().fit(structures)
    labels = read_labels(structures)
    rest = residuals_left_out(fitted, structures, labels)
    without, calls = calibration._without_itself, []

    def fails_at_first(W, wrong):
        calls.append(len(W))
        if len(calls) == 1:
            raise np.linalg.LinAlgError
        return without(W, wrong)

    monkeypatch.setattr(calibration, "_without_itself", fails_at_first)
    with caplog.at_level("WARNING", "mlipselect"):
        found = residuals_left_out(fitted, structures, labels)
    assert "1 of 5 labelled structures is not in it" in caplog.text
    for kind, parts in rest.items():
        np.testing.assert_array_equal(np.concatenate(found[kind]), np.concatenate(parts[1:]))
