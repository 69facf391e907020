"""Descriptors in another process: the same Python here, as any other would do."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import InvalidInputError, MlipselectError, StructureError
from mlipselect.testing import check_descriptor
from unit import remote_objects

SOURCE = Path(remote_objects.__file__)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Make a directory current that has the module of the objects, where the child finds it."""
    monkeypatch.chdir(tmp_path)
    Path("remote_objects.py").write_bytes(SOURCE.read_bytes())
    return tmp_path


def remote(name, **options):
    return ms.Remote(sys.executable, f"remote_objects:{name}", **options)


@pytest.fixture
def atoms():
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    return atoms


def test_a_function_there_gives_what_it_gives_here(atoms):
    with remote("distances") as descriptor:
        np.testing.assert_array_equal(descriptor.features(atoms), remote_objects.distances(atoms))
        check_descriptor(descriptor)
        assert not isinstance(descriptor, ms.descriptors.DifferentiableDescriptor)
        assert descriptor.parameters["sha256"] == hashlib.sha256(SOURCE.read_bytes()).hexdigest()
        assert descriptor.parameters["versions"]["numpy"] == np.__version__
        assert descriptor.parameters["object"] == "remote_objects:distances"


def test_an_object_has_its_options_parameters_derivatives_and_warnings(atoms):
    with pytest.warns(UserWarning, match="remote_objects:Springs: springs are stiff"):
        descriptor = remote("Springs", stiffness=2.5)
    assert descriptor.parameters == {"name": "Springs", "stiffness": 2.5, "model": "a.model", "sha256": "0123"}
    assert isinstance(descriptor, ms.descriptors.DifferentiableDescriptor)
    assert not isinstance(descriptor, ms.descriptors.DesignDescriptor)
    charged = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2]], info={"charge": np.int64(2), "other": object()})
    np.testing.assert_array_equal(descriptor.features(charged), [[10.0, 3.0], [10.0, 3.0]])
    np.testing.assert_array_equal(descriptor.vjp(charged, np.array([1.0, 7.0])), [[0, 0, -20.0], [0, 0, 20.0]])
    check_descriptor(descriptor, [Atoms("Si3", positions=[[0, 0, 0], [0, 0, 2.3], [1.2, 1.9, 3.0]])])
    descriptor.close()


def test_a_descriptor_of_the_package_is_itself_with_designs(atoms):
    with ms.Remote(sys.executable, "mlipselect:ACE", elements=["Si"], totaldegree=6) as descriptor:
        ace = ms.ACE(["Si"], totaldegree=6)
        assert descriptor.parameters == json.loads(json.dumps(ace.parameters))
        structures = [atoms] * 600  # more than one message
        rows = descriptor.site_features(structures, n_threads=1)
        np.testing.assert_array_equal(rows, ace.site_features(structures, n_threads=1))
        for one, other in zip(vars(descriptor.design(atoms)).values(), vars(ace.design(atoms)).values(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_process_that_was_closed_starts_again(atoms):
    descriptor = remote("distances")
    before = descriptor.features(atoms)
    child = descriptor._process._child
    descriptor.close()
    assert child.poll() is not None
    np.testing.assert_array_equal(descriptor.features(atoms), before)
    descriptor.close()


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda given: pickle.loads(pickle.dumps(given))])
def test_a_copy_has_a_process_of_its_own(atoms, make):
    with ms.Remote(sys.executable, "mlipselect:ACE", elements=["Si"], totaldegree=6) as descriptor:
        before, slopes = descriptor.features(atoms), descriptor.vjp(atoms, np.ones(descriptor.features(atoms).shape[1]))
        with make(descriptor) as other:
            assert other._process is None
            assert (other.parameters, other.feature_groups) == (descriptor.parameters, descriptor.feature_groups)
            np.testing.assert_array_equal(other.features(atoms), before)
            assert other._process is not descriptor._process
            descriptor.close()
            np.testing.assert_array_equal(other.vjp(atoms, np.ones(before.shape[1])), slopes)
            assert isinstance(other, ms.descriptors.DesignDescriptor)
            assert descriptor._process is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork processes")
def test_a_forked_process_starts_one_of_its_own_and_leaves_that_of_its_parent_alone(atoms):
    with remote("distances") as descriptor:
        before = descriptor.features(atoms)
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            inherited = descriptor._process
            same = np.array_equal(descriptor.features(atoms), before) and descriptor._process is not inherited
            inherited.stop()
            descriptor.close()
            os._exit(0 if same else 3)
        _, status = os.waitpid(child, 0)
        assert status == 0
        assert descriptor._process._child.poll() is None
        np.testing.assert_array_equal(descriptor.features(atoms), before)


def test_an_object_that_changed_is_not_taken_for_what_it_was(atoms):
    descriptor = remote("distances")
    descriptor.close()
    with Path("remote_objects.py").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(MlipselectError, match=r"remote_objects:distances in .* is not what it was"):
        descriptor.features(atoms)
    assert descriptor._process is None


@pytest.mark.parametrize(("kind", "expected"), [("int8", np.float64), ("float32", np.float32), ("float16", np.float64)])
def test_rows_of_other_numbers_are_taken_as_they_are_here(atoms, kind, expected):
    with remote("Typed", dtype=kind) as descriptor:
        rows = descriptor.features(atoms)
        assert rows.dtype == expected
        assert rows.tolist() == [[3.0, 4.0]] * len(atoms)


