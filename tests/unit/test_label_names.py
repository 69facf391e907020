"""What keys and units of labels say."""

from __future__ import annotations

import numpy as np
import pytest
from ase import units

from mlipselect.labels.names import resembles_energy, resembles_forces, understand
from mlipselect.labels.units import parse_unit


@pytest.mark.parametrize(
    ("key", "kind", "mark", "total"),
    [
        ("energy", "energy", "", ""),
        ("REF_energy", "energy", "ref", ""),
        ("energy_dft", "energy", "dft", ""),
        ("dftEnergy", "energy", "dft", ""),
        ("DFT-PBE energy", "energy", "dft pbe", ""),
        ("free_energy", "energy", "", "free"),
        ("dft_free_energy", "energy", "dft", "free"),
        ("total_energy", "energy", "", "total"),
        ("TotEnergy", "energy", "", "total"),
        ("potential_energy", "energy", "", "potential"),
        ("force", "forces", "", ""),
        ("forces_REF", "forces", "ref", ""),
        ("virials", "virial", "", ""),
        ("dft_virial", "virial", "dft", ""),
        ("REF_stress", "stress", "ref", ""),
        ("qe_stress_GPa", "stress", "qe", ""),
        ("forces_eV_per_A", "forces", "", ""),
        ("energy [eV]", "energy", "", ""),
    ],
)
def test_a_label_is_a_word_and_the_rest_a_mark(key, kind, mark, total):
    name = understand(key)
    assert (name.kind, name.mark, name.total, name.is_label) == (kind, mark, total, True)
    assert name.has_known_mark


@pytest.mark.parametrize(
    "key",
    [
        *("formation_energy", "kinetic_energy", "cohesive_energy", "binding_energy", "interaction_energy"),
        *("atomization_energy", "relative_energy", "energy_per_atom", "dft_energy_per_atom", "energy_std"),
        *("energy_uncertainty", "REF_energy_error", "dispersion_energy", "fermi_energy", "zero_point_energy"),
        *("forces_std", "force_gradient", "strain_energy", "energy_unit", "stress_units", "hydrostatic_stress"),
        *("energy_above_hull", "dft_energy_method", "bias_force", "free_total_energy"),
    ],
)
def test_other_quantities_are_no_labels(key):
    assert not understand(key).is_label


@pytest.mark.parametrize("key", ["stresses", "energies", "config_type", "enforced", "E", "forcefield", "positions"])
def test_other_keys_name_no_label(key):
    assert understand(key) is None


def test_a_mark_that_nobody_knows_needs_company():
    assert not understand("md_energy").has_known_mark
    assert understand("PBE0_energy").has_known_mark


def test_names_that_do_not_say_that_they_are_energies():
    assert [key for key in ("E", "etot", "E_tot", "TOTEN", "e_above_hull", "step") if resembles_energy(key)] == [
        *("E", "etot", "E_tot", "TOTEN")
    ]
    assert resembles_forces("energy_gradient")
    assert not resembles_forces("forces")


@pytest.mark.parametrize(
    ("text", "quantity", "factor"),
    [
        ("eV", "energy", 1.0),
        ("meV", "energy", 1e-3),
        ("Hartree", "energy", units.Hartree),
        ("Ha", "energy", units.Hartree),
        ("a.u.", "energy", units.Hartree),
        ("Ry", "energy", units.Rydberg),
        ("kcal/mol", "energy", units.kcal / units.mol),
        ("kJ/mol", "virial", units.kJ / units.mol),
        ("eV/Angstrom", "forces", 1.0),
        ("eV/Å", "forces", 1.0),
        ("eV*A^-1", "forces", 1.0),
        ("Hartree/Bohr", "forces", units.Hartree / units.Bohr),
        ("a.u.", "forces", units.Hartree / units.Bohr),
        ("Ry/au", "forces", units.Rydberg / units.Bohr),
        ("kcal/mol/A", "forces", units.kcal / units.mol),
        ("kcal/(mol Å)", "forces", units.kcal / units.mol),
        ("kJ/(mol*nm)", "forces", units.kJ / units.mol / 10),
        ("eV/Å³", "stress", 1.0),
        ("eV/Ang**3", "stress", 1.0),
        ("GPa", "stress", units.GPa),
        ("kbar", "stress", 1000 * units.bar),
        ("kB", "stress", 1000 * units.bar),
        ("Hartree/Bohr^3", "stress", units.Hartree / units.Bohr**3),
        ("nm", "length", 10.0),
    ],
)
def test_units(text, quantity, factor):
    np.testing.assert_allclose(parse_unit(text, quantity).factor, factor, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "quantity"),
    [("eV", "forces"), ("GPa", "energy"), ("eV/atom", "energy"), ("3 eV", "energy"), ("", "energy"), ("?", "stress")],
)
def test_what_is_no_unit_of_a_quantity(text, quantity):
    assert parse_unit(text, quantity) is None
