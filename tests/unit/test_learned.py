"""Learned descriptors where their packages are not installed: what they share, on stand-ins of pair functions."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import types
import zipfile

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.neighborlist import neighbor_list

import mlipselect as ms
from mlipselect.descriptors.learned.core import LearnedDescriptor
from mlipselect.descriptors.learned.room import with_room
from mlipselect.descriptors.registry import make_descriptor
from mlipselect.descriptors.torch_settings import refuse_compiled
from mlipselect.testing import check_descriptor

# ASE sets the shape of arrays; `pytest.warns` tells of it again, from elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")

# Options and modules by name on the command line; those that run on torch look for it first.
PACKAGES = {
    "chgnet": ({}, "chgnet", "chgnet"),
    "matgl": ({"model": "folder"}, "matgl", "matgl"),
    "mattersim": ({"model": "a.pth"}, "mattersim", "mattersim"),
    "nequip": ({"model": "a.ckpt"}, "nequip", "nequip"),
    "orb": ({"model": "orb-v2"}, "orb_models", "orb-models"),
    "sevennet": ({}, "sevenn", "sevenn"),
    "uma": ({"model": "uma-s-1p1", "task": "omat"}, "fairchem", "fairchem-core"),
}


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_package_is_named_with_both_ways_to_have_it(name):
    options, module, package = PACKAGES[name]
    if importlib.util.find_spec(module) is not None:
        pytest.skip(f"{module} is installed")
    with pytest.raises(
        ms.MissingExtraError, match=f"cannot be imported .*: pip install {package}, or .*--descriptor remote"
    ):
        make_descriptor({"descriptor": name, **options})


def test_options_of_one_package_are_refused_with_another():
    for given, message in (
        ({"descriptor": "chgnet", "modal": "PBE"}, "--modal: expected only with --descriptor sevennet, got chgnet"),
        (
            {"descriptor": "mace", "model": "a.model", "layers": [1]},
            "--layers: expected only with .* or uma, got",
        ),
        ({"descriptor": "uma", "model": "uma-s-1p1"}, "--descriptor uma: expected --task NAME with it, got none"),
        ({"descriptor": "nep"}, "--descriptor nep: expected --model FILE with it, got none"),
        (
            {"descriptor": "nequip", "rotations": 4},
            "--rotations: expected only with .* metatomic or orb, got",
        ),
    ):
        with pytest.raises(ms.InvalidInputError, match=message):
            make_descriptor(given)


@pytest.mark.parametrize(
    ("folder", "kind"), [("si/code", "TorchScript, as for LAMMPS"), ("si/data/aotinductor/model", "torch.compile")]
)
def test_archives_of_compiled_models_are_refused_by_name(tmp_path, folder, kind):
    with zipfile.ZipFile(tmp_path / "si.nequip.pt2", "w") as archive:
        archive.writestr(f"{folder}/part.txt", "")
    with pytest.raises(
        ms.InvalidInputError, match=rf"si\.nequip\.pt2: this model was compiled \({kind}\).*give the file"
    ):
        refuse_compiled(tmp_path / "si.nequip.pt2")
    with zipfile.ZipFile(tmp_path / "si.nequip.zip", "w") as archive:
        archive.writestr("si/.data/weights", "")
    refuse_compiled(tmp_path / "si.nequip.zip")


def pairs(atoms, numbers=True):
    """Sum two functions of the distances to all neighbours, and add the element."""
    rows = np.tile(numbers * atoms.numbers[:, None] / 10.0, 2)
    for i, distance in zip(*neighbor_list("id", atoms, 4.0), strict=True):
        rows[i] += np.exp(-distance / np.array([1.0, 2.0])) * (1 - distance / 4.0) ** 2
    return rows


class Pairs(LearnedDescriptor):
    """A learned descriptor of pair functions that knows silicon and copper, and fails on hundreds of atoms."""

    package = "numpy"

    def __init__(self, batch_atoms=20):
        super().__init__(self, batch_atoms=batch_atoms)
        self._numbers, self._sha256, self.sizes = [14, 29], "0", []
        self._examine()
        self.sizes.clear()

    def _prepared(self, atoms):
        if len(atoms) == 7:
            raise ArithmeticError("seven")
        return atoms

    def _rows(self, prepared):
        self.sizes.append(sum(map(len, prepared)))
        if max(map(len, prepared)) > 100:
            raise MemoryError("too large")
        return np.concatenate([pairs(atoms) for atoms in prepared])


def test_structures_are_described_in_batches_and_checked():
    descriptor = Pairs()
    pool = [bulk("Si", cubic=True) * (2, 1, 1), bulk("Cu"), bulk("Si", cubic=True), bulk("Si", cubic=True)]
    rows = descriptor.site_features(pool)
    assert descriptor.sizes == [17, 16]
    np.testing.assert_array_equal(rows, np.concatenate([pairs(atoms) for atoms in pool]))
    check_descriptor(descriptor)
    assert (descriptor.n_features, descriptor.dtype, descriptor.refused) == (2, "float64", {})
    version = importlib.metadata.version("numpy")
    assert descriptor.parameters == {
        "name": "Pairs",
        "model": "Pairs",
        "sha256": "0",
        "dtype": "float64",
        "version": version,
    }
    assert not isinstance(descriptor, ms.descriptors.DifferentiableDescriptor)


def test_structures_that_cannot_be_described_are_named():
    descriptor = Pairs()
    good = bulk("Si")
    for wrong, message in (
        (bulk("Ge"), r"structure 2: expected elements that the model knows \(Si, Cu\), got Ge"),
        (Atoms("Si7", positions=np.arange(21).reshape(7, 3)), "structure 2: the model failed: ArithmeticError: seven"),
        (bulk("Cu", cubic=True) * 3, "structure 2: the model failed: MemoryError: too large"),
        (Atoms(), "structure 2: .*at least one atom"),
    ):
        with pytest.raises(ms.StructureError, match=message):
            descriptor.site_features([good, good, wrong])
        with pytest.raises(ms.StructureError, match=message.removeprefix("structure 2: ")):
            descriptor.features(wrong)
    with pytest.raises(ms.InvalidInputError, match="expected a sequence"):
        descriptor.site_features(good)
    with pytest.raises(ms.InvalidInputError, match="expected at least one structure"):
        descriptor.site_features([])
    with pytest.raises(ms.InvalidInputError, match="batch_atoms: expected at least 1, got 0"):
        Pairs(batch_atoms=0)


def test_a_model_that_fails_on_everything_is_refused_when_made():
    class Broken(Pairs):
        def _prepared(self, _):
            raise KeyError("weights")

    with pytest.raises(ms.InvalidInputError, match=r"Broken: the model fails on a crystal of Si \(KeyError: "):
        Broken()


def test_room_changes_nothing_but_the_cell():
    slab = fcc111("Cu", (2, 2, 3), vacuum=0.5)
    wire = bulk("Cu", cubic=True)
    wire.pbc = (False, True, False)
    flat = Atoms("Cu2", positions=[[0.0, 0.0, 0.0], [1.0, 0.5, 2.0]], cell=[3.0, 3.0, 0.0], pbc=(True, True, False))
    for atoms in (slab, wire, flat, molecule("CH3CH2OH"), Atoms("Cu")):
        roomy = with_room(atoms, 4.0)
        assert roomy.pbc.all()
        np.testing.assert_allclose(pairs(roomy), pairs(atoms), atol=1e-12)
        np.testing.assert_allclose(roomy.cell[atoms.pbc], atoms.cell[atoms.pbc])
    crystal = bulk("Cu")
    assert with_room(crystal, 4.0) == crystal


@pytest.fixture
def calorine(monkeypatch):
    """Stand in for calorine: everything is periodic, and atoms without neighbours have rows of zeros."""

    def get_descriptors(structure, model_filename):
        atoms = structure.copy()
        atoms.pbc = True
        return pairs(atoms, numbers=False)

    module = types.ModuleType("calorine.nep")
    module.get_descriptors = get_descriptors
    monkeypatch.setitem(sys.modules, "calorine", types.ModuleType("calorine"))
    monkeypatch.setitem(sys.modules, "calorine.nep", module)
    monkeypatch.setattr(importlib.metadata, "version", lambda package: f"{package} 4.1")


def test_nep_reads_the_head_of_its_model_and_makes_room(calorine, tmp_path):
    (tmp_path / "nep.txt").write_text("nep4_zbl 2 Si Cu\nzbl 1 2\ncutoff 4 3 10 10\n")
    with pytest.warns(UserWarning, match="NEP: the features of an isolated atom are zeros"):
        descriptor = make_descriptor({"descriptor": "nep", "model": tmp_path / "nep.txt"})
    assert descriptor.elements == ("Si", "Cu")
    assert descriptor.refused == {}
    slab = fcc111("Cu", (2, 2, 3), vacuum=0.5)
    np.testing.assert_allclose(descriptor.features(slab), pairs(slab, numbers=False), atol=1e-12)
    assert descriptor.parameters["version"] == "calorine 4.1"
    for text, problem in (
        ("nep4 2 Si Cu\nn_max 4 4\n", "expected a nep.txt of GPUMD"),
        ("cutoff 4 3\n", "expected a nep.txt of GPUMD"),
        ("nep4 1 Sx\ncutoff 4 3\n", "expected elements in the first line, got Sx"),
        ("nep4 0\ncutoff 4 3\n", "expected elements in the first line, got none"),
    ):
        (tmp_path / "other.txt").write_text(text)
        with pytest.raises(ms.InvalidInputError, match=f"other.txt: {problem}"):
            ms.NEP(tmp_path / "other.txt")
    with pytest.raises(ms.InvalidInputError, match=r"absent\.txt: expected a nep\.txt of GPUMD"):
        ms.NEP(tmp_path / "absent.txt")
