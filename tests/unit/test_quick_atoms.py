"""Structures that are made without ASE's constructors are those that the constructors make."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from ase.calculators.calculator import PropertyNotImplementedError

from mlipselect.io import quick_atoms
from mlipselect.io.quick_atoms import make_atoms


def made(monkeypatch, is_known, with_results=True):
    """Make a structure directly, or by the constructors."""
    monkeypatch.setattr(quick_atoms, "_IS_KNOWN", is_known)
    info = {"name": "a", "energy": -1.5, "stress": np.arange(9.0).reshape(3, 3)} if with_results else {"name": "a"}
    arrays = {"forces": np.ones((2, 3)), "tags": np.array([1, 2])} if with_results else {}
    return make_atoms(
        np.array([14, 32]), np.arange(6.0).reshape(2, 3), np.diag([4.0, 5.0, 6.0]), [1, 0, 1], info, arrays
    )


def described(value):
    """Turn an object into something that tells it from others."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tolist()
    if isinstance(value, dict):
        return {key: described(item) for key, item in value.items()}
    if hasattr(value, "arrays"):
        return {name: described(item) for name, item in sorted(vars(value).items())}
    if hasattr(value, "results"):
        return type(value), {
            name: described(item) for name, item in sorted(vars(value).items()) if name != "get_spin_polarized"
        }
    return type(value), str(value) if hasattr(value, "array") else value


@pytest.mark.parametrize("with_results", [True, False])
def test_all_attributes_are_those_of_the_constructors(monkeypatch, with_results):
    assert quick_atoms._IS_KNOWN, "this version of ASE has other attributes: reading is slower, not wrong"
    direct, by_ase = (made(monkeypatch, known, with_results) for known in (True, False))
    assert described(direct) == described(by_ase)
    assert direct == by_ase


def test_nothing_is_shared_between_structures_or_with_their_results(monkeypatch):
    first, second = (made(monkeypatch, True) for _ in range(2))
    first.info["new"], first.pbc[1] = 1, True
    first.cell[0, 0] = 9.0
    first.set_constraint([])
    assert "new" not in second.info
    assert not second.pbc[1]
    assert second.cell[0, 0] == 4.0
    assert second.get_potential_energy() == -1.5
    # The structure has changed since its results were computed.
    with pytest.raises(PropertyNotImplementedError):
        first.get_potential_energy()


def test_they_copy_pickle_and_compute(monkeypatch):
    atoms = made(monkeypatch, True)
    for other in (copy.deepcopy(atoms), pickle.loads(pickle.dumps(atoms))):
        assert other == atoms
        np.testing.assert_array_equal(other.get_forces(), np.ones((2, 3)))
    assert atoms.copy().calc is None
