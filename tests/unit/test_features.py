"""Features: means and atomic rows, batches, memory, refusals, and the way to a file and back."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.features import describe
from mlipselect.features.rows import RowBuffer
from reference.structures import rattled


def toy(atoms):
    """Five numbers per atom that tell positions and species apart."""
    return np.column_stack([atoms.positions, atoms.numbers, np.arange(len(atoms))])


class Batched:
    """The same as `toy`, on batches; remembers how large they were."""

    def __init__(self):
        self.batches = []

    def features(self, atoms):
        return toy(atoms)

    def site_features(self, structures, n_threads=None):  # noqa: ARG002
        self.batches.append(sum(map(len, structures)))
        return np.concatenate([toy(atoms) for atoms in structures])


def pool(count=5):
    return [rattled(seed, repeat=1 + seed % 3) for seed in range(count)]


def test_rows_are_means_over_atoms():
    structures = pool()
    X = ms.featurize(structures, toy, rows="atoms")
    assert X.shape == (5, 5)
    assert len(X) == 5
    assert X.offsets.tolist() == [0, 8, 24, 48, 56, 72]
    assert X.n_atoms.tolist() == [8, 16, 24, 8, 16]
    for s, atoms in enumerate(structures):
        assert np.array_equal(X.per_atom[X.offsets[s] : X.offsets[s + 1]], toy(atoms))
        np.testing.assert_allclose(X.per_structure[s], toy(atoms).mean(axis=0), rtol=1e-14)
    assert ms.featurize(structures, toy).per_atom is None
    assert np.array_equal(ms.featurize(structures, toy), X)


@pytest.mark.parametrize("descriptor", [toy, Batched(), ms.ACE(["Si"], totaldegree=6), ms.ACE(totaldegree=6)])
@pytest.mark.parametrize("rows", ["structure", "atoms"])
def test_how_structures_are_given_changes_nothing(files, monkeypatch, descriptor, rows):
    structures = ms.read("pool.xyz")
    expected = ms.featurize(structures, descriptor, rows=rows)
    for source in ("pool.xyz", ["pool.xyz"], files / "pool.xyz", iter(structures), ms.iter_frames("pool.xyz")):
        found = ms.featurize(source, descriptor, rows=rows, n_threads=2)
        assert np.array_equal(found.per_structure, expected.per_structure)
        assert rows == "structure" or np.array_equal(found.per_atom, expected.per_atom)
    monkeypatch.setattr(describe, "BATCH_ATOMS", 10)
    found = ms.featurize("pool.xyz", descriptor, rows=rows)
    assert np.array_equal(found.per_structure, expected.per_structure)
    assert found.sources == [("pool.xyz", index) for index in range(12)]
    assert found.where(3) == "pool.xyz, frame 3"
    assert expected.where(3) == "structure 3"


def test_structures_are_described_in_bounded_batches(monkeypatch):
    monkeypatch.setattr(describe, "BATCH_ATOMS", 20)
    descriptor = Batched()
    ms.featurize((rattled(seed) for seed in range(10)), descriptor)
    assert descriptor.batches == [24, 24, 24, 8]


def test_a_generator_is_never_held():
    alive, most = 0, 0

    class Counted(Atoms):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def stream():
        nonlocal alive, most
        for _ in range(400):
            alive += 1
            most = max(most, alive)
            yield Counted("Si100", positions=np.zeros((100, 3)))

    ms.featurize(stream(), lambda atoms: np.ones((len(atoms), 2)))
    assert most <= 2 * describe.BATCH_ATOMS // 100 + 4  # one batch being described, one being read


@pytest.mark.parametrize("known", [True, False])
def test_no_second_copy_of_the_matrix(known):
    wide = np.ones((1, 20_000))
    structures = [Atoms("Si")] * 400
    size = 400 * 20_000 * 8
    tracemalloc.start()
    ms.featurize(structures if known else iter(structures), lambda atoms: wide, composition=["Si"])  # noqa: ARG005
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    batch = min(400, describe.BATCH_ATOMS) * 20_000 * 8
    assert peak < (1.05 if known else 1.3) * size + 3.2 * batch


@given(st.lists(st.integers(0, 7), max_size=12), st.one_of(st.none(), st.integers(0, 60)))
@settings(max_examples=60, deadline=None)
def test_a_buffer_is_what_was_put_into_it(counts, expected):
    buffer = RowBuffer(3, np.float32, expected)
    rng = np.random.default_rng(0)
    blocks = [rng.random((count, 3), dtype=np.float32) for count in counts]
    for block in blocks:
        buffer.extend(len(block))[:] = block
    found = buffer.finish()
    assert found.flags.c_contiguous
    assert found.dtype == np.float32
    assert np.array_equal(found, np.concatenate([np.empty((0, 3), np.float32), *blocks]))


def test_arrays_are_views_and_types_are_kept():
    X = ms.featurize(pool(), toy, dtype=np.float32)
    assert X.dtype == np.float32
    assert np.asarray(X) is X.per_structure
    assert np.asarray(X, dtype=np.float64).dtype == np.float64
    assert np.array(X, copy=True) is not X.per_structure
    with pytest.raises(ValueError, match="takes a copy"):
        X.__array__(np.float64, copy=False)


@pytest.mark.parametrize("rows", ["structure", "atoms"])
def test_saved_features_come_back(files, rows):
    X = ms.featurize("pool.xyz", toy, rows=rows, composition=["Si", "Ge"])
    ms.balance_composition(X)
    X.save("features.npz")
    back = ms.Features.load("features.npz")
    assert np.array_equal(back.per_structure, X.per_structure)
    assert (back.sources, back.composition, back.composition_scale) == (X.sources, ("Si", "Ge"), X.composition_scale)
    assert (back.per_atom is None) == (rows == "structure")
    with np.load("features.npz") as archive:
        assert archive["per_structure"].shape == (12, 7)
    assert sorted(path.name for path in files.iterdir()) == ["core.xyz", "features.npz", "pool.xyz"]


@pytest.mark.parametrize("rows", ["structure", "atoms"])
def test_archives_of_the_first_version_are_read_and_later_ones_refused(files, rows):
    X = ms.featurize("pool.xyz", toy, rows=rows)
    X.save("features.npz")
    with np.load("features.npz") as archive:
        arrays = dict(archive)
    assert arrays.pop("version") == 3
    renamed = {"per_structure": "structure", "per_atom": "atoms"}
    np.savez("old.npz", **{renamed.get(name, name): array for name, array in arrays.items()})
    back = ms.Features.load("old.npz")
    assert np.array_equal(back.per_structure, X.per_structure)
    assert (back.per_atom is None) == (rows == "structure")
    assert rows == "structure" or np.array_equal(back.per_atom, X.per_atom)
    # Version 2 did not know what it was made by, nor of which atoms.
    known = {name: arrays[name] for name in arrays.keys() - {"descriptor", "elements", "counts", "marks"}}
    np.savez("earlier.npz", version=2, **known)
    earlier, now = ms.Features.load("earlier.npz"), ms.Features.load("features.npz")
    assert (earlier.descriptor, earlier.counts, earlier.marks) == (None, None, ())
    assert now.descriptor == X.descriptor == {"name": "toy"}
    assert now.counts.elements == X.counts.elements == ("Si",)
    assert np.array_equal(now.counts.counts, X.counts.counts)
    np.savez("later.npz", version=4, **arrays)
    with pytest.raises(InvalidInputError, match=r"later\.npz: .*version 4, and this mlipselect reads versions up to 3"):
        ms.Features.load("later.npz")


def test_what_is_no_features_file_is_refused(files):
    np.savez(files / "other.npz", a=1)
    for name in ("none.npz", "pool.xyz", "other.npz"):
        with pytest.raises(InvalidInputError, match=f"{name}: expected features saved by mlipselect"):
            ms.Features.load(name)


def nan_in_second(atoms):
    rows = toy(atoms)
    rows[-1, 2] = np.inf if atoms.info["step"] == 1 else 0.0
    return rows


def failing(atoms):
    raise RuntimeError("no model")


@pytest.mark.parametrize(
    ("descriptor", "problem"),
    [
        (nan_in_second, "structure 1: expected finite features, got inf in feature 2"),
        (
            lambda atoms: toy(atoms)[:, : 5 - atoms.info["step"] % 2],
            "structure 1: expected 5 features as .* before, got 4",
        ),
        (lambda atoms: toy(atoms)[1:], r"structure 0: expected features of shape \(8, d\), got \(7, 5\)"),
        (lambda atoms: toy(atoms)[0], r"structure 0: expected features of shape \(8, d\), got \(5,\)"),
        (lambda atoms: toy(atoms)[:, :0], "structure 0: expected at least one feature, got none"),
        (lambda atoms: toy(atoms) * 1j, "structure 0: expected features that are real numbers, got complex128"),
        (
            lambda atoms: np.ma.masked_greater(toy(atoms), -np.inf),
            "structure 0: expected features that are all known, got a matrix with masked values",
        ),
        (failing, "structure 0: the descriptor failed: RuntimeError: no model"),
        (3, r"expected a descriptor with features\(atoms\) -> \(n_atoms, d\), or a callable, got int"),
    ],
)
def test_faulty_descriptors_are_refused(descriptor, problem):
    with pytest.raises(InvalidInputError, match=problem):
        ms.featurize(pool(), descriptor)


def test_faults_in_a_batch_name_the_structure():
    class Faulty(Batched):
        def site_features(self, structures, n_threads=None):
            rows = super().site_features(structures, n_threads)
            rows[-1, 0] = np.nan
            return rows

    with pytest.raises(StructureError, match="structure 4: expected finite features, got nan in feature 0"):
        ms.featurize(pool(), Faulty())


def broken(**changes):
    atoms = rattled(1)
    for name, value in changes.items():
        setattr(atoms, name, value)
    return atoms


@pytest.mark.parametrize(
    ("atoms", "problem"),
    [
        (Atoms(), "structure 1: expected at least one atom, got an empty structure"),
        (
            broken(positions=np.where(np.arange(24).reshape(8, 3) == 10, np.nan, 1.0)),
            "structure 1: .* nan.* for atom 3",
        ),
        (broken(cell=np.zeros((3, 3))), "structure 1: pbc is set along a, b, c but there is no cell vector"),
        (broken(cell=[5, 5, 0]), "structure 1: pbc is set along c but there is no cell vector"),
        (broken(cell=[[5, 0, 0], [0, 5, 0], [5, 5, 0]]), "structure 1: .* linearly dependent"),
        (broken(cell=[[5, 0, 0], [0, np.inf, 0], [5, 5, 0]]), "structure 1: expected finite cell vectors"),
    ],
)
def test_impossible_structures_are_refused(atoms, problem):
    with pytest.raises(StructureError, match=problem):
        ms.featurize([rattled(0), atoms], lambda atoms: np.ones((len(atoms), 1)))


def test_arguments_out_of_range_are_refused():
    for arguments, problem in [
        ({"rows": "site"}, "rows: expected one of structure, atoms, got 'site'"),
        ({"dtype": int}, "dtype: expected float32 or float64, got int64"),
        ({"composition": ["Ge"]}, "structure 0: unknown element Si: expected only Ge"),
    ]:
        with pytest.raises(InvalidInputError, match=problem):
            ms.featurize(pool(), toy, **arguments)
    with pytest.raises(InvalidInputError, match="expected at least one structure, got none"):
        ms.featurize([], toy)


def test_bars_appear_only_when_asked(capsys):
    ms.featurize(pool(), toy)
    assert capsys.readouterr() == ("", "")
