"""A Dask cluster makes the picks of one machine, also when workers are lost on the way."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError
from mlipselect.io import differences, write_exact
from mlipselect.selectors import windowed
from mlipselect.stores import fill
from reference.structures import rattled

distributed = pytest.importorskip("distributed")

from mlipselect.parallel.dask import ClusterStore, featurize  # noqa: E402

ACE = ms.ACE(["Si"], totaldegree=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make three files of structures and their stores, of several shards."""
    folder = tmp_path_factory.mktemp("pool")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setattr(fill, "SHARD_BYTES", 25 * 25 * 8)
        for k, count in enumerate((150, 90, 60)):
            write_exact(f"{k}.xyz", [rattled(1000 * k + seed) for seed in range(count)])
            ms.featurize(f"{k}.xyz", ACE, store=f"{k}.features")
        write_exact("core.xyz", [rattled(seed) for seed in range(5000, 5008)])
    return folder


@pytest.fixture(autouse=True)
def small(folder, monkeypatch):
    """Make windows so small that several are needed."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(windowed, "window_sizes", lambda rows, *_: (len(rows), 20, len(rows)))
    warnings.filterwarnings("ignore", module=r"distributed|dask|tornado")


def cluster(workers):
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    )


STORES = ["0.features", "1.features", "2.features"]


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.filterwarnings("ignore")
def test_the_picks_are_those_of_one_machine(workers):
    with cluster(workers) as machines, distributed.Client(machines) as client:
        for method, options in (
            ("bayesian", {"score": "energy", "max_atoms": 200}),
            ("bayesian", {"score": "logdet"}),
            ("fps", {}),
        ):
            pool = ClusterStore(STORES, client)
            there = ms.select(pool, 30, "core.xyz", method=method, **options)
            here = ms.select(STORES, 30, "core.xyz", method=method, **options)
            assert there.indices.tolist() == here.indices.tolist()
            np.testing.assert_array_equal(there.scores, here.scores)
            assert 1 <= pool.round_trips < 30
            assert pool.bytes_sent > 0
            assert pool.bytes_received > 0
            for a, b in zip(there.structures, here.structures, strict=True):
                assert differences(a, b) == []
        # The default goes through the rows in the driver.
        there, here = (ms.select(pool, 5, "core.xyz") for pool in (ClusterStore(STORES, client), STORES))
        assert there.indices.tolist() == here.indices.tolist()
        np.testing.assert_array_equal(there.scores, here.scores)
        for target in ("core.xyz", "1.features", ClusterStore(["1.features"], client)):
            there = ms.select(ClusterStore(STORES, client), 4, target=target)
            here = ms.select(STORES, 4, target="1.features" if target != "core.xyz" else target)
            assert there.indices.tolist() == here.indices.tolist()
            assert there.reasons == here.reasons
        selector = ms.FPS(5, initialize=3).fit(ClusterStore(STORES, client))
        expected = ms.FPS(5, initialize=3).fit(ms.FeatureStore.open("0.features"))
        assert selector.selected_idx_[0] == expected.selected_idx_[0] == 3


@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_changes_nothing():
    here = ms.select(STORES, 30, "core.xyz", score="energy")
    with cluster(2) as machines, distributed.Client(machines) as client:
        pool = ClusterStore(STORES, client)
        ask, kills = pool.bounded, []

        def bounded(kind, **options):
            rows = ask(kind, **options)
            window = rows.window

            def interrupted(size, **how):
                if len(kills) < 3 and pool.round_trips:
                    pids = []
                    while len(pids) < 2:  # a worker that was killed before has no process until it is back
                        time.sleep(0.1)
                        pids = [worker.pid for worker in machines.workers.values() if worker.pid is not None]
                    os.kill(pids[len(kills) % len(pids)], signal.SIGKILL)
                    kills.append(1)
                return window(size, **how)

            rows.window = interrupted
            return rows

        pool.bounded = bounded
        there = ms.select(pool, 30, "core.xyz", score="energy")
    assert there.indices.tolist() == here.indices.tolist()
    assert len(kills) == 3
    assert pool.lost >= 1


@pytest.mark.filterwarnings("ignore")
def test_files_are_featurised_on_the_cluster(tmp_path):
    with cluster(2) as machines, distributed.Client(machines) as client:
        timer = threading.Timer(0.3, lambda: os.kill(next(iter(machines.workers.values())).pid, signal.SIGKILL))
        timer.start()
        pool = featurize(["0.xyz", "1.xyz", "2.xyz"], ACE, tmp_path / "stores", client=client)
        timer.join()
        for store, name in zip(pool.stores, STORES, strict=True):
            expected = ms.FeatureStore.open(name)
            np.testing.assert_array_equal(store.take(range(len(store))), expected.take(range(len(expected))))
        with pytest.raises(InvalidInputError, match="expected a descriptor with its elements"):
            featurize(["0.xyz"], ms.ACE(), tmp_path / "others", client=client)
        with pytest.raises(InvalidInputError, match="expected at least one file"):
            featurize([], ACE, tmp_path / "others", client=client)
        Path("broken.xyz").write_text("3\n\nSi 0 0 0\n")
        with pytest.raises(InvalidInputError, match=r"broken\.xyz, frame 0: the file is truncated"):
            featurize(["broken.xyz"], ACE, tmp_path / "others", client=client)
