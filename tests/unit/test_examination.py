"""What a learned descriptor is asked when it is made: stand-ins of pair functions, each wrong in one way."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list

from mlipselect.descriptors.learned.core import refuse_periodicity
from mlipselect.descriptors.learned.examination import examine, random_rotations, turned_by
from mlipselect.exceptions import InvalidInputError, StructureError

# ASE sets the shape of arrays; `pytest.warns` tells of it again, from elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")


def pairs(atoms):
    """Sum two functions of the distances to all neighbours, and add the element."""
    rows = np.tile(atoms.numbers[:, None] / 10.0, 2)
    for i, distance in zip(*neighbor_list("id", atoms, 4.0), strict=True):
        rows[i] += np.exp(-distance / np.array([1.0, 2.0])) * (1 - distance / 4.0) ** 2
    return rows


def each(describe):
    """Describe structures one by one."""
    return lambda structures: np.concatenate([describe(atoms) for atoms in structures])


def in_a_cell(atoms):
    """Fail where there is no cell."""
    np.linalg.inv(np.asarray(atoms.cell))
    return pairs(atoms)


def with_pbc(rule):
    """Let a rule change the periodicity of structures with a cell."""

    def describe(atoms):
        changed = atoms.copy()
        if atoms.cell.rank == 3:
            changed.pbc = rule(atoms.pbc)
        return pairs(changed)

    return each(describe)


def test_a_right_one_is_accepted_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = examine("Toy", each(lambda atoms: pairs(atoms).astype(np.float32)), "Cu")
    assert (found.dtype, found.n_features, found.refused) == ("float32", 2, {})
    assert found.turning < 1e-6


def test_rotations_are_rotations_and_cover_all_directions():
    turns = random_rotations(2000)
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.tile(np.eye(3), (2000, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turns), 1.0)
    np.testing.assert_array_equal(turns[0], np.eye(3))
    np.testing.assert_array_equal(random_rotations(3), turns[:3])
    # Means over all rotations: no entry in the mean, and a third of its square.
    np.testing.assert_allclose(turns.mean(axis=0), 0.0, atol=0.05)
    np.testing.assert_allclose((turns**2).mean(axis=0), 1 / 3, atol=0.03)
    crystal = bulk("Si", cubic=True)
    distances = turned_by(crystal, turns[1]).get_all_distances(mic=True)
    np.testing.assert_allclose(distances, crystal.get_all_distances(mic=True), atol=1e-12)


def test_what_is_not_one_finite_row_per_atom_is_refused():
    for wrong, message in (
        (lambda rows: rows[:-1], r"Toy: expected 2 rows, one per atom, got an array of shape \(1, 2\)"),
        (lambda rows: rows[:, 0], r"got an array of shape \(2,\)"),
        (lambda rows: rows.astype(int), "expected rows of float32 or float64, got int64"),
        (lambda rows: rows * np.inf, "expected finite rows"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            examine("Toy", each(lambda atoms, wrong=wrong: wrong(pairs(atoms))), "Si")


def test_other_rows_on_a_second_call_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidInputError, match="the same rows on a second call"):
        examine("Toy", each(lambda atoms: pairs(atoms) * rng.uniform(0.99, 1.01)), "Si")


def test_other_rows_in_a_batch_are_refused_with_the_difference():
    def batched(structures):
        # As if indices of the second structure were not shifted.
        factor = np.repeat([1.0, *[1.03] * (len(structures) - 1)], [len(atoms) for atoms in structures])
        return each(pairs)(structures) * factor[:, None]

    with pytest.raises(
        InvalidInputError, match=r"two structures together as for each alone, got a difference of \d\.\d+ %"
    ):
        examine("Toy", batched, "Si")


def test_rows_that_turn_are_told_with_the_number():
    def turning(atoms):
        rows = pairs(atoms)
        return np.concatenate(
            [rows, 0.2 * rows.max() * np.cos(atoms.cell.complete()[:1, :1] + atoms.positions[:, :1])], 1
        )

    with pytest.warns(UserWarning, match=r"Toy: features turn with the structure, by \d+\.\d % of the largest"):
        assert examine("Toy", each(turning), "Si").turning > 1e-3


def test_isolated_atoms_of_no_features_are_told():
    def without_element(atoms):
        return pairs(atoms) - atoms.numbers[:, None] / 10.0

    with pytest.warns(UserWarning, match="Toy: the features of an isolated atom are zeros"):
        examine("Toy", each(without_element), "Si")


@pytest.mark.parametrize(
    ("describe", "partial", "free"),
    [
        (with_pbc(lambda _: [True] * 3), "takes it for periodic in all directions", "takes it for periodic"),
        (with_pbc(lambda pbc: [pbc.all()] * 3), "takes it for a cluster", None),
        (with_pbc(lambda pbc: [pbc.any()] * 3), "takes it for periodic in all directions", None),
        (each(in_a_cell), None, r"LinAlgError: Singular matrix\): put it into a box"),
    ],
)
def test_a_periodicity_that_is_ignored_is_found_and_refused(describe, partial, free):
    refused = examine("Toy", describe, "Si").refused
    slab = bulk("Si")
    slab.pbc = (True, True, False)
    for kind, atoms, reason in (("partial", slab, partial), ("free", molecule("H2"), free)):
        if reason is None:
            assert kind not in refused
            refuse_periodicity(atoms, refused)
            continue
        with pytest.raises(
            StructureError, match=f"structure 3: pbc is {'TTF' if kind == 'partial' else 'FFF'}, but .*{reason}"
        ):
            refuse_periodicity(atoms, refused, 3)
    refuse_periodicity(bulk("Si"), refused)
