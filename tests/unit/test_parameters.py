"""Parameters of selectors: what scikit-learn's conventions ask for, without scikit-learn."""

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.selectors.methods import METHODS

X = np.random.default_rng(0).normal(size=(30, 4))


@pytest.mark.parametrize("kind", METHODS.values())
def test_parameters_are_stored_as_they_come_and_can_be_set(kind):
    selector = kind(5)
    parameters = selector.get_params()
    assert parameters["n_to_select"] == 5
    other = kind(**parameters)
    assert all(other.get_params()[name] is value for name, value in parameters.items())
    assert selector.set_params(n_to_select=3) is selector
    assert selector.n_to_select == 3
    assert repr(selector) == f"{kind.__name__}(n_to_select=3)"
    with pytest.raises(ms.InvalidInputError, match=f"{kind.__name__} has no parameter 'cutoff', expected one of n_to_"):
        selector.set_params(n_to_select=4, cutoff=5.0)
    assert selector.n_to_select == 3


def test_parameters_that_differ_are_shown_on_one_line():
    selector = ms.BayesianSelector(5, score="logdet", target=np.zeros((2000, 30)), ridge=1e-5)
    text = "BayesianSelector(n_to_select=5, score='logdet', target=<array of shape (2000, 30), float64>)"
    assert repr(selector) == text


@pytest.mark.parametrize("kind", METHODS.values())
def test_labels_are_ignored_and_a_core_is_no_labels(kind):
    selector = kind(5).fit(X)
    assert selector.n_features_in_ == 4
    labels = np.arange(30.0)
    assert kind(5).fit(X, labels).selected_idx_.tolist() == selector.selected_idx_.tolist()
    assert kind(5).fit(X, list(labels)).selected_idx_.tolist() == selector.selected_idx_.tolist()
    for core in (X[:3], X, labels[:5]):
        with pytest.raises(ms.InvalidInputError, match=r"y: expected None or 30 labels.*give it as core="):
            kind(5).fit(X, core)
