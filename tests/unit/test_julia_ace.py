"""JuliaACE against a process that speaks its protocol; with Julia it has not run."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError, MissingExtraError, MlipselectError, StructureError
from mlipselect.worker.messages import receive, send

FAKE = Path(__file__).with_name("fake_julia.py")


def julia(fault="", **options):
    command = [sys.executable, str(FAKE), fault]
    return ms.JuliaACE(["Si"], totaldegree=6, bridge=command, **options)


@pytest.fixture
def atoms():
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    return atoms


def test_rows_and_designs_come_back(atoms):
    descriptor = julia()
    squares = ((atoms.positions - atoms.positions[0]) ** 2).sum(axis=1)
    expected = np.column_stack([squares, np.full(8, atoms.cell.volume)])
    np.testing.assert_allclose(descriptor.features(atoms), expected)
    assert descriptor.n_features == 2
    design = descriptor.design(atoms)
    np.testing.assert_allclose(design.energy, expected.sum(axis=0))
    assert (design.forces.shape, design.virial.shape) == ((24, 2), (6, 2))
    np.testing.assert_allclose(ms.featurize([atoms, atoms], descriptor).per_structure, [expected.mean(axis=0)] * 2)
    descriptor.close()
    np.testing.assert_allclose(descriptor.features(atoms), expected)
    descriptor.close()


def test_a_copy_and_a_forked_process_start_a_process_of_their_own(atoms):
    descriptor = julia()
    before = descriptor.features(atoms)
    other = pickle.loads(pickle.dumps(descriptor))
    assert other._process is None
    np.testing.assert_array_equal(other.features(atoms), before)
    other.close()
    if hasattr(os, "fork"):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            same = np.array_equal(descriptor.features(atoms), before)
            descriptor.close()
            os._exit(0 if same else 3)
        assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(descriptor.features(atoms), before)
    descriptor.close()


def test_the_model_is_asked_for_with_its_parameters(atoms):
    descriptor = ms.JuliaACE(
        ["Si", "O"], order=2, totaldegree=[6, 5], rcut=4.5, pair_basis="a", bridge=[sys.executable, str(FAKE)]
    )
    assert descriptor.parameters == {
        "name": "JuliaACE",
        "elements": ["Si", "O"],
        "order": 2,
        "totaldegree": [6, 5],
        "rcut": 4.5,
        "pair_basis": "a",
    }
    descriptor.features(atoms)
    process = descriptor._process
    process._log.seek(0)
    log = process._log.read().decode()
    assert "'elements': ['Si', 'O']" in log
    assert "'parameters': {'order': 2, 'totaldegree': [6, 5], 'rcut': 4.5, 'pair_basis': 'a'}" in log
    assert "'download': False" in log
    descriptor.close()


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("stage-julia", MissingExtraError, r"needs Julia: pip install 'mlipselect\[julia\]'.*URLError"),
        ("stage-packages", MissingExtraError, "needs ACEpotentials.jl in the Julia project"),
        ("stage-model", InvalidInputError, "ACEpotentials.jl refuses the model"),
        ("nonsense", MlipselectError, "expected the number of features"),
        ("dies", MlipselectError, r"the process ended with code 3: signal \(11\): Segmentation fault"),
        ("prints", MlipselectError, "expected a message, got a header of"),
        ("narrow", MlipselectError, r"expected arrays of float64 of shapes \[\(8, 2\)\], got \[\(8, 1\)\]"),
        ("refuses", StructureError, "Julia cannot describe it: DomainError: atoms too close"),
    ],
)
def test_what_goes_wrong_is_one_clear_error(atoms, fault, error, message):
    with pytest.raises(error, match=message):
        julia(fault).features(atoms)


def test_a_process_that_does_not_answer_is_ended(atoms):
    descriptor = julia("sleeps", timeout=5.0)
    assert descriptor.n_features == 2
    child = descriptor._process._child
    with pytest.raises(MlipselectError, match="no answer in 5 s: raise timeout"):
        descriptor.features(atoms)
    assert child.poll() is not None


def test_a_process_that_does_not_listen_is_ended(atoms):
    descriptor = julia("deaf", timeout=5.0)
    assert descriptor.n_features == 2
    child = descriptor._process._child
    with pytest.raises(MlipselectError, match="no answer in 5 s: raise timeout"):
        descriptor.features(atoms.repeat((10, 10, 5)))
    assert child.poll() is not None


def test_a_process_that_hangs_up_is_ended(atoms):
    descriptor = julia("mute")
    assert descriptor.n_features == 2
    child = descriptor._process._child
    with pytest.raises(MlipselectError, match="the process closed the connection"):
        descriptor.features(atoms)
    assert child.poll() is not None


def test_faults_of_structures_are_named_before_julia_is_asked():
    descriptor = ms.JuliaACE(["Si"], totaldegree=6, bridge=["/no/such/julia"])
    with pytest.raises(StructureError, match="unknown element Ge: expected only Si"):
        descriptor.features(bulk("Ge"))
    with pytest.raises(InvalidInputError, match="/no/such/julia cannot be started"):
        descriptor.features(bulk("Si"))


def test_the_child_says_that_juliacall_is_missing(atoms):
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('juliacall') is not None)"
    if subprocess.run([sys.executable, "-c", code], check=False).returncode:
        pytest.skip("juliacall is installed")
    descriptor = ms.JuliaACE(["Si"], totaldegree=6)
    with pytest.raises(MissingExtraError, match=r"needs Julia.*ModuleNotFoundError: No module named 'juliacall'"):
        descriptor.features(atoms)


def test_julia_is_not_imported_with_the_package():
    code = "import mlipselect, sys; assert not {'juliacall', 'juliapkg', 'mlipselect.julia.child'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_messages_survive_the_way():
    stream, rng = io.BytesIO(), np.random.default_rng(0)
    arrays = [rng.normal(size=(3, 4)).T, np.arange(5), np.zeros((0, 2), np.float32)]
    send(stream, {"do": "features", "pbc": [True, False, True]}, arrays)
    stream.seek(0)
    head, found = receive(stream)
    assert head == {"do": "features", "pbc": [True, False, True]}
    for sent, got in zip(arrays, found, strict=True):
        np.testing.assert_array_equal(sent, got)
        assert sent.dtype == got.dtype
    for end in (0, 4, 20, len(stream.getvalue()) - 1):
        with pytest.raises(EOFError):
            receive(io.BytesIO(stream.getvalue()[:end]))
    with pytest.raises(ValueError, match="expected a message"):
        receive(io.BytesIO((2).to_bytes(8, "little") + b"[]"))
