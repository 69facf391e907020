"""How many threads are meant: -1 are all cores, and other numbers below 1 are refused, in Rust and in Python."""

from __future__ import annotations

import os

import numpy as np
import pytest
from ase.build import bulk

import mlipselect as ms
from mlipselect import _core
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError

POOL = [bulk("Cu", a=a) for a in (3.5, 3.6, 3.7)]


def calls(n):
    ace = ms.ACE(["Cu"], totaldegree=4)
    X = np.arange(12.0).reshape(6, 2) ** 0.5
    return {
        "select": lambda: ms.select(POOL, 1, descriptor=ace, n_threads=n),
        "featurize": lambda: ms.featurize(POOL, ace, n_threads=n),
        "featurize by a function": lambda: ms.featurize(POOL, lambda atoms: atoms.positions, n_threads=n),
        "site_features": lambda: ace.site_features(POOL, n_threads=n),
        "structure_features": lambda: ace.structure_features(POOL, n_threads=n),
        "designs": lambda: list(ace.designs(POOL, n_threads=n)),
        "BayesianSelector": lambda: ms.BayesianSelector(2, n_threads=n).fit(X),
        "FPS": lambda: ms.FPS(2, n_threads=n).fit(X),
        "KMedoids": lambda: ms.KMedoids(2, n_threads=n).fit(X),
        "CUR": lambda: ms.CUR(2, n_threads=n).fit(X),
        "FacilityLocation": lambda: ms.FacilityLocation(2, n_threads=n).fit(X),
    }


@pytest.mark.parametrize("name", list(calls(1)))
def test_numbers_of_threads(name):
    for n in (None, -1, 1, 2, np.int64(3)):
        calls(n)[name]()
    for n in (0, -2, 1.5, "all"):
        with pytest.raises(InvalidInputError, match=r"n_threads: expected a number of threads, or -1 for all cores"):
            calls(n)[name]()


VARIABLES = ("MLIPSELECT_NUM_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS")


@pytest.fixture
def no_variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_variables")
def test_the_number_that_is_meant():
    assert _core.thread_count(3) == 3
    assert _core.thread_count(-1) == _core.thread_count() >= 1


@pytest.mark.usefixtures("no_variables")
def test_variables_set_the_default_only(monkeypatch):
    every = _core.thread_count(-1)
    for number, name in enumerate(reversed(VARIABLES), 5):
        monkeypatch.setenv(name, str(number))
        assert (_core.thread_count(), _core.thread_count(2), _core.thread_count(-1)) == (number, 2, every)
    monkeypatch.delenv("MLIPSELECT_NUM_THREADS")
    monkeypatch.setenv("RAYON_NUM_THREADS", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert _core.thread_count() == 3


@pytest.mark.parametrize("value", ["x", "", "0", "-3", "1.5"])
def test_a_variable_that_is_no_number_is_refused(monkeypatch, value):
    monkeypatch.setenv("MLIPSELECT_NUM_THREADS", value)
    with pytest.raises(InvalidInputError, match="MLIPSELECT_NUM_THREADS: expected a positive number of threads"):
        ms.FPS(1).fit(np.eye(2))
    assert len(ms.FPS(1, n_threads=1).fit(np.eye(2)).selected_idx_) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to processors")
@pytest.mark.usefixtures("no_variables")
def test_threads_follow_the_processors_that_a_process_may_use():
    before = os.sched_getaffinity(0)
    assert _core.thread_count() == _core.thread_count(-1) == len(before)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert _core.thread_count() == _core.thread_count(-1) == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize("verb", ["select", "featurize", "merge"])
def test_on_the_command_line(verb, files, capsys):
    rest = {"select": ["-o", "out.xyz", "-n", "1"], "featurize": ["-o", "out.npz"], "merge": ["-o", "out.xyz"]}[verb]
    assert main([verb, "pool.xyz", *rest, "--threads", "0"]) == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    if verb == "select":
        assert "--threads: expected a number of threads" in error
        assert main([verb, "pool.xyz", *rest, "--totaldegree", "4", "--threads", "-1", "-q"]) == 0


@pytest.mark.parametrize("verb", ["select", "featurize", "fit", "merge", "demo"])
def test_more_threads_than_any_machine_has_are_refused(verb, files, capsys):
    rest = [] if verb == "demo" else ["pool.xyz"]
    assert main([verb, *rest, "-o", "out.xyz", "--threads", "9999"]) == 2
    assert "expected at most" in (error := capsys.readouterr().err)
    assert f"there are {_core.thread_count()} cores here, got 9999; -1 are all cores" in error
    assert not (files / "out.xyz").exists()


def test_some_threads_more_than_cores_are_allowed(files):
    rest = ["-n", "1", "--totaldegree", "4", "-q", "-o", "out.xyz"]
    assert main(["select", "pool.xyz", *rest, "--threads", "64"]) == 0
