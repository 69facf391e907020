"""Selectors are estimators to scikit-learn: its checks, `clone`, `Pipeline`, and round trips by pickle and joblib."""

from __future__ import annotations

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

import mlipselect as ms
from mlipselect.selectors.registry import METHODS

rng = np.random.default_rng(0)
X, CORE = rng.normal(size=(60, 5)) * 0.5 ** np.arange(5), rng.normal(size=(4, 5))

MATRIX = {
    "check_dtype_object": "objects are refused: what they are is not known before each is looked at",
    "check_estimators_nan_inf": "refused by the name of the structure and the words 'not finite'",
    "check_estimators_empty_data_messages": "a pool without features is refused, in other words than scikit-learn's",
}
"""Checks that selectors fail which look at features."""

SCORE = "`score` is what a candidate is worth, and scikit-learn takes an attribute of that name for a method"

EXPECTED_FAILURES = {
    "bayesian": MATRIX
    | {
        "check_fit_score_takes_y": SCORE,
        "check_n_features_in_after_fitting": SCORE,
        "check_pipeline_consistency": SCORE,
    },
    "fps": MATRIX,
    "facility_location": MATRIX,
    "k_medoids": MATRIX,
    "cur": MATRIX,
    "random": {
        "check_complex_data": "features are not looked at",
        "check_dtype_object": "features are not looked at",
        "check_estimators_nan_inf": "features are not looked at",
        "check_estimators_empty_data_messages": "features are not looked at",
        "check_fit1d": "a pool is anything with a length",
    },
}


