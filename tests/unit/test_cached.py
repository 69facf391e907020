"""Features that are kept on disk."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.descriptors import base
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.testing import check_descriptor
from reference.structures import rattled

ACE = {"elements": ["Si"], "totaldegree": 6}


class Counting:
    """An ACE that counts the structures it describes, as a descriptor of single structures."""

    def __init__(self, **parameters):
        self.inner, self.calls = ms.ACE(**(parameters or ACE)), 0

    @property
    def parameters(self):
        return self.inner.parameters

    def features(self, atoms):
        self.calls += 1
        return self.inner.features(atoms)


@pytest.mark.parametrize("rows", ["structure", "atoms"])
@pytest.mark.parametrize("make", [Counting, ms.ACE])
def test_what_is_kept_is_what_is_computed(tmp_path, rows, make):
    pool = [rattled(seed) for seed in range(5)]
    plain = ms.featurize(pool, make(**ACE), rows=rows)
    for hits in (0, 5):
        descriptor = ms.Cached(make(**ACE), tmp_path / "kept")
        X = ms.featurize(pool, descriptor, rows=rows)
        np.testing.assert_allclose(X.per_structure, plain.per_structure, rtol=1e-14)
        if rows == "atoms":
            np.testing.assert_array_equal(X.per_atom, plain.per_atom)
        assert (descriptor.hits, descriptor.misses) == (hits, 5 - hits)
        if make is Counting:
            assert descriptor.descriptor.calls == 5 - hits
    assert not list((tmp_path / "kept").rglob(".mlipselect-*"))


def test_a_model_is_told_by_its_digest(tmp_path):
    class Model(Counting):
        path, digest = "a.model", "0123"

        @property
        def parameters(self):
            return {"name": "Model", "model": self.path, "sha256": self.digest}

    for path, digest, calls in (("a.model", "0123", 1), ("moved.model", "0123", 0), ("a.model", "4567", 1)):
        model = Model()
        model.path, model.digest = path, digest
        ms.featurize([rattled(0)], ms.Cached(model, tmp_path))
        assert model.calls == calls


def change(atoms, what):
    changed = atoms.copy()
    if what == "positions":
        changed.positions[3, 1] = np.nextafter(changed.positions[3, 1], 9.0)
    if what == "cell":
        changed.cell[0, 0] += 1e-12
    if what == "pbc":
        changed.pbc[2] = False
    if what == "numbers":
        changed.numbers[0] = 32
    if what == "charge":
        changed.info["charge"] = 1
    return changed


@pytest.mark.parametrize("what", ["positions", "cell", "pbc", "numbers", "charge"])
def test_any_change_is_another_structure(tmp_path, what):
    descriptor = ms.Cached(Counting(elements=["Si", "Ge"], totaldegree=4), tmp_path)
    atoms = rattled(0)
    descriptor.features(atoms)
    descriptor.features(change(atoms, what))
    assert descriptor.misses == 2
    atoms.info["note"] = "not what features depend on"
    atoms.arrays["dft_force"] += 1.0
    descriptor.features(atoms)
    assert (descriptor.hits, descriptor.misses) == (1, 2)


def test_other_parameters_are_another_descriptor(tmp_path):
    atoms = rattled(0)
    for degree in (4, 6):
        assert ms.Cached(ms.ACE(["Si"], totaldegree=degree), tmp_path).features(atoms).shape[1] == len(
            ms.ACE(["Si"], totaldegree=degree).features(atoms)[0]
        )
    with pytest.raises(InvalidInputError, match="expected a descriptor with `parameters`"):
        ms.Cached(lambda atoms: atoms.positions, tmp_path)


def test_parameters_count_to_the_last_bit(tmp_path):
    class Weighted:
        def __init__(self, weights):
            self.parameters = {"name": "Weighted", "weights": weights, "step": np.float32(0.1)}

        def features(self, atoms):
            return np.full((len(atoms), 1), self.parameters["weights"].sum())

    weights, atoms = np.zeros(5000), rattled(0)
    assert ms.Cached(Weighted(weights), tmp_path).features(atoms)[0] == 0.0
    changed = weights.copy()
    changed[2500] = 7.0
    assert ms.Cached(Weighted(changed), tmp_path).features(atoms)[0] == 7.0
    with pytest.raises(InvalidInputError, match="must be plain: object"):
        ms.Cached(Weighted(object()), tmp_path).features(atoms)


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: data[:50] + b"x" + data[51:], lambda _: b""])
def test_a_damaged_entry_is_computed_again(tmp_path, damage):
    descriptor, atoms = ms.Cached(ms.ACE(**ACE), tmp_path), rattled(0)
    rows = descriptor.features(atoms)
    (entry,) = tmp_path.rglob("*.npy")
    whole = entry.read_bytes()
    np.testing.assert_array_equal(np.load(entry), rows)
    entry.write_bytes(damage(whole))
    with pytest.warns(UserWarning, match=r"\.npy: damaged, computed again"):
        np.testing.assert_array_equal(descriptor.features(atoms), rows)
    assert entry.read_bytes() == whole


def test_it_conforms_and_names_faults(tmp_path):
    check_descriptor(ms.Cached(ms.ACE(**ACE), tmp_path / "a"))
    pool = [bulk("Si"), bulk("Si", a=5.5), bulk("Ge")]
    with pytest.raises(StructureError, match="structure 2: atom 0 has atomic number 32"):
        ms.featurize(pool, ms.Cached(ms.ACE(**ACE), tmp_path / "a"))


ABILITIES = [
    base.DesignDescriptor,
    base.DifferentiableDescriptor,
    base.HasDesigns,
    base.HasFeatureGroups,
    base.HasForwardPass,
    base.HasPredictions,
    base.HasSmoothnessPrior,
    base.HasVjps,
]


class Sloped(Counting):
    """An ACE of which only one derivative is left, and that becomes an ACE where it is bound."""

    def vjp(self, atoms, w):
        return self.inner.vjp(atoms, w)

    def bind(self, structures):
        return self.inner.bind(structures)


def same(descriptor):
    return descriptor


def pickled(descriptor):
    return pickle.loads(pickle.dumps(descriptor))


@pytest.mark.parametrize("copied", [same, copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("make", [ms.ACE, Counting, Sloped])
def test_it_can_do_what_the_descriptor_can(tmp_path, make, copied):
    plain = make(**ACE)
    cached = copied(ms.Cached(make(**ACE), tmp_path))
    assert isinstance(cached, ms.Cached)
    assert type(cached).__name__ == "Cached"
    for ability in ABILITIES:
        assert isinstance(cached, ability) == isinstance(plain, ability), ability
    for name in ("elements", "rcut", "n_features"):
        assert getattr(cached, name, None) == getattr(plain, name, None)
    bound = cached.bind([rattled(0)])
    assert bound is cached
    for ability in ABILITIES:
        assert isinstance(bound, ability) == isinstance(base.bound(plain, [rattled(0)]), ability), ability
    np.testing.assert_array_equal(copied(bound).features(rattled(0)), plain.features(rattled(0)))


def test_derivatives_and_names_are_those_of_the_descriptor(tmp_path):
    plain, cached, atoms = ms.ACE(**ACE), ms.Cached(ms.ACE(**ACE), tmp_path), rattled(0)
    w = np.random.default_rng(0).normal(size=plain.n_features)
    np.testing.assert_array_equal(cached.vjp(atoms, w), plain.vjp(atoms, w))
    np.testing.assert_array_equal(cached.design(atoms).forces, plain.design(atoms).forces)
    np.testing.assert_array_equal(cached.forward(atoms).row, plain.forward(atoms).row)
    np.testing.assert_array_equal(cached.smoothness_prior(3), plain.smoothness_prior(3))
    assert cached.feature_groups == plain.feature_groups
    unbound = ms.Cached(ms.ACE(totaldegree=6), tmp_path)
    assert unbound.bind([atoms]).feature_groups == plain.feature_groups


@pytest.mark.parametrize("options", [["--reasons"], ["--score", "force"], ["--per-element", "--reasons"]])
def test_a_selection_with_a_cache_is_the_one_without(tmp_path, capsys, options):
    write(tmp_path / "pool.xyz", [rattled(seed) for seed in range(8)])
    write(tmp_path / "core.xyz", [rattled(seed) for seed in range(8, 10)])
    files = [str(tmp_path / "pool.xyz"), "--core", str(tmp_path / "core.xyz")]
    told = []
    for more in ([], ["--cache", str(tmp_path / "kept")], ["--cache", str(tmp_path / "kept")]):
        out = tmp_path / f"picked{len(told)}.xyz"
        assert main(["select", *files, "-n", "3", "--totaldegree", "6", *options, *more, "-o", str(out)]) == 0
        capsys.readouterr()
        record = json.loads(out.with_suffix(".json").read_text())
        told.append((record["indices"], record.get("reasons")))
    assert told[0] == told[1] == told[2]
    if "--reasons" in options:
        assert any("the arrangement of" in reason or "the distances" in reason for reason in told[0][1])


def test_elements_of_a_record_are_taken(tmp_path):
    model = ms.PerElement(ms.ACE(["Si", "Ge"], totaldegree=4))
    given = ms.Cached(model, tmp_path)
    settled = given.settled_as({"name": "PerElement", "elements": ["Si", "Ge"]})
    assert settled.parameters["elements"] == ["Si", "Ge"]
    assert settled.folder == given.folder
    assert model.elements is None
    plain = ms.Cached(ms.ACE(**ACE), tmp_path)
    assert plain.settled_as({"name": "ACE"}) is plain


def test_a_file_is_no_folder_to_keep_features_in(tmp_path):
    (tmp_path / "file").write_text("")
    write(tmp_path / "pool.xyz", bulk("Si"))
    with pytest.raises(InvalidInputError, match="file: expected a folder to keep features in, got a file"):
        ms.Cached(ms.ACE(["Si"], totaldegree=4), tmp_path / "file")
    with pytest.raises(InvalidInputError, match="cannot be"):
        ms.Cached(ms.ACE(["Si"], totaldegree=4), tmp_path / "file" / "below").features(bulk("Si"))
    with pytest.raises(InvalidInputError, match="file: expected the folder of a store or a new one"):
        ms.featurize(tmp_path / "pool.xyz", ms.ACE(["Si"], totaldegree=4), store=tmp_path / "file")
