"""The same labels in many layouts give the same potential."""

from __future__ import annotations

import ase.db
import ase.io
import numpy as np
import pytest
from ase import units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress as six

import mlipselect as ms
from mlipselect.io import write_exact
from reference.labelled import labelled, potential, renamed
from reference.vasp import write_outcar, write_vasprun

ATOMIC = (1 / units.Hartree, units.Bohr / units.Hartree, units.Bohr**3 / units.Hartree)


def keyed(**keys):
    return lambda structures: [renamed(atoms, **keys) for atoms in structures]


def in_six_numbers(structures):
    out = keyed(energy="REF_energy", forces="REF_forces", stress="REF_stress")(structures)
    for atoms in out:
        atoms.info["REF_stress"] = six(atoms.info["REF_stress"])
    return out


def in_nine_numbers(structures):
    out = keyed(energy="dft_energy", forces="dft_force", virial="dft_virial")(structures)
    for atoms in out:
        atoms.info["dft_virial"] = atoms.info["dft_virial"].ravel()
    return out


def mixed(structures):
    ways = [
        {"virial": "virial"},
        {"stress": "stress"},
        {"energy": "dft_energy", "forces": "dft_force", "virial": "dft_virial"},
    ]
    return [renamed(atoms, **ways[place % 3]) for place, atoms in enumerate(structures)]


def only_free_energies(structures):
    out = []
    for atoms in structures:
        known = dict(atoms.calc.results)
        atoms = atoms.copy()
        atoms.calc = SinglePointCalculator(atoms, free_energy=known.pop("energy"), **known)
        out.append(atoms)
    return out


def in_atomic_units(structures):
    out = keyed(stress="stress", factors=ATOMIC)(structures)
    named = {"energy-unit": "Hartree", "force_units": "Hartree/Bohr", "stress_unit": "Ha/Bohr^3"}
    for atoms in out:
        atoms.info |= named
    return out


def in_units_of_the_keys(structures):
    return keyed(
        energy="dft_energy_kcal_mol",
        forces="dft_forces_meV_per_A",
        stress="dft_stress_kbar",
        factors=(units.mol / units.kcal, 1000.0, 1 / (1000 * units.bar)),
    )(structures)


def with_stress_in_gigapascal(structures):
    out = keyed(energy="REF_energy", forces="REF_forces", stress="REF_stress", factors=(1.0, 1.0, 1.0 / units.GPa))(
        structures
    )
    for atoms in out:
        atoms.info["stress_unit"] = "GPa"
    return out


LAYOUTS = {
    "REF keys, stress of six": in_six_numbers,
    "REF keys, stress of nine": keyed(energy="REF_energy", forces="REF_forces", stress="REF_stress"),
    "dft keys, 3 x 3 virial": keyed(energy="dft_energy", forces="dft_force", virial="dft_virial"),
    "dft keys, virial of nine": in_nine_numbers,
    "mark behind": keyed(energy="energy_dft", forces="forces_dft", stress="stress_dft"),
    "plural": keyed(energy="total_energy", forces="force", virial="virials"),
    "one word": keyed(energy="dftEnergy", forces="dftForces", virial="DFT-virial"),
    "a mark that only this set has": keyed(energy="lab7_energy", forces="lab7_forces", stress="lab7_stress"),
    "virial and stress": keyed(virial="virial", stress="stress"),
    "frames of three layouts": mixed,
    "free energy alone": only_free_energies,
    "atomic units": in_atomic_units,
    "units in the keys": in_units_of_the_keys,
    "stress in GPa, the rest in eV": with_stress_in_gigapascal,
}


@pytest.fixture(scope="module")
def structures():
    return labelled(9)


@pytest.fixture(scope="module")
def weights(structures):
    fitted = potential().fit(structures)
    assert fitted.n_rows_ == 9 * (1 + 12 + 6)
    return fitted.weights_


@pytest.mark.parametrize("layout", LAYOUTS)
def test_keys_and_units(structures, weights, layout, tmp_path):
    laid_out = LAYOUTS[layout](structures)
    np.testing.assert_allclose(potential().fit(laid_out).weights_, weights, rtol=1e-10)
    write_exact(tmp_path / "train.xyz", laid_out)
    np.testing.assert_allclose(potential().fit(ms.read(tmp_path / "train.xyz")).weights_, weights, rtol=1e-10)


def write_database(path, structures):
    with ase.db.connect(path) as rows:
        for atoms in structures:
            rows.write(atoms)


WRITERS = {
    "results.xyz": write_exact,
    "results.traj": ase.io.write,
    "rows.db": write_database,
    "rows.json": write_database,
    "OUTCAR": write_outcar,
    "vasprun.xml": write_vasprun,
}


@pytest.mark.parametrize("name", WRITERS)
def test_files(structures, weights, name, tmp_path):
    WRITERS[name](tmp_path / name, structures)
    np.testing.assert_allclose(potential().fit(ms.read(tmp_path / name)).weights_, weights, rtol=1e-10)


def test_two_files_with_keys_of_their_own(structures, weights, tmp_path):
    write_exact(tmp_path / "a.xyz", structures[:4])
    write_exact(tmp_path / "b.xyz", in_six_numbers(structures[4:]))
    both = ms.read([tmp_path / "a.xyz", tmp_path / "b.xyz"])
    np.testing.assert_allclose(potential().fit(both).weights_, weights, rtol=1e-10)
    keys = {kind: [kind[:-4], f"REF_{kind[:-4]}"] for kind in ("energy_key", "forces_key", "stress_key")}
    np.testing.assert_allclose(potential().fit(both, **keys).weights_, weights, rtol=1e-10)
