"""Fitted selectors go to other processes by what Dask and joblib send, and go on there as here."""

from __future__ import annotations

import numpy as np
import pytest

import mlipselect as ms

RNG = np.random.default_rng(5)
X = RNG.standard_normal((40, 5)) * np.array([3.0, 1.0, 1.0, 0.3, 0.1])

SELECTORS = {
    "energy": lambda: ms.BayesianSelector(4, score="energy"),
    "pool_variance": lambda: ms.BayesianSelector(4),
    "posterior": lambda: ms.BayesianSelector(4, score="energy", posterior=ms.Posterior(5, 0.1)),
    "fps": lambda: ms.FPS(4, metric="cosine"),
    "facility_location": lambda: ms.FacilityLocation(4),
    "k_medoids": lambda: ms.KMedoids(4),
    "cur": lambda: ms.CUR(4, random_state=3),
    "random": lambda: ms.RandomSelector(4),
}


def continued(selector):
    """Select twice as many as before, in whatever process this is called; medoids are found anew."""
    selector.set_params(n_to_select=8)
    return selector.fit(X) if isinstance(selector, ms.KMedoids) else selector.fit(X, warm_start=True)


def check(made, name):
    """Compare a selector that came back with one that never left."""
    expected = continued(SELECTORS[name]().fit(X))
    np.testing.assert_array_equal(made.selected_idx_, expected.selected_idx_)
    np.testing.assert_array_equal(made.scores_, expected.scores_)
    assert repr(made).split(" at 0x")[0] == repr(expected).split(" at 0x")[0]


@pytest.mark.parametrize("name", SELECTORS)
def test_the_messages_of_distributed_hold_a_fitted_selector(name):
    protocol = pytest.importorskip("distributed.protocol", reason="distributed is not installed: the extra dask")
    original = SELECTORS[name]().fit(X)
    for made in (
        protocol.deserialize(*protocol.serialize(original)),
        protocol.loads(protocol.dumps({"selector": protocol.to_serialize(original)}))["selector"],
        protocol.pickle.loads(protocol.pickle.dumps(original)),
    ):
        check(continued(made), name)
    np.testing.assert_array_equal(original.selected_idx_, SELECTORS[name]().fit(X).selected_idx_)


def test_workers_of_dask_go_on_with_selectors():
    distributed = pytest.importorskip("distributed", reason="distributed is not installed: the extra dask")
    how = {"n_workers": 1, "threads_per_worker": 2, "processes": True, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(**how) as machines, distributed.Client(machines) as client:
        sent = {name: client.submit(continued, make().fit(X), pure=False) for name, make in SELECTORS.items()}
        for name, future in sent.items():
            check(future.result(timeout=120), name)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_of_joblib_go_on_with_selectors(backend):
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    # One byte is enough for a memory map, which is read-only at the workers.
    with joblib.parallel_config(backend=backend, n_jobs=2, **({"max_nbytes": 1} if backend == "loky" else {})):
        found = joblib.Parallel()(joblib.delayed(continued)(make().fit(X)) for make in SELECTORS.values())
    for name, made in zip(SELECTORS, found, strict=True):
        check(made, name)