@pytest.mark.filterwarnings("ignore:Estimator .* does not inherit from `sklearn.base.BaseEstimator`:UserWarning")
@pytest.mark.parametrize("method", METHODS)
def test_the_checks_of_scikit_learn(method):
    expected = EXPECTED_FAILURES[method]
    results = check_estimator(METHODS[method](), expected_failed_checks=expected, on_skip=None, on_fail=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert failed == {}
    passed = {result["check_name"] for result in results if result["status"] == "passed"}
    # A check may run twice, such as with and without read-only memory.
    missed = {result["check_name"] for result in results if result["status"] == "xfail"}
    assert set(expected) & passed <= missed


SELECTORS = {
    "energy": lambda n: ms.BayesianSelector(n, score="energy"),
    "logdet": lambda n: ms.BayesianSelector(n, score="logdet", prior_precision=np.full(5, 0.1), stop_gain=1e-9),
    "pool_variance": lambda n: ms.BayesianSelector(n, score="pool_variance", prior_precision=np.full(5, 0.1)),
    "pool_std": lambda n: ms.BayesianSelector(n, score="pool_std", posterior=ms.Posterior(5, 0.1, 1.0)),
    "fps": lambda n: ms.FPS(n, metric="cosine"),
    "facility_location": lambda n: ms.FacilityLocation(n),
    "k_medoids": lambda n: ms.KMedoids(n),
    "cur": lambda n: ms.CUR(n, random_state=np.random.default_rng(3)),
    "random": lambda n: ms.RandomSelector(n, random_state=2),
}


def by_joblib(selector):
    file = io.BytesIO()
    joblib.dump(selector, file)
    file.seek(0)
    return joblib.load(file)


COPIES = {
    "pickle": lambda selector: pickle.loads(pickle.dumps(selector)),
    "joblib": by_joblib,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("name", SELECTORS)
def test_a_clone_has_the_parameters_and_is_not_fitted(name):
    original = SELECTORS[name](7)
    before = clone(original)
    original.fit(X, core=CORE)
    after = clone(original)
    for cloned in (before, after):
        assert type(cloned) is type(original)
        assert repr(cloned).split(" at 0x")[0] == repr(original).split(" at 0x")[0]
        with pytest.raises(SklearnNotFittedError):
            check_is_fitted(cloned)
    check_is_fitted(original)
    np.testing.assert_array_equal(before.fit(X, core=CORE).selected_idx_, original.selected_idx_)


@pytest.mark.parametrize("name", SELECTORS)
def test_a_pipeline_selects(name):
    pipeline = make_pipeline(StandardScaler(), SELECTORS[name](7))
    pipeline.fit(X)
    expected = SELECTORS[name](7).fit(StandardScaler().fit_transform(X))
    np.testing.assert_array_equal(pipeline[-1].selected_idx_, expected.selected_idx_)
    step = pipeline.steps[-1][0]
    assert len(pipeline.set_params(**{f"{step}__n_to_select": 3}).fit(X)[-1].selected_idx_) == 3


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("name", SELECTORS)
def test_copies_select_the_same_before_and_after_fit(name, copied):
    expected = SELECTORS[name](12).fit(X, core=CORE, exclude=[1, 2])
    fresh = copied(SELECTORS[name](12)).fit(X, core=CORE, exclude=[1, 2])
    fitted = copied(fresh)
    for selector in (fresh, fitted):
        np.testing.assert_array_equal(selector.selected_idx_, expected.selected_idx_)
        np.testing.assert_array_equal(selector.scores_, expected.scores_)
        np.testing.assert_array_equal(selector.get_support(), expected.get_support())
    if hasattr(expected, "posterior_"):
        assert fitted.posterior_.logdet() == expected.posterior_.logdet()
        np.testing.assert_array_equal(fitted.information_, expected.information_)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("name", sorted(set(SELECTORS) - {"k_medoids"}))
def test_a_warm_start_of_a_copy_repeats_the_picks_and_leaves_its_original_alone(name, copied):
    whole = SELECTORS[name](20).fit(X, core=CORE, exclude=[1, 2])
    original = SELECTORS[name](8).fit(X, core=CORE, exclude=[1, 2])
    made = copied(original)
    np.testing.assert_array_equal(
        made.set_params(n_to_select=20).fit(X, warm_start=True).selected_idx_, whole.selected_idx_
    )
    np.testing.assert_allclose(made.scores_, whole.scores_, rtol=1e-12)
    # Once more from the copy, which has a selection under way now, and from one that was made of it.
    np.testing.assert_array_equal(
        copied(made).set_params(n_to_select=30).fit(X, warm_start=True).selected_idx_[:20], whole.selected_idx_
    )
    np.testing.assert_array_equal(original.selected_idx_, whole.selected_idx_[:8])
    original.set_params(n_to_select=20).fit(X, warm_start=True)
    np.testing.assert_array_equal(original.selected_idx_, whole.selected_idx_)
    np.testing.assert_array_equal(original.scores_, whole.scores_)


def test_a_warm_start_of_a_copy_needs_the_pool_and_the_parameters_of_before():
    selector = ms.FPS(5).fit(X, core=CORE)
    made = copy.copy(selector)
    with pytest.raises(
        ms.NotFittedError, match="a FPS that was copied or interrupted does not know the pool: call fit"
    ):
        made.next_score()
    made.n_to_select = 9
    with pytest.raises(ms.InvalidInputError, match="the scores of the picks so far have changed"):
        made.fit(X[::-1].copy(), warm_start=True)
    with pytest.raises(ms.InvalidInputError, match="the selection began with 60 candidates, given 59"):
        made.fit(X[1:].copy(), warm_start=True)
    made.scale = "none"
    with pytest.raises(ms.InvalidInputError, match="the scores of the picks so far have changed"):
        made.fit(X, warm_start=True)
    made.scale = "standard"
    assert made.fit(X, warm_start=True).next_score() == ms.FPS(9).fit(X, core=CORE).next_score()


def test_constrained_selections_copy_without_their_pool():
    selector = ms.FPS(5).fit(X, constraints=[ms.MinDistance(0.01)])
    made = pickle.loads(pickle.dumps(selector))
    assert len(pickle.dumps(selector)) < X.nbytes
    with pytest.raises(ms.InvalidInputError, match="a selection with constraints cannot be continued"):
        made.fit(X, warm_start=True)


def test_selections_by_force_and_from_a_store_are_continued_after_a_pickle(tmp_path):
    import ase.build

    pool = [ase.build.bulk("Si", a=5.2 + 0.05 * k) for k in range(12)]
    for number, atoms in enumerate(pool):
        atoms.rattle(0.1, seed=number)
    ace = ms.ACE(["Si"], totaldegree=6)
    features = ms.featurize(pool, ace)
    how = {"score": "force", "update": "forces"}
    whole = ms.BayesianSelector(6, **how).fit(features, designs=ms.Designs(pool, ace))
    half = pickle.loads(pickle.dumps(ms.BayesianSelector(3, **how).fit(features, designs=ms.Designs(pool, ace))))
    half.set_params(n_to_select=6).fit(features, warm_start=True)
    np.testing.assert_array_equal(half.selected_idx_, whole.selected_idx_)

    ms.io.write_exact(tmp_path / "pool.xyz", pool)
    store = ms.featurize(tmp_path / "pool.xyz", ace, store=tmp_path / "pool.features")
    for make in (ms.BayesianSelector, ms.FPS):
        stored = pickle.loads(pickle.dumps(make(3).fit(store))).set_params(n_to_select=6).fit(store, warm_start=True)
        np.testing.assert_array_equal(stored.selected_idx_, make(6).fit(features).selected_idx_)
