"""Strengths of the bias: fixed, ramped, and relative to the forces."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.hal.tau import as_tau


def forces(length):
    return np.array([[length, 0.0, 0.0], [0.0, 0.0, -length]])


def test_a_number_and_a_function_of_the_step():
    assert as_tau(0.3).at(7, forces(1.0), forces(1.0)) == 0.3
    assert as_tau(lambda step: 0.1 * step).at(7, forces(1.0), forces(1.0)) == pytest.approx(0.7)
    assert as_tau(ms.Ramp(0.0, 1.0, 10)).at(4, forces(1.0), forces(1.0)) == pytest.approx(0.4)


def test_relative_to_constant_forces_it_is_the_ratio_of_the_definition():
    tau = ms.RelativeTau(0.2, burn_in=0)
    for step in range(300):
        assert tau.at(step, forces(3.0), forces(0.5)) == pytest.approx(0.2 * 3.0 / 0.5)


def test_there_is_no_bias_during_the_burn_in():
    tau = ms.RelativeTau(burn_in=5)
    values = [tau.at(step, forces(1.0), forces(1.0)) for step in range(7)]
    assert values == pytest.approx([0.0] * 5 + [0.1, 0.1], abs=0.0)


def test_means_are_over_all_steps_first_and_then_forget():
    tau = ms.RelativeTau(1.0, history=4, burn_in=0)
    lengths = [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]
    found = [tau.at(step, forces(length), forces(1.0)) for step, length in enumerate(lengths)]
    expected, mean = [], 0.0
    for count, length in enumerate(lengths, start=1):
        mean = np.mean(lengths[:count]) if count <= 4 else 0.75 * mean + 0.25 * length
        expected.append(mean)
    assert found == pytest.approx(expected)


def test_without_a_gradient_there_is_no_bias():
    assert ms.RelativeTau(burn_in=0).at(0, forces(1.0), forces(0.0)) == 0.0


def test_a_step_that_comes_again_counts_once():
    tau = ms.RelativeTau(1.0, burn_in=0)
    tau.at(0, forces(1.0), forces(1.0))
    first = tau.at(1, forces(3.0), forces(1.0))
    assert tau.at(1, forces(30.0), forces(1.0)) == first


def rising(**options):
    return ms.RelativeTau(0.1, rise=10, burn_in=0, **options)


def test_a_fraction_doubles_until_a_frame_is_worth_taking():
    tau = rising()
    values = [tau.at(step, forces(1.0), forces(1.0)) for step in range(30)]
    assert values == pytest.approx([0.1 * 2.0 ** ((step + 1) / 10) for step in range(30)])
    tau.triggered()
    assert tau.at(30, forces(1.0), forces(1.0)) == pytest.approx(0.1 * 2.0**2.1)
    for _ in range(9):
        tau.triggered()
    assert tau.at(31, forces(1.0), forces(1.0)) == pytest.approx(0.1 * 2.0**0.1)


def test_a_fraction_rises_to_a_limit_and_begins_anew_with_the_trajectory():
    tau = rising(most=0.3)
    values = [tau.at(step, forces(1.0), forces(1.0)) for step in range(100)]
    assert max(values) == values[-1] == pytest.approx(0.3)
    tau.triggered()
    assert tau.at(100, forces(1.0), forces(1.0)) < 0.2
    tau.restarted()
    assert tau.at(101, forces(1.0), forces(1.0)) == pytest.approx(0.1 * 2.0**0.1)


def test_a_fraction_above_the_limit_does_not_rise():
    tau = ms.RelativeTau(3.0, rise=10, burn_in=0)
    assert [tau.at(step, forces(1.0), forces(1.0)) for step in range(50)] == [3.0] * 50


def test_there_is_no_rise_during_the_burn_in_nor_at_a_step_that_comes_again():
    tau = ms.RelativeTau(0.1, rise=10, burn_in=5)
    values = [tau.at(step, forces(1.0), forces(1.0)) for step in (0, 1, 2, 3, 4, 5, 5, 5)]
    assert values[-1] == values[-3] == pytest.approx(0.1 * 2.0**0.1)


def test_a_restored_tau_goes_on_as_if_never_stopped():
    rng = np.random.default_rng(0)
    steps = [(rng.normal(size=(4, 3)), rng.normal(size=(4, 3))) for _ in range(30)]
    whole, begun = (ms.RelativeTau(history=7, burn_in=3, rise=9) for _ in range(2))
    expected = [whole.at(step, *both) for step, both in enumerate(steps)]
    found = [begun.at(step, *both) for step, both in enumerate(steps[:11])]
    resumed = ms.RelativeTau(history=7, burn_in=3, rise=9)
    resumed.restore(json.loads(json.dumps(begun.state())))
    found += [resumed.at(step, *both) for step, both in enumerate(steps[11:], start=11)]
    assert found == expected


@pytest.mark.parametrize("wrong", [{"rise": 0}, {"most": 0.0}, {"most": float("nan")}])
def test_a_wrong_rise_is_refused(wrong):
    with pytest.raises(ms.InvalidInputError, match="rise and most"):
        ms.RelativeTau(**wrong)


@pytest.mark.parametrize("wrong", [{"history": 0}, {"burn_in": -1}])
def test_wrong_numbers_of_steps_are_refused(wrong):
    with pytest.raises(ms.InvalidInputError, match="history and burn_in"):
        ms.RelativeTau(**wrong)


def test_a_strength_that_is_not_finite_is_refused():
    with pytest.raises(ms.InvalidInputError, match="at step 3"):
        as_tau(lambda step: step * float("nan")).at(3, forces(1.0), forces(1.0))
    with pytest.raises(ms.InvalidInputError, match="tau: expected a number"):
        as_tau("strong")
    with pytest.raises(ms.InvalidInputError, match="n_steps"):
        ms.Ramp(0.0, 1.0, 0)
