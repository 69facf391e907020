"""The neighbour list against that of ASE, over systems, sizes and transformations."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene, make_supercell, molecule, nanotube
from ase.neighborlist import neighbor_list as ase_neighbor_list

from mlipselect._core import neighbor_list
from mlipselect.exceptions import InvalidInputError, StructureError


def as_it_is(atoms):
    return atoms


def left_handed(atoms):
    atoms = atoms.copy()
    atoms.set_cell(atoms.cell.array[[1, 0, 2]])
    atoms.pbc = atoms.pbc[[1, 0, 2]]
    return atoms


def triclinic(atoms):
    strain = np.array([[1.02, 0.3, -0.2], [0.0, 0.95, 0.4], [0.0, 0.0, 1.03]])
    atoms = atoms.copy()
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    return atoms


def sheared(atoms):
    """Describe the same lattice by very oblique vectors, where it is periodic."""
    if not atoms.pbc.all():
        return atoms
    atoms = atoms.copy()
    atoms.set_cell(np.array([[1, 0, 0], [2, 1, 0], [-1, 2, 1]]) @ atoms.cell.array)
    return atoms


def outside_the_cell(atoms):
    atoms = atoms.copy()
    images = np.random.default_rng(5).integers(-4, 5, (len(atoms), 3)) * atoms.pbc
    atoms.positions += images @ atoms.cell.array - 17.3
    return atoms


def no_vectors_where_not_periodic(atoms):
    """Remove cell vectors that must not matter."""
    atoms = atoms.copy()
    cell = atoms.cell.array.copy()
    cell[~atoms.pbc] = 0.0
    atoms.cell = cell
    return atoms


def gas(n, side, pbc):
    rng = np.random.default_rng(n)
    return Atoms(f"Ar{n}", rng.uniform(0, side, (n, 3)), cell=[side, 1.3 * side, 0.7 * side], pbc=pbc)


SYSTEMS = {
    "primitive cell": bulk("Si"),
    "one atom": bulk("Cu"),
    "cubic cell": bulk("Si", cubic=True),
    "supercell": bulk("Si", cubic=True) * (3, 2, 2),
    "skewed supercell": make_supercell(bulk("Cu"), [[1, 2, 0], [0, 3, -1], [2, 0, 2]]),
    "slab": fcc111("Al", (3, 2, 5), vacuum=8.0),
    "sheet": graphene(size=(2, 3, 1), vacuum=None),
    "tube": nanotube(4, 2),
    "molecule": molecule("CH3CH2OH"),
    "lone atom": Atoms("Ar", [[3.0, 2.0, 1.0]]),
    "gas": gas(120, 17.0, True),
    "gas along two": gas(120, 15.0, [True, False, True]),
    "gas in free space": gas(120, 20.0, False),
    "far apart": Atoms("Ar3", [[0, 0, 0], [1e4, 0, 0], [1e4, 2.0, 0]]),
}
TRANSFORMATIONS = [
    as_it_is,
    left_handed,
    triclinic,
    sheared,
    outside_the_cell,
    no_vectors_where_not_periodic,
]


@pytest.mark.parametrize("cutoff", [1.6, 5.0, 8.1])
@pytest.mark.parametrize("transformation", TRANSFORMATIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_pairs_are_those_of_ase(system, transformation, cutoff):
    atoms = SYSTEMS[system].copy()
    # No two distances equal the cutoff to rounding, where either answer would be right.
    atoms.rattle(0.01, seed=1)
    atoms = transformation(atoms)
    i, j, shifts = neighbor_list(atoms.positions, atoms.cell.array, tuple(atoms.pbc.tolist()), cutoff)
    expected = np.column_stack(ase_neighbor_list("ijS", atoms, cutoff))
    pairs = np.column_stack([i, j, shifts])
    np.testing.assert_array_equal(pairs, expected[np.lexsort(expected.T[::-1])])


def test_no_atoms_have_no_pairs():
    i, j, shifts = neighbor_list(np.empty((0, 3)), np.eye(3), (True, False, True), 3.0)
    assert (i.shape, j.shape, shifts.shape) == ((0,), (0,), (0, 3))


def test_refusals():
    positions, cell = np.zeros((1, 3)), np.eye(3)
    with pytest.raises(StructureError, match=r"^expected finite positions, but atom 0 is at"):
        neighbor_list(positions + np.inf, cell, (True, True, True), 2.0)
    with pytest.raises(StructureError, match="without a cell"):
        neighbor_list(positions, 0 * cell, (False, False, True), 2.0)
    with pytest.raises(InvalidInputError, match="cutoff radius must be positive and finite, but -1"):
        neighbor_list(positions, cell, (True, True, True), -1.0)
    with pytest.raises(InvalidInputError, match=r"expected positions \(N, 3\)"):
        neighbor_list(np.zeros((3, 2)), cell, (True, True, True), 2.0)
