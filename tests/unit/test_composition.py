"""Element columns: what they hold, how they are scaled, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.composition import one_hot
from mlipselect.features.element_counts import ElementCounts, by_number
from mlipselect.io.collection import Structures, group_of
from mlipselect.io.frame import Frame


def random_rows(atoms):
    return np.random.default_rng(len(atoms)).normal(size=(len(atoms), 6)) * 10.0


POOL = [
    Atoms(formula, positions=np.arange(3 * n).reshape(n, 3)) for formula, n in [("SiO2", 3), ("Si", 1), ("OSi3", 4)]
]


def test_columns_are_fractions_and_marks():
    X = ms.featurize(POOL, random_rows, rows="atoms", composition=["O", "Si"])
    np.testing.assert_allclose(X.per_structure[:, 6:], [[2 / 3, 1 / 3], [0, 1], [1 / 4, 3 / 4]])
    assert X.per_atom[:3, 6:].tolist() == [[0, 1], [1, 0], [1, 0]]
    assert X.composition == ("O", "Si")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_scaling_equals_mean_squares_and_keeps_the_whole(dtype):
    parts = [
        ms.featurize(part, random_rows, rows="atoms", composition=["O", "Si"], dtype=dtype)
        for part in (POOL[:1], POOL[1:])
    ]
    before = [part.per_structure.copy() for part in parts]
    scale = ms.balance_composition(*parts)
    both = np.concatenate([part.per_structure for part in parts]).astype(float)
    described, fractions = both[:, :6], both[:, 6:]
    np.testing.assert_allclose((described**2).mean(), (fractions**2).mean(), rtol=1e-5)
    np.testing.assert_allclose((both**2).mean(), (described**2).mean(), rtol=1e-5)
    for part, rows in zip(parts, before, strict=True):
        np.testing.assert_allclose(part.per_structure[:, 6:], scale * rows[:, 6:], rtol=1e-6)
        assert np.array_equal(part.per_structure[:, :6], rows[:, :6])
        assert set(np.unique(part.per_atom[:, 6:])) == {0.0, dtype(scale)}
    assert ms.balance_composition(*parts) == pytest.approx(scale, rel=1e-6)


def test_features_that_are_all_zero_are_left_alone():
    X = ms.featurize(POOL, lambda atoms: np.zeros((len(atoms), 2)), composition=["O", "Si"])
    assert ms.balance_composition(X) == 1.0


def test_sets_must_match():
    with_columns = ms.featurize(POOL, random_rows, composition=["O", "Si"])
    without = ms.featurize(POOL, random_rows)
    with pytest.raises(InvalidInputError, match="same element columns, got none; O, Si"):
        ms.balance_composition(with_columns, without)
    with pytest.raises(InvalidInputError, match="same element columns, got none"):
        ms.balance_composition(without)


def test_offsets_between_known_compositions_bring_no_information():
    """Two surroundings and two elements, all four pairs in the core: a mixture of them tells little that is new."""

    def surroundings(atoms):
        return np.column_stack([atoms.numbers == 14, atoms.positions[:, 0]]).astype(float)

    core = [Atoms(symbol, positions=[[x, 0, 0]]) for symbol in ("Si", "O") for x in (0.5, 1.0)]
    mixed = Atoms("SiO", positions=[[0.5, 0, 0], [1.0, 0, 0]])
    selection = ms.select([mixed], 1, core, surroundings, composition=True)
    assert selection.scores[0] < 1.0  # the variance is below that of the noise of one observation
    assert selection.parameters["composition"] == ["O", "Si"]


@given(st.lists(st.lists(st.sampled_from(["H", "Si", "O", "Au"]), min_size=1, max_size=9), min_size=1, max_size=8))
@settings(deadline=None)
def test_counts_tell_what_structures_tell(symbols):
    structures = [Atoms(names, positions=np.zeros((len(names), 3))) for names in symbols]
    counts = ElementCounts.together([ElementCounts.of(structures[:1]), ElementCounts.of(structures)])
    every = [structures[0], *structures]
    assert counts.elements == by_number(name for names in symbols for name in names)
    elements = ("H", "Cu", "O", "Si", "Au")
    for dtype in (np.float32, np.float64):
        fractions = counts.fractions(elements, dtype)
        assert fractions.dtype == dtype
        wanted = [one_hot(atoms.numbers, elements).mean(axis=0).astype(dtype) for atoms in every]
        np.testing.assert_array_equal(fractions, wanted)
    assert counts.formulas() == [group_of(Frame(atoms, None, 0), "composition") for atoms in every]
    several = Structures(every).survey().several_compositions
    assert counts.differ_from(counts.fractions(counts.elements, np.float64)[0], counts.elements) == several
