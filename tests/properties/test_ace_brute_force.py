"""The fast ACE against explicit sums, over random parameters and structures."""

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlipselect import ACE
from reference import ace as reference
from reference.structures import scattered

ELEMENTS = {1: ["H"], 8: ["O"], 14: ["Si"]}


def assert_equal_rows(values, expected):
    np.testing.assert_allclose(values, expected, rtol=0, atol=2e-13 * max(1.0, np.abs(expected).max()))


def expected_rows(atoms, descriptor, r0):
    numbers = sorted({z for z in (1, 8, 14) if ELEMENTS[z][0] in descriptor.elements})
    return reference.site_features(
        atoms.positions,
        atoms.numbers.tolist(),
        atoms.cell.array,
        atoms.pbc,
        elements=numbers,
        totaldegree=descriptor.totaldegree,
        rcut=descriptor.rcut,
        r0=r0,
    )


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    degrees=st.lists(st.integers(2, 20).map(lambda d: d / 2), min_size=1, max_size=3),
    rcut=st.floats(2.5, 6.0),
    lengths=st.tuples(*[st.floats(0.7, 3.0)] * 3),
    symbols=st.sampled_from([["Si"], ["O"], ["O", "Si"], ["H", "O"]]),
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
# A cutoff below r0, where radial functions once lost three digits.
@example(seed=0, degrees=[2.0], rcut=2.5, lengths=(1.0, 2.75, 1.0), symbols=["O"], pbc=(False, False, False))
def test_random_parameters_and_structures(seed, degrees, rcut, lengths, symbols, pbc):
    rng = np.random.default_rng(seed)
    if len(symbols) == 2:
        degrees = [min(degree, 6.5) for degree in degrees]
    cell = np.diag([4.5, 5.5, 6.0]) + rng.uniform(-0.8, 0.8, (3, 3))
    atoms = scattered(rng, 5, symbols, cell=cell, pbc=pbc)
    by_symbol = dict(zip(["H", "O", "Si"], lengths, strict=True))
    descriptor = ACE(symbols, order=len(degrees), totaldegree=degrees, rcut=rcut, r0=by_symbol)

    own = np.array([by_symbol[symbol] for symbol in descriptor.elements])
    expected = expected_rows(atoms, descriptor, (own[:, None] + own[None, :]) / 2)
    assert descriptor.n_features == reference.length(len(symbols), degrees)
    assert_equal_rows(descriptor.features(atoms), expected)


@pytest.mark.parametrize("degree", [12, 13.5])
def test_rattled_silicon(degree):
    atoms = bulk("Si", a=5.43)
    atoms.rattle(0.15, seed=0)
    descriptor = ACE(["Si"], totaldegree=degree)
    assert_equal_rows(descriptor.features(atoms), expected_rows(atoms, descriptor, [[2.4]]))


def test_three_elements():
    rng = np.random.default_rng(7)
    atoms = scattered(rng, 8, ["H", "O", "Si"])
    descriptor = ACE(["Si", "O", "H"], totaldegree=[7, 6, 6], r0=1.7)
    assert_equal_rows(descriptor.features(atoms), expected_rows(atoms, descriptor, np.full((3, 3), 1.7)))
