"""A process that was forked after compiled calls makes threads of its own, and gives the same results."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

#: Every kind of compiled call once, before and after a fork; the child ends with 0 if its results are those of before.
SCRIPT = """
import os, signal, sys

import numpy as np
from ase.build import bulk

import mlipselect as ms

n_threads = None if sys.argv[1] == "None" else int(sys.argv[1])
X = np.random.default_rng(0).standard_normal((400, 20))
pool = [bulk("Cu", a=a, cubic=True) for a in np.linspace(3.4, 3.8, 12)]
ace = ms.ACE(["Cu"], totaldegree=6)


def results():
    kinds = (
        ms.BayesianSelector, ms.FPS, ms.FacilityLocation, ms.KMedoids, ms.CUR,
        lambda n, **options: ms.BayesianSelector(n, score="pool_std", **options),
    )
    picks = [kind(3, n_threads=n_threads).fit(X, core=X[:5]).selected_idx_.tolist() for kind in kinds]
    features = ace.structure_features(pool, n_threads=n_threads)
    design = next(iter(ace.designs(pool[:1], n_threads=n_threads))).forces
    posterior = ms.Posterior(20, 1.0)
    posterior.update(X)
    selection = ms.select(pool, 2, descriptor=ace, n_threads=n_threads, progress=False)
    return picks, features.tolist(), design.tolist(), posterior.variance(X).tolist(), selection.indices.tolist()


before = results()
child = os.fork()
if child == 0:
    signal.alarm(60)
    os._exit(0 if results() == before else 3)
_, status = os.waitpid(child, 0)
assert status == 0, f"the child ended with the status {status}, 14 if it never answered"
assert results() == before
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork processes")
@pytest.mark.parametrize("n_threads", ["None", "1", "2"])
def test_a_forked_process_gives_the_same_results(n_threads):
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, n_threads]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