def test_rows_that_are_no_real_numbers_are_refused(atoms):
    message = "structure 0: .*expected arrays of real numbers, got complex128"
    with remote("Typed", dtype="complex128") as descriptor, pytest.raises(StructureError, match=message):
        descriptor.site_features([atoms])


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("dies", MlipselectError, "remote_objects:Faulty: the process ended with code 3"),
        ("short", StructureError, r"structure 0: .*expected 8 rows, one per atom, got an array of shape \(7, 2\)"),
        ("flat", StructureError, r"structure 0: .*expected 8 rows, one per atom, got an array of shape \(8,\)"),
        ("masked", StructureError, "structure 0: .*features that are all known, got a matrix with masked values"),
        ("germanium", StructureError, "structure 1: remote_objects:Faulty: KeyError: 'Ge'"),
    ],
)
def test_what_goes_wrong_is_one_clear_error(atoms, fault, error, message):
    with remote("Faulty", fault=fault) as descriptor, pytest.raises(error, match=message):
        descriptor.site_features([atoms, bulk("Ge")])


@pytest.mark.parametrize("fault", ["indexed", "silent"])
def test_the_structure_of_a_batch_is_named(atoms, fault):
    with remote("InBatches", fault=fault) as descriptor:
        assert descriptor.site_features([atoms], n_threads=3).tolist() == [[3.0]] * 8
        with pytest.raises(StructureError, match=r"structure 2: .*no Ge"):
            descriptor.site_features([atoms, atoms, bulk("Ge")])
        with pytest.raises(StructureError, match=r"^remote_objects:InBatches: .*no Ge"):
            descriptor.features(bulk("Ge"))
        with pytest.raises(StructureError, match="structure 1: expected at least one atom"):
            descriptor.site_features([atoms, Atoms()])


def test_a_process_that_does_not_answer_is_ended(atoms):
    descriptor = remote("Faulty", fault="sleeps", timeout=5.0)
    child = descriptor._process._child
    with pytest.raises(MlipselectError, match="no answer in 5 s: raise timeout"):
        descriptor.features(atoms)
    assert child.poll() is not None


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (("/no/such/python", "a:b"), {}, "python: expected a Python that can be started, got /no/such/python"),
        ((sys.executable, "remote_objects"), {}, "object: expected MODULE:OBJECT, got 'remote_objects'"),
        ((sys.executable, "absent:thing"), {}, "absent:thing in .*ModuleNotFoundError: No module named 'absent'"),
        ((sys.executable, "remote_objects:thing"), {}, "AttributeError: .*has no attribute 'thing'"),
        ((sys.executable, "remote_objects:Faulty"), {"fault": "unmade"}, "FileNotFoundError: no.model"),
        ((sys.executable, "remote_objects:distances"), {"k": 2}, "is a descriptor and takes no options, got k"),
        ((sys.executable, "remote_objects:Springs"), {"k": np.ones(2)}, "expected options that JSON can represent"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(given, options, message):
    with pytest.raises(InvalidInputError, match=message):
        ms.Remote(*given, **options)


def test_mlipselect_is_not_needed_there(atoms):
    """A finder that hides mlipselect stands for a Python without it."""
    Path("without.py").write_text(
        "import sys\nassert not any(n.split('.')[0] == 'mlipselect' for n in sys.modules)\n"
        "sys.modules['mlipselect'] = None\nfrom remote_objects import distances\n"
    )
    with ms.Remote(sys.executable, "without:distances") as descriptor:
        np.testing.assert_array_equal(descriptor.features(atoms), remote_objects.distances(atoms))


def test_the_command_line_records_the_object_and_finds_it_again(files, capsys):
    Path("remote_objects.py").write_bytes(SOURCE.read_bytes())
    ms.io.write_exact("core.xyz", ms.read("core.xyz")[1:])
    command = ["--descriptor", "remote", "--python", sys.executable, "--object", "mlipselect:ACE"]
    command += ["--object-options", '{"elements": ["Si"], "totaldegree": 6}', "-q"]
    assert main(["select", "pool.xyz", "--core", "core.xyz", "-n", "3", *command, "-o", "out.xyz"]) == 0
    picks = json.loads(Path("out.json").read_text())
    ace = ms.ACE(["Si"], totaldegree=6)
    assert picks["descriptor"] == json.loads(json.dumps(ace.parameters))
    assert picks["indices"] == ms.select("pool.xyz", 3, "core.xyz", descriptor=ace).indices.tolist()
    command[5] = "remote_objects:distances"
    del command[6:8]
    assert main(["featurize", "pool.xyz", *command, "--store", "features", "--cache", "kept"]) == 0
    assert main(["select", "features", "--core", "core.xyz", *command, "-n", "3", "-o", "out.xyz"]) == 0
    with Path("remote_objects.py").open("a") as file:
        file.write("# changed\n")
    assert main(["select", "features", "--core", "core.xyz", *command, "-n", "3", "-o", "out.xyz"]) == 1
    assert "features: made with another descriptor than the one given: sha256 is" in capsys.readouterr().err
    assert main(["featurize", "pool.xyz", *command, "--object-options", "[1]", "-o", "x.npz"]) != 0
    assert "--object-options: expected an object of JSON" in capsys.readouterr().err


def test_a_process_ends_with_its_descriptor():
    code = (
        "import sys, mlipselect as ms\n"
        "d = ms.Remote(sys.executable, 'remote_objects:distances')\n"
        "print(d._process._child.pid)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not Path(f"/proc/{int(found.stdout)}").exists()


def test_features_have_the_names_that_they_have_there():
    with ms.Remote(sys.executable, "mlipselect:ACE", elements=["Si"], totaldegree=6) as descriptor:
        assert descriptor.feature_groups == ms.ACE(["Si"], totaldegree=6).feature_groups
    with remote("distances") as descriptor:
        assert not hasattr(descriptor, "feature_groups")
