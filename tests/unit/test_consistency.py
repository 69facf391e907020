"""Labels in another unit or of another sign contradict the others, which is told; sound ones are not."""

from __future__ import annotations

import ase.build
import numpy as np
import pytest
from ase import units
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.io import write_exact
from mlipselect.labels import read_labels
from reference.labelled import renamed


def crystals(n=24):
    """Crystals of copper of several volumes and shapes, by effective medium theory."""
    rng = np.random.default_rng(0)
    out = []
    for k in range(n):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.5 + 0.02 * (k % 8))
        atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(scale=0.03, size=(3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        out.append(atoms)
    return out


STRUCTURES = crystals()


def potential():
    return ms.LinearPotential(ms.ACE(["Cu"], totaldegree=6))


def told(caplog, structures, **keys):
    caplog.clear()
    potential().fit(structures, **keys)
    return [record.getMessage() for record in caplog.records if "contradicts" in record.getMessage()]


def scaled(energy=1.0, forces=1.0, stress=1.0):
    return [
        renamed(atoms, "REF_energy", "REF_forces", "REF_stress", factors=(energy, forces, stress))
        for atoms in STRUCTURES
    ]


@pytest.mark.parametrize("labels", ["efs", "ef", "es", "fs", "e", "f", "s"])
def test_sound_labels_are_not_told(labels, caplog):
    structures = scaled()
    for atoms in structures:
        for name, place in (("energy", atoms.info), ("forces", atoms.arrays), ("stress", atoms.info)):
            if name[0] not in labels:
                del place[f"REF_{name}"]
    assert told(caplog, structures) == []
    assert "stresses above" not in caplog.text


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (-1.0, "as if they were of the other sign"),
        (1.0 / units.GPa, "as if they were in GPa;"),
        (-1.0 / units.GPa, "as if they were in GPa with the other sign"),
        (10.0 / units.GPa, "as if they were in kbar;"),
        (-10.0 / units.GPa, "as if they were in kbar with the other sign"),
        (1e4 / units.GPa, "as if they were in bar;"),
        (units.Bohr**3 / units.Hartree, "as if they were in Hartree/Bohr^3;"),
    ],
)
def test_stresses_in_other_units_or_of_the_other_sign(factor, words, caplog):
    (message,) = told(caplog, scaled(stress=factor))
    assert words in message
    assert "REF_stress" in message


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (-1.0, "as if they were of the other sign"),
        (1.0 / units.Hartree, "as if they were in Hartree;"),
        (1.0 / units.GPa, "as if they were in GPa Å^3;"),
    ],
)
def test_virials_in_other_units_or_of_the_other_sign(factor, words, caplog):
    structures = [renamed(atoms, "REF_energy", "REF_forces", virial="REF_virial") for atoms in STRUCTURES]
    for atoms in structures:
        atoms.info["REF_virial"] *= factor
    (message,) = told(caplog, structures)
    assert words in message
    assert "REF_virial" in message


def test_stresses_under_the_key_of_virials_and_the_other_way_round(caplog):
    structures = [renamed(atoms, "REF_energy", "REF_forces", stress="REF_virial") for atoms in STRUCTURES]
    (message,) = told(caplog, structures)
    assert "as if they were stresses in eV/Å^3" in message
    structures = [renamed(atoms, "REF_energy", "REF_forces", virial="REF_stress") for atoms in STRUCTURES]
    (message,) = told(caplog, structures)
    assert "as if they were virials in eV;" in message


@pytest.mark.parametrize(
    ("energy", "forces", "words"),
    [
        (1.0, -1.0, "forces with the other sign, as gradients are"),
        (1.0 / units.Hartree, 1.0, "energies in Hartree"),
        (1.0, units.Bohr / units.Hartree, "forces in Hartree/Bohr"),
        (units.mol / units.kJ, 1.0, "energies in kJ/mol"),
    ],
)
def test_energies_and_forces_that_contradict_each_other(energy, forces, words, caplog):
    structures = scaled(energy, forces)
    for atoms in structures:
        del atoms.info["REF_stress"]
    (message,) = told(caplog, structures)
    assert f"as {words} would" in message
    assert "REF_energy" in message
    assert "REF_forces" in message


def test_stresses_too_large_for_any_material_where_nothing_else_tells(caplog):
    structures = scaled(stress=1.0 / units.GPa)
    for atoms in structures:
        del atoms.info["REF_energy"], atoms.arrays["REF_forces"]
    potential().fit(structures)
    assert "REF_stress: half of 24 structures have stresses above" in caplog.text


def test_the_file_is_named_whose_stress_is_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_exact("good.xyz", scaled()[:12])
    write_exact("bad.xyz", scaled(stress=-1.0)[12:])
    assert main(["fit", "good.xyz", "bad.xyz", "--totaldegree", "6", "--rcut", "5", "-o", "out.npz"]) == 0
    error = capsys.readouterr().err
    assert "bad.xyz: REF_stress contradicts energies and forces: the numbers of 12 structures are -" in error
    assert "good.xyz: REF_stress contradicts" not in error


def test_few_structures_of_many_files_are_judged_together(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, atoms in enumerate(scaled(stress=1.0 / units.GPa)):
        write_exact(f"{number}.xyz", [atoms])
    assert main(["fit", "*.xyz", "--totaldegree", "6", "--rcut", "5", "-o", "out.npz"]) == 0
    error = capsys.readouterr().err
    assert error.count("contradicts energies and forces") == 1
    assert "0.xyz and 23 more files: REF_stress" in error


def test_noise_tells_nothing(caplog):
    structures = scaled()
    rng = np.random.default_rng(5)
    for atoms in structures:
        atoms.info["REF_stress"] = rng.normal(scale=0.05, size=(3, 3))
        atoms.info["REF_stress"] += atoms.info["REF_stress"].T
    assert told(caplog, structures) == []


def test_the_comparison_changes_no_weights():
    structures = scaled(stress=-1.0)
    fitted = potential().fit(structures)
    rows = potential().rows(structures, read_labels(structures), fitted.reference_energies_)
    again = potential().fit_rows(rows, fitted.reference_energies_)
    np.testing.assert_array_equal(again.weights_, fitted.weights_)


def test_groups_with_noises_of_their_own_are_judged_together(caplog):
    structures = scaled(stress=-1.0)
    for k, atoms in enumerate(structures):
        atoms.info["config_type"] = "even" if k % 2 == 0 else "odd"
    ms.LinearPotential(ms.ACE(["Cu"], totaldegree=6), noise_by="config_type").fit(structures)
    assert "as if they were of the other sign" in caplog.text
