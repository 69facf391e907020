"""The expected error of a fit to core and picks: its definition, its scale, and selections that stop at it."""

from __future__ import annotations

import json

import ase
import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError
from mlipselect.io import write_exact
from mlipselect.selection import error_model, follow_error
from mlipselect.selection.core import Core
from mlipselect.selection.expected_error import ErrorCurve, ErrorModel, Until
from reference import ridge

ACE = ms.ACE(["Cu"], totaldegree=8)


def copper(n, seed, spread=0.15):
    """Rattled copper with energies and forces of effective medium theory."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.6 + spread * rng.normal())
        atoms.positions += rng.normal(scale=spread, size=atoms.positions.shape)
        atoms.calc = EMT()
        atoms.info["REF_energy"], atoms.arrays["REF_forces"] = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        out.append(atoms)
    return out


@pytest.fixture(scope="module")
def core():
    return copper(30, 1)


@pytest.fixture(scope="module")
def pool():
    return copper(40, 2, 0.3)


def brute_force(model, targets, floors, rows):
    """Return the root mean square error by a posterior that is made anew."""
    precision = np.linalg.inv(model.covariance) + rows.T @ rows / model.noise
    variances = np.einsum("td,de,te->t", targets, np.linalg.inv(precision), targets)
    return np.sqrt(np.mean(variances + floors))


def test_the_curve_is_that_of_posteriors_made_anew():
    rng = np.random.default_rng(0)
    X, sizes = rng.normal(size=(12, 4)), rng.integers(1, 9, size=12)
    root = rng.normal(size=(4, 4))
    model = ErrorModel(root @ root.T, 0.3, 0.05, 0.2, in_ev=True, source="")
    picks = [3, 7, 0, 5]
    alone = ErrorCurve(model, X, sizes, members=np.arange(12))
    aimed = ErrorCurve(model, X[:5], sizes[:5], weights=np.array([1.0, 0.0, 2.0, 0.0, 0.0]))
    for curve in (alone, aimed):
        curve.begin(X, None, 4)
        for pick in picks:
            curve.picked(pick)
    floors = 0.05 + 0.2 / sizes
    for k in range(5):
        left = np.setdiff1d(np.arange(12), picks[:k])
        assert alone.errors[k] == pytest.approx(brute_force(model, X[left], floors[left], X[picks[:k]]), rel=1e-10)
        three = [0, 2, 2]
        assert aimed.errors[k] == pytest.approx(brute_force(model, X[three], floors[three], X[picks[:k]]), rel=1e-10)
    found = alone.result()
    assert found.noise == pytest.approx(np.sqrt(np.mean(floors[np.setdiff1d(np.arange(12), picks)])))
    assert found.mean_std**2 + found.noise**2 == pytest.approx(found.curve[-1] ** 2)
    assert found.mean_std <= found.largest_std


def test_the_scale_of_core_energies_is_that_of_the_largest_evidence(core):
    frames = Core(core).survey()
    features = ms.featurize(core, ACE)
    prior = ms.Posterior(ACE.n_features, 1.0)
    model = error_model.of_core_energies(frames, features, prior, None)
    energies = np.array([atoms.info["REF_energy"] / len(atoms) for atoms in core])
    A, y = features.per_structure, energies - energies.mean()
    # The covariance is that of a fit with the noise found, for one spread of the prior; its evidence is the largest.
    spreads = np.logspace(-8, 8, 33)
    noises = np.array([model.noise * factor for factor in (0.25, 1.0, 4.0)])
    evidences = np.array([[ridge.log_evidence(A, y, spread, noise) for spread in spreads] for noise in noises])
    assert evidences[1].max() >= max(evidences[0].max(), evidences[2].max())
    best = spreads[evidences[1].argmax()]
    near = [ridge.posterior(A, y, best * factor, model.noise)[1] for factor in (0.5, 2.0)]
    test = ms.featurize(copper(5, 9), ACE).per_structure
    low, own, high = (np.einsum("td,de,te->t", test, each, test) for each in (near[0], model.covariance, near[1]))
    assert (low <= own * (1 + 1e-9)).all()
    assert (own <= high * (1 + 1e-9)).all()


def test_a_selection_stops_at_the_first_pick_that_is_enough(core, pool):
    whole = ms.select(pool, 30, core, ACE, energy_key="REF_energy")
    curve = whole.expected_error.curve
    assert len(curve) == 31
    assert whole.expected_error.in_ev
    wanted = float(np.sqrt(curve[8] * curve[9]))
    first = int(np.argmax(curve <= wanted))
    stopped = ms.select(pool, 30, core, ACE, until=wanted)
    assert stopped.indices.tolist() == whole.indices[:first].tolist()
    np.testing.assert_allclose(stopped.expected_error.curve, curve[: first + 1], rtol=1e-9)
    assert f"{first} of 30 structures selected: the expected error is small enough" in stopped.notes
    assert stopped.record()["expected_error"]["curve"] == stopped.expected_error.curve.tolist()
    short = ms.select(pool, first - 1, core, ACE, until=wanted)
    assert len(short) == first - 1
    assert any("still above `until`" in note for note in short.notes)


def test_more_than_the_pool_has_is_all_of_it(core, pool, tmp_path):
    for until in ("50%", "1e-9%"):
        whole, capped = (ms.select(pool, n, core, ACE, until=until) for n in (40, 999))
        assert capped.indices.tolist() == whole.indices.tolist()
        assert capped.parameters["n"] == 40
        assert capped.notes == whole.notes
    write_exact(tmp_path / "pool.xyz", pool)
    write_exact(tmp_path / "core.xyz", core)
    store = ms.featurize(tmp_path / "pool.xyz", ACE, store=tmp_path / "pool.features")
    assert ms.select(store, 999, core, ACE, until="50%").parameters["n"] == 40
    command = ["select", str(tmp_path / "pool.xyz"), "--core", str(tmp_path / "core.xyz"), "--totaldegree", "8", "-q"]
    command += ["-n", "999", "-o", str(tmp_path / "out.xyz")]
    assert main([*command, "--until", "50%"]) == 0
    assert json.loads((tmp_path / "out.json").read_text())["parameters"]["n"] == 40
    assert main(command) == 1
    with pytest.raises(InvalidInputError, match="n: expected between 1 and 40, the number of candidates in the pool"):
        ms.select(pool, 999, core, ACE)
    with pytest.raises(InvalidInputError, match="n: expected between 1 and 40"):
        ms.select(pool, 0, core, ACE, until="50%")


def test_picks_without_it_are_the_same(core, pool):
    plain, asked = (ms.select(pool, 10, core, ACE, **how) for how in ({}, {"energy_key": "REF_energy"}))
    assert plain.indices.tolist() == asked.indices.tolist()
    assert plain.expected_error is None
    assert "expected_error" not in plain.record()


@pytest.mark.parametrize("method", ["bayesian", "random", "fps", "facility_location", "cur"])
def test_a_fraction_needs_no_energies(core, pool, method):
    core, pool = (
        [ase.Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True) for atoms in part]
        for part in (core, pool)
    )
    whole = ms.select(pool, 40, core, ACE, method=method, until="1e-9%")
    curve = whole.expected_error.curve
    assert curve[0] == 1.0
    assert not whole.expected_error.in_ev
    stopped = ms.select(pool, 40, core, ACE, method=method, until="50%")
    assert len(stopped) == int(np.argmax(curve <= 0.5))
    assert stopped.indices.tolist() == whole.indices[: len(stopped)].tolist()


def test_a_potential_gives_the_scale_and_its_factor(core, pool, tmp_path):
    potential = ms.LinearPotential(ACE).fit(core)
    selection = ms.select(pool, 6, potential=potential)
    found = selection.expected_error
    left = [atoms for k, atoms in enumerate(pool) if k not in selection.indices]
    variances = selection.posterior.variance(ms.featurize(left, ACE).per_structure)
    noise = potential.noise_["energy"] ** 2 / 4
    assert found.curve[-1] == pytest.approx(np.sqrt(np.mean(variances) + noise), rel=1e-6)
    assert found.largest_std == pytest.approx(np.sqrt(variances.max()), rel=1e-6)
    potential.calibrate(core)
    potential.save(tmp_path / "cu.npz")
    again = ms.select(pool, 6, potential=tmp_path / "cu.npz").expected_error
    factor = potential.calibration_["energy"].factor
    np.testing.assert_allclose(again.curve, factor * found.curve, rtol=1e-9)


def test_forces_are_told_where_their_rows_are_there(core, pool):
    potential = ms.LinearPotential(ACE).fit(core).calibrate(core)
    factor = potential.calibration_["forces"].factor
    assert factor > 1.0
    selection = ms.select(pool, 3, potential=potential, score="force", update="forces")
    left = [atoms for k, atoms in enumerate(pool) if k not in selection.indices]
    largest = max(np.max(selection.posterior.variance(np.array(ACE.design(atoms).forces))) for atoms in left)
    assert selection.expected_error.largest_force_std == pytest.approx(factor * np.sqrt(largest), rel=1e-6)


def test_a_target_and_a_store_are_followed_too(core, pool, tmp_path):
    write_exact(tmp_path / "pool.xyz", pool)
    store = ms.featurize(tmp_path / "pool.xyz", ACE, store=tmp_path / "features")
    whole = ms.select(pool, 6, core, ACE, energy_key="REF_energy", target=copper(7, 5))
    stored = ms.select(store, 6, core, ACE, energy_key="REF_energy", target=copper(7, 5))
    np.testing.assert_allclose(stored.expected_error.curve, whole.expected_error.curve, rtol=1e-8)
    assert whole.expected_error.n_targets == 7
    plain = ms.select(store, 6, core, ACE, energy_key="REF_energy").expected_error
    assert plain.n_targets == 34


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until": "2 apples"}, "until: expected an error an atom such as 2meV, or a fraction such as 50%, got '2 app"),
        ({"until": "0meV"}, "until: expected an error"),
        ({"until": "100%"}, "until: expected an error"),
        ({"until": "2meV"}, "until 2meV: expected a core with energies or a potential"),
        ({"energy_key": "REF_energy"}, "energy_key: expected a core with energies"),
        ({"until": "50%", "method": "k_medoids"}, r"chooses its structures together: .*\(until\)"),
    ],
)
def test_what_cannot_be_done_is_refused(pool, options, message):
    with pytest.raises(InvalidInputError, match=message):
        ms.select(pool, 4, descriptor=ACE, **options)


def test_few_energies_tell_no_scale(core, pool):
    with pytest.raises(InvalidInputError, match="core: expected energies of at least 5 structures, got 4"):
        ms.select(pool, 4, core[:4], ACE, until="2meV")
    with pytest.raises(InvalidInputError, match="features know no energies: give the files of the core"):
        ms.select(pool, 4, ms.featurize(core, ACE), ACE, until="2meV")


def test_amounts_are_understood():
    assert Until.parse("2meV") == Until(0.002, is_fraction=False)
    assert Until.parse("2.5 meV/atom") == Until(0.0025, is_fraction=False)
    assert Until.parse(0.01) == Until.parse("0.01eV")
    assert Until.parse("50%") == Until(0.5, is_fraction=True)


def test_the_command_says_and_keeps_it(core, pool, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_exact("core.xyz", core)
    write_exact("pool.xyz", pool)
    command = ["select", "pool.xyz", "--core", "core.xyz", "--totaldegree", "8", "-n", "30", "-o", "out.xyz"]
    assert main([*command, "--until", "50%", "--energy-key", "REF_energy"]) == 0
    known = json.loads((tmp_path / "out.json").read_text())
    curve = known["expected_error"]["curve"]
    assert known["expected_error"]["unit"] == "eV/atom"
    assert known["parameters"]["until"] == "50%"
    assert curve[-1] <= 0.5 * curve[0] < curve[-2]
    output = capsys.readouterr().out
    assert f"in meV an atom (by 30 energies of the core): {1e3 * curve[0]:.3g} before the first pick" in output
    assert f"{1e3 * curve[-1]:.3g} after {len(curve) - 1}" in output


def test_a_large_pool_and_a_large_target_are_sampled(core, pool, tmp_path, monkeypatch):
    whole = ms.select(pool, 3, core, ACE, energy_key="REF_energy").expected_error
    monkeypatch.setattr(follow_error, "MOST_TARGETS", 20)
    some = ms.select(pool, 3, core, ACE, energy_key="REF_energy").expected_error
    assert 17 <= some.n_targets <= 20 < whole.n_targets
    assert some.curve[0] != whole.curve[0]
    write_exact(tmp_path / "target.xyz", copper(25, 5))
    store = ms.featurize(tmp_path / "target.xyz", ACE, store=tmp_path / "features")
    aimed = ms.select(pool, 3, core, ACE, energy_key="REF_energy", target=store, target_weights=np.arange(25.0))
    assert 19 <= aimed.expected_error.n_targets <= 20


def test_noise_that_is_above_the_error_asked_for_is_told(core, pool):
    whole = ms.select(pool, 5, core, ACE, energy_key="REF_energy").expected_error
    notes = ms.select(pool, 5, core, ACE, until=0.5 * whole.noise).notes
    assert any(
        f"the noise alone is {1e3 * whole.noise:.3g} meV" in note and "no pick removes" in note for note in notes
    )
    assert not any("more picks" in note for note in notes)


def test_a_mean_over_no_structure_is_not_shown(core, pool):
    selection = ms.select(pool[:6], 6, core, ACE, energy_key="REF_energy")
    found = selection.expected_error
    assert found.n_targets == 0
    assert len(found.curve) == 6
    assert (found.curve > 0.0).all()
    assert "over 0 structures" not in " ".join(found.told())
    assert [found.record()[name] for name in ("mean_std", "largest_std", "noise")] == [None] * 3
    json.dumps(selection.record(), allow_nan=False)
    asked = ms.select(pool[:6], 6, core, ACE, until="1e-9%")
    assert not any("small enough" in note for note in asked.notes)
    assert any("another pool is needed" in note for note in asked.notes)


def test_a_fraction_uses_no_energies_without_their_key(core, pool):
    assert "no energies are used" in ms.select(pool, 3, core, ACE, until="50%").expected_error.source


def test_a_core_without_energies_is_told_of_energies_alone(pool):
    bare = [ase.Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True) for atoms in pool[:8]]
    with pytest.raises(InvalidInputError, match="core: expected energies, but 8 structures have none"):
        ms.select(pool, 4, bare, ACE, until="2meV")


def test_reasons_speak_of_limits_only_where_there_are_some(core, pool):
    plain, limited = (ms.select(pool, 3, core, ACE, until="1%", **how) for how in ({}, {"max_atoms": 400}))
    assert not any("meet the limits" in reason for reason in plain.reasons)
    assert all("meet the limits" in reason for reason in limited.reasons)
