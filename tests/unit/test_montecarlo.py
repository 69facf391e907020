"""Monte Carlo moves: their distributions are those of statistical mechanics, and they keep what they should keep."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.constraints import FixAtoms

import mlipselect as ms
from mlipselect.exceptions import StructureError
from mlipselect.hal.montecarlo import MonteCarlo, swapped


def alloy():
    atoms = bulk("Cu", a=3.8, cubic=True)
    atoms.numbers[:2] = 79
    return atoms


def moves(swaps=0, cell_moves=0, cell_step=0.02, pressure=0.0):
    return MonteCarlo(swaps, cell_moves, cell_step, pressure)


def test_swaps_visit_states_as_often_as_boltzmann_says():
    temperature = 700.0
    atoms = Atoms("CuAuAu", [[0, 0, 0], [3, 0, 0], [6, 0, 0]])
    levels = np.array([0.0, 0.05, 0.1])

    def place(one):
        return round(one.positions[0, 0] / 3.0)

    rng, visits = np.random.default_rng(3), np.zeros(3)
    for _ in range(6000):
        moves(swaps=1).run(atoms, lambda one: levels[place(one)], temperature, rng)
        visits[place(atoms)] += 1
    expected = np.exp(-levels / (units.kB * temperature))
    assert visits / visits.sum() == pytest.approx(expected / expected.sum(), abs=0.03)
    assert atoms.get_chemical_symbols() == ["Cu", "Au", "Au"]


def test_volumes_of_an_ideal_gas_have_their_distribution():
    temperature, pressure, n = 300.0, 0.5, 3
    atoms = Atoms(f"Ar{n}", cell=[4.0, 4.0, 4.0], pbc=True, scaled_positions=np.eye(3) * 0.4)
    own = moves(cell_moves=10, cell_step=1.0, pressure=pressure)
    rng, volumes = np.random.default_rng(5), []
    for _ in range(2500):
        own.run(atoms, lambda _: 0.0, temperature, rng)
        volumes.append(atoms.get_volume())
    # p(V) ~ V^n exp(-P V / kT), a gamma distribution of shape n + 1.
    unit = units.kB * temperature / (pressure * units.GPa)
    assert np.mean(volumes) == pytest.approx((n + 1) * unit, rel=0.05)
    assert np.std(volumes) == pytest.approx(np.sqrt(n + 1) * unit, rel=0.07)
    assert atoms.get_scaled_positions() == pytest.approx(np.eye(3) * 0.4)


def test_a_swap_exchanges_the_positions_of_unlike_atoms():
    atoms, rng = alloy(), np.random.default_rng(0)
    for _ in range(20):
        new, _ = swapped(atoms, rng)
        moved = np.flatnonzero((new.positions != atoms.positions).any(axis=1))
        assert len(moved) == 2
        assert len(set(atoms.numbers[moved])) == 2
        assert (new.positions[moved] == atoms.positions[moved[::-1]]).all()
        assert (new.numbers == atoms.numbers).all()


def test_fixed_atoms_stay():
    atoms, rng = alloy(), np.random.default_rng(0)
    atoms.set_constraint(FixAtoms([0, 2]))
    for _ in range(20):
        new, _ = swapped(atoms, rng)
        assert (new.positions[[0, 2]] == atoms.positions[[0, 2]]).all()
    atoms.set_constraint(FixAtoms([2, 3]))
    assert swapped(atoms, rng) is None
    assert moves(swaps=3).run(atoms, lambda _: 0.0, 300.0, rng) == {}


def test_a_move_that_cannot_be_described_is_refused():
    def energy(one):
        if one.cell[0, 0] != 3.8:
            raise StructureError("too close")
        return 0.0

    atoms = alloy()
    counts = moves(cell_moves=5).run(atoms, energy, 300.0, np.random.default_rng(0))
    assert counts == {"cell_moves": 5}
    assert (atoms.positions == alloy().positions).all()


def test_an_uphill_move_at_no_temperature_is_refused_and_a_downhill_one_accepted():
    atoms, rng = alloy(), np.random.default_rng(0)
    counts = moves(cell_moves=20).run(atoms, lambda one: one.get_volume(), 1e-3, rng)
    assert 0 < counts["cell_moves_accepted"] < 20
    assert atoms.get_volume() < alloy().get_volume()


@pytest.mark.parametrize(
    ("made", "start", "message"),
    [
        (moves(swaps=1), bulk("Si"), "swaps: expected a start with unlike atoms"),
        (moves(cell_moves=1), Atoms("Si2", [[0, 0, 0], [0, 0, 2.3]]), "start 0 is not"),
    ],
)
def test_starts_that_a_move_does_not_apply_to(made, start, message):
    with pytest.raises(ms.InvalidInputError, match=message):
        made.check([start])
