"""Triggers score by their definitions, and peaks are found after the fact."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.demo import silicon_core
from mlipselect.demo.potentials import label
from mlipselect.hal import known as known_module
from mlipselect.hal.known import Known
from mlipselect.hal.triggers import TRIGGERS, Seen, make_trigger
from mlipselect.hal.triggers.peak import Crossing, Peak, make_follower
from reference.structures import rattled

ACE = ms.ACE(["Si"], totaldegree=6)
CORE = [rattled(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def surrogate():
    return ms.Surrogate(ACE, core=CORE)


@pytest.fixture(scope="module")
def fitted():
    return ms.Surrogate(ms.LinearPotential(ACE).fit(label(silicon_core()[::6])))


def seen(surrogate, atoms, forces=None):
    deviation = surrogate.deviation(atoms).sigma / len(atoms)
    return Seen(atoms, deviation, np.ones((len(atoms), 3)) if forces is None else forces)


def score(name, surrogate, atoms, known=None):
    trigger = make_trigger(name)
    known = known or Known.of(surrogate, with_sites=trigger.needs_sites)
    return trigger.score(surrogate, seen(surrogate, atoms), trigger.reference(surrogate, known))


def variances(surrogate, rows):
    covariance = surrogate.posterior.covariance
    return np.einsum("ij,jk,ik->i", rows, covariance, rows)


def test_extrapolation_is_the_variance_over_the_quantile_of_what_is_known(surrogate):
    atoms, taken = rattled(9), rattled(20)
    rows = np.array([ACE.features(one).mean(axis=0) for one in (*CORE, taken)])
    known = Known.of(surrogate, with_sites=False).and_also(rows[-1:])
    own = variances(surrogate, ACE.features(atoms).mean(axis=0)[None])[0]
    expected = own / np.quantile(variances(surrogate, rows), 0.99)
    assert score("extrapolation", surrogate, atoms, known) == pytest.approx(expected, rel=1e-7)


def test_gain_is_the_fall_of_the_log_determinant(surrogate):
    atoms = rattled(9)
    after = surrogate.posterior.copy()
    after.update(surrogate.row(atoms)[None])
    assert score("gain", surrogate, atoms) == pytest.approx(surrogate.posterior.logdet() - after.logdet(), rel=1e-7)


def test_max_atom_is_the_largest_variance_over_the_quantile_of_the_atoms_of_the_core(surrogate):
    atoms = rattled(9)
    of_core = variances(surrogate, np.concatenate([ACE.features(one) for one in CORE]))
    expected = variances(surrogate, ACE.features(atoms)).max() / np.quantile(of_core, 0.99)
    assert score("max-atom", surrogate, atoms) == pytest.approx(expected, rel=1e-7)


def test_relative_force_is_that_of_the_covariance_of_forces(fitted):
    atoms, forces = rattled(9), np.random.default_rng(0).normal(size=(8, 3))
    design = ACE.design(atoms).forces
    deviations = np.sqrt(variances(fitted, design).reshape(-1, 3).sum(axis=1))
    expected = (deviations / (np.linalg.norm(forces, axis=1) + 0.2)).max()
    found = make_trigger("relative-force").score(fitted, seen(fitted, atoms, forces), 1.0)
    assert found == pytest.approx(expected, rel=1e-5)


def test_of_a_large_core_atoms_at_even_steps_are_looked_at(surrogate, monkeypatch):
    monkeypatch.setattr(known_module, "MAX_SITES", 10)
    every = np.concatenate([ACE.features(one) for one in CORE])
    assert len(every) == 48
    assert (Known.of(surrogate, with_sites=True).sites == every[::5]).all()


def test_relative_force_needs_a_potential(surrogate):
    with pytest.raises(ms.InvalidInputError, match="'relative-force' needs deviations in eV"):
        make_trigger("relative-force").check(surrogate)


def test_max_atom_and_extrapolation_need_a_core(fitted):
    with pytest.raises(ms.InvalidInputError, match=r"give that as core \(--core\)"):
        Known.of(fitted, with_sites=True)
    with pytest.raises(ms.InvalidInputError, match=r"give that as core \(--core\)"):
        make_trigger("extrapolation").reference(fitted, Known.of(fitted, with_sites=False))


def test_where_nothing_is_uncertain_anything_is_infinitely_more():
    from mlipselect.hal.triggers.base import ratio

    assert ratio(1.0, 0.0) == np.inf
    assert ratio(0.0, 0.0) == 0.0


@pytest.mark.parametrize("name", TRIGGERS)
def test_thresholds(name):
    assert make_trigger(name).threshold > 0.0
    assert make_trigger(name, 7.0).threshold == 7.0
    with pytest.raises(ms.InvalidInputError, match="threshold"):
        make_trigger(name, 0.0)


def test_names_and_thresholds_that_do_not_go_together():
    with pytest.raises(ms.InvalidInputError, match="trigger: expected one of extrapolation, gain"):
        make_trigger("surprise")
    with pytest.raises(ms.InvalidInputError, match="threshold: expected none"):
        make_trigger(make_trigger("gain"), 2.0)
    with pytest.raises(ms.InvalidInputError, match="at: expected one of threshold, peak"):
        make_follower("valley")


def follow(follower, scores, threshold=1.0):
    """Follow scores, and return the number of the frame that triggered at each, or None."""
    found = []
    for number, value in enumerate(scores):
        atoms = rattled(0)
        atoms.positions += number
        taken = follower.follow(atoms, value, threshold)
        found.append(None if taken is None else round(float(taken[0].positions[0, 0] - rattled(0).positions[0, 0])))
    return found


def test_a_crossing_takes_whatever_is_above():
    assert follow(Crossing(), [0.5, 1.5, 0.9, 2.0]) == [None, 1, None, 3]


def test_a_peak_is_taken_when_the_score_has_fallen_again():
    assert follow(Peak(), [0.5, 2.0, 3.0, 2.5, 2.6, 0.1]) == [None, None, None, 2, None, 4]
    assert follow(Peak(), [0.5, 0.9, 0.3]) == [None, None, None]


def test_a_peak_below_the_mean_so_far_is_none():
    assert follow(Peak(), [9.0, 9.5, 8.0, 1.5, 1.6, 1.2]) == [None, None, 1, None, None, None]


def test_a_restored_peak_goes_on():
    scores = [0.5, 2.0, 3.0, 2.5, 2.6, 0.1]
    begun = Peak()
    first = follow(begun, scores[:3])
    resumed = Peak()
    resumed.restore(json.loads(json.dumps(begun.state())), rattled(5))
    taken = resumed.follow(rattled(1), scores[3], 1.0)
    assert first == [None, None, None]
    assert taken[1] == 3.0
    assert (taken[0].positions == rattled(0).positions + 2).all()
