"""Parameters of selectors: what scikit-learn's conventions ask for, without scikit-learn."""

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.selectors.registry import METHODS

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
    selector = ms.BayesianSelector(5, score="logdet", prior_precision=np.zeros((30, 30)), ridge=1e-4)
    text = "BayesianSelector(n_to_select=5, score='logdet', prior_precision=<array of shape (30, 30), float64>)"
    assert repr(selector) == text


def test_a_potential_shows_its_parameters():
    potential = ms.LinearPotential(ms.ACE(["Si"], totaldegree=6), forces_weight=2.0)
    text = "LinearPotential(descriptor=ACE(['Si'], order=3, totaldegree=6, rcut=5): 25 features, forces_weight=2.0)"
    assert repr(potential) == text
    assert potential.set_params(energy_weight=1.0).get_params()["energy_weight"] == 1.0


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


@pytest.mark.parametrize("kind", METHODS.values())
def test_how_many_follows_the_size_of_the_pool(kind):
    assert len(kind().fit(X).selected_idx_) == 15
    assert len(kind(0.1).fit(X).selected_idx_) == 3
    assert len(kind(0.01).fit(X).selected_idx_) == 1
    assert len(kind(np.float32(0.25)).fit(X).selected_idx_) == 7
    for wrong in (0, -1, 1.0, 2.5, 0.0, True, "half", np.nan):
        with pytest.raises(ms.InvalidInputError, match="n_to_select must be an integer of at least 1, a fraction"):
            kind(wrong).fit(X)
    with pytest.raises(ms.InvalidInputError, match="cannot select 31 structures from a pool of 30: lower n_to_select"):
        kind(31).fit(X)


NUMBERS = {
    ms.BayesianSelector: ["ridge", "noise_precision", "stop_gain", "max_memory"],
    ms.FPS: ["stop_gain", "initialize"],
    ms.FacilityLocation: ["stop_gain", "max_memory"],
    ms.KMedoids: ["max_iter", "max_memory"],
    ms.CUR: ["ridge", "rank"],
}


@pytest.mark.parametrize("wrong", ["a", [1, 2], {}, object(), 1j, np.ones(3)], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NUMBERS.items() for name in names])
def test_a_parameter_that_is_no_number_is_named(kind, name, wrong):
    with pytest.raises(ms.InvalidInputError, match=name):
        kind(3, **{name: wrong}).fit(X)


def test_numbers_of_numpy_are_numbers():
    expected = ms.BayesianSelector(5, ridge=1e-3, noise_precision=2.0).fit(X).selected_idx_.tolist()
    numbers = {"ridge": np.float64(1e-3), "noise_precision": np.array(2.0)}
    assert ms.BayesianSelector(5, **numbers).fit(X).selected_idx_.tolist() == expected
    with pytest.raises(ms.InvalidInputError, match="ridge must be a number, given True"):
        ms.BayesianSelector(5, ridge=True).fit(X)


def test_what_is_no_number_is_named_by_limits_and_scores():
    for make, message in (
        (lambda: ms.Quota("aab", minimum="a"), "minimum must be an integer, given 'a'"),
        (lambda: ms.Quota("aab", maximum=1.5), "maximum must be an integer, given 1.5"),
        (lambda: ms.Budget([1.0], "a"), "limit must be a number, given 'a'"),
        (lambda: ms.MinDistance(None), "distance must be a number, given None"),
        (lambda: ms.BayesianSelector(2, score=None).fit(X), "score must be a name or weights of"),
        (lambda: ms.BayesianSelector(2, score={"force": "a"}).fit(X), "a weight of score must be a number"),
        (lambda: ms.BayesianSelector(2, posterior="a").fit(X), "posterior must be a Posterior, given 'a'"),
    ):
        with pytest.raises(ms.InvalidInputError, match=message):
            make()


RANDOM = {
    "random": lambda state: ms.RandomSelector(10, random_state=state),
    "cur": lambda state: ms.CUR(10, random_state=state),
    "k_medoids": lambda state: ms.KMedoids(10, initialize="k_medoids++", random_state=state),
}


@pytest.mark.parametrize("name", RANDOM)
def test_random_states(name):
    def fitted(state):
        return RANDOM[name](state).fit(X)

    rng = np.random.default_rng(1)
    seeds = [fitted(rng).seed_ for _ in range(2)]
    assert len(set(seeds)) == 2
    again = fitted(np.random.default_rng(1))
    assert again.seed_ == seeds[0]
    for selector in (again, fitted(None)):
        np.testing.assert_array_equal(fitted(selector.seed_).selected_idx_, selector.selected_idx_)
    assert fitted(None).seed_ != fitted(None).seed_
    assert fitted(3).seed_ == 3


def test_a_target_is_drawn_by_a_recorded_seed():
    pool = np.random.default_rng(0).normal(size=(2100, 3))
    made = ms.BayesianSelector(2, score="pool_std", random_state=np.random.default_rng(5)).fit(pool)
    again = ms.BayesianSelector(2, score="pool_std", random_state=made.seed_).fit(pool)
    np.testing.assert_array_equal(again.scores_, made.scores_)
    with pytest.raises(ms.InvalidInputError, match="random_state must be None, an integer of at least 0 or a numpy"):
        ms.RandomSelector(2, random_state=np.random.RandomState(0)).fit(pool)


def test_names_with_a_hyphen_are_refused_with_the_right_spelling():
    with pytest.raises(ms.InvalidInputError, match="method: expected facility_location, got 'facility-location'"):
        ms.select([], method="facility-location")
    with pytest.raises(ms.InvalidInputError, match=r"initialize: expected k_medoids\+\+, got 'k-medoids\+\+'"):
        ms.KMedoids(2, initialize="k-medoids++").fit(X)
    with pytest.raises(ms.InvalidInputError, match="score: expected pool_std, got 'pool-std'"):
        ms.BayesianSelector(2, score="pool-std").fit(X)


def test_a_warm_start_that_was_interrupted_is_repeated(monkeypatch):
    whole, selector = ms.FPS(12).fit(X), ms.FPS(4).fit(X)

    def interrupted(self, count):
        self._selection.advance(count // 2)
        raise KeyboardInterrupt

    selector.n_to_select = 12
    with monkeypatch.context() as patch:
        patch.setattr(ms.FPS, "_advance", interrupted)
        with pytest.raises(KeyboardInterrupt):
            selector.fit(X, warm_start=True)
    np.testing.assert_array_equal(selector.fit(X, warm_start=True).selected_idx_, whole.selected_idx_)
