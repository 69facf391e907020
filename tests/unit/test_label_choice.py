"""Which keys labels are read under: those of one method, and an error or a warning where that is not clear."""

from __future__ import annotations

import ase.build
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.labels import LabelOptions, read_labels
from reference.labelled import labelled, renamed

DFT = {"energy": "dft_energy", "forces": "dft_forces"}


def found(structures, **options):
    return {kind: dict(keys) for kind, keys in read_labels(structures, LabelOptions(**options)).found.items() if keys}


def with_info(**values):
    """Structures with the labels of a method, and more values in info."""
    out = [renamed(atoms, **DFT) for atoms in labelled(3)]
    for place, atoms in enumerate(out):
        atoms.info |= {key: value + place for key, value in values.items()}
    return out


def test_forces_of_another_method_are_not_taken(caplog):
    structures = [renamed(atoms, energy="dft_energy", forces="md_forces") for atoms in labelled(3)]
    for atoms in structures:
        atoms.info["md_energy"] = atoms.info["dft_energy"] + 5.0
    with pytest.raises(
        InvalidInputError, match=r"--energy-key, --forces-key.*dft_energy \(3.*md_energy \(3.*md_forces"
    ):
        read_labels(structures)
    assert found(structures, energy_key="dft_energy") == {"energy": {"dft_energy": 3}}
    assert "not used, though they look like labels: md_forces (3 structures)" in caplog.text
    assert found(structures, energy_key="md_energy") == {"energy": {"md_energy": 3}, "forces": {"md_forces": 3}}
    both = found(structures, energy_key="dft_energy", forces_key="md_forces")
    assert both == {"energy": {"dft_energy": 3}, "forces": {"md_forces": 3}}


def test_methods_that_share_nothing_are_asked_for():
    structures = [renamed(atoms, energy="dft_energy", forces="forces") for atoms in labelled(3)]
    with pytest.raises(InvalidInputError, match=r"energy_key: dft_energy \(3 structures\); forces_key: forces \(3"):
        read_labels(structures)


def test_methods_that_agree_are_one():
    structures = [renamed(atoms, **DFT) for atoms in labelled(3)]
    for atoms in structures:
        atoms.info["REF_energy"] = atoms.info["dft_energy"]
    assert found(structures) == {"energy": {"dft_energy": 3}, "forces": {"dft_forces": 3}}


def test_other_quantities_are_told_and_not_used(caplog):
    structures = with_info(formation_energy=-0.1, kinetic_energy=1.0, dft_energy_std=0.1, etot=-7.0, step=1)
    assert found(structures)["energy"] == {"dft_energy": 3}
    told = caplog.text
    for key in ("formation_energy", "kinetic_energy", "dft_energy_std"):
        assert f"{key} (3 structures)" in told
    assert "step" not in told
    for atoms in structures:
        del atoms.info["dft_energy"]
    assert found(structures) == {"forces": {"dft_forces": 3}}
    assert "etot (3 structures)" in caplog.text


def test_an_unknown_mark_alone_is_named_in_the_error():
    structures = with_info(lab_energy=-7.0)
    for atoms in structures:
        del atoms.info["dft_energy"], atoms.arrays["dft_forces"]
    with pytest.raises(InvalidInputError, match=r"3 structures have none; .*energy_key.*: lab_energy \(3 structures\)"):
        read_labels(structures)
    assert found(structures, energy_key="lab_energy") == {"energy": {"lab_energy": 3}}


def test_of_energies_of_one_method_the_plain_one_is_taken():
    structures = [renamed(atoms, energy="potential_energy") for atoms in labelled(3)]
    for atoms in structures:
        atoms.info |= {"kinetic_energy": 1.0, "total_energy": atoms.info["potential_energy"] + 1.0}
    assert found(structures)["energy"] == {"potential_energy": 3}
    for atoms in structures:
        del atoms.info["kinetic_energy"]
    with pytest.raises(StructureError, match=r"structure 0: .*'potential_energy'.*'total_energy'.*: give energy_key"):
        read_labels(structures)
    for atoms in structures:
        atoms.info["energy"] = atoms.info["total_energy"]
    assert found(structures)["energy"] == {"energy": 3}


def test_free_energies(caplog):
    structures = labelled(3)
    for place, atoms in enumerate(structures):
        results = dict(atoms.calc.results)
        free = {"free_energy": results["energy"] - 0.4 * place}
        atoms.calc = SinglePointCalculator(atoms, **results, **free)
    assert found(structures)["energy"] == {"energy": 3}
    assert "energy of 2 structures differs from free_energy, by up to 0.2 eV an atom: energy was taken" in caplog.text
    labels = read_labels(structures, LabelOptions(energy_key="free_energy"))
    assert labels[2].energy == pytest.approx(structures[2].calc.results["energy"] - 0.8)
    assert "free_energy was taken" not in caplog.text.split("energy was taken", 1)[0]
    del structures[1].calc.results["energy"]
    assert found(structures)["energy"] == {"free_energy": 3}, "no set mixes them where it need not"


def test_given_keys(caplog):
    plain = labelled(4)
    structures = [*plain[:2], *(renamed(atoms, energy="E0", forces="REF_forces") for atoms in plain[2:])]
    assert found(structures, energy_key=["energy", "E0"])["energy"] == {"energy": 2, "E0": 2}
    assert found(structures, energy_key=["E0", "energy"])["forces"] == {"forces": 2, "REF_forces": 2}
    assert found(plain, energy_key="calculator", stress_key="none") == {
        "energy": {"energy": 4},
        "forces": {"forces": 4},
    }
    assert found(plain, virial_key="calculator", energy_key="none", forces_key="none") == {"virial": {"stress": 4}}
    with pytest.raises(InvalidInputError, match="energy_key: none of 4 structures has 'dft_energy', but energy"):
        read_labels(plain, LabelOptions(energy_key="dft_energy"))
    assert found(plain, energy_key=["energy", "enrgy"])["energy"] == {"energy": 4}
    assert "energy_key: none of 4 structures has 'enrgy'" in caplog.text
    with pytest.raises(InvalidInputError, match=r"stress_key: expected keys, got \[\]"):
        read_labels(plain, LabelOptions(stress_key=[]))


@pytest.mark.parametrize(
    ("option", "key", "message"),
    [
        ("virial_key", "REF_stress", "expected a virial, but 'REF_stress' is a stress.*--stress-key"),
        ("stress_key", "virials", "expected a stress, but 'virials' is a virial.*--virial-key"),
        ("forces_key", "dft_gradient", "a gradient, of the other sign"),
        ("energy_key", "energy_per_atom", "one per atom"),
    ],
)
def test_a_key_of_another_quantity_is_refused(option, key, message):
    with pytest.raises(InvalidInputError, match=message):
        read_labels(labelled(1), LabelOptions(**{option: key}))


def test_a_virial_and_a_stress_agree_or_are_asked_for():
    structures = [renamed(atoms, virial="virial", stress="stress") for atoms in labelled(3)]
    expected = read_labels(labelled(3))
    for known, other in zip(read_labels(structures), expected, strict=True):
        np.testing.assert_allclose(known.virial, other.virial, rtol=1e-12)
    structures[2].info["virial"] = -structures[2].info["virial"]
    with pytest.raises(
        StructureError, match=r"structure 2: virial and stress disagree: .*--virial-key virial or --stress-key"
    ):
        read_labels(structures)
    assert found(structures, stress_key="stress")["virial"] == {"stress": 3}


def test_one_name_with_two_values_is_asked_for():
    atoms = labelled(1)[0]
    atoms.info["energy"] = atoms.calc.results["energy"]
    assert found([atoms])["energy"] == {"energy": 1}
    atoms.info["energy"] += 1.0
    with pytest.raises(StructureError, match=r"info\['energy'\] and results\['energy'\] are two different values"):
        read_labels([atoms])
    assert found([atoms], energy_key="calculator")["energy"] == {"energy": 1}


def test_results_of_other_positions_are_refused():
    structures = labelled(3)
    structures[1].rattle(0.1)
    with pytest.raises(StructureError, match="structure 1: the structure has changed since its energy was computed"):
        read_labels(structures)
    structures[1].info["dft_energy"] = 1.0
    assert found(structures, energy_key="dft_energy") == {"energy": {"dft_energy": 1}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("-7.0D+00", "structure 1: dft_energy: expected numbers, got '-7.0D"),
        (np.inf, "structure 1: dft_energy: expected finite numbers, got inf"),
        (True, "structure 1: dft_energy: expected numbers, got True"),
        ([1.0, 2.0], r"structure 1: dft_energy: expected an array of shape \(\) or \(1,\), got \(2,\)"),
    ],
)
def test_what_is_no_label_names_the_key_and_the_structure(value, message):
    structures = with_info()
    structures[1].info["dft_energy"] = value
    with pytest.raises(StructureError, match=message):
        read_labels(structures)


def test_labels_of_nan_are_missing(caplog):
    structures = with_info()
    structures[1].info["dft_energy"] = np.nan
    structures[2].arrays["dft_forces"][:] = np.nan
    assert read_labels(structures).counts() == {"energy": 2, "forces": 2, "virial": 0}
    assert "dft_energy is NaN and was left out (frame 1)" in caplog.text
    structures[2].arrays["dft_forces"][0] = 0.0
    with pytest.raises(StructureError, match="structure 2: dft_forces: expected finite numbers, got nan"):
        read_labels(structures)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            {"dft_energy_unit": "foo"},
            "structure 0: dft_energy: expected dft_energy_unit to be a unit such as eV, got 'foo'",
        ),
        (
            {"energy-unit": "Hartree"},
            "structure 0: dft_forces: expected force-unit to name its unit, as energy-unit is",
        ),
        ({"units": "Hartree"}, "structure 0: dft_forces: expected a key for the unit of each label"),
        ({"length_unit": "Bohr"}, "structure 0: positions: expected Å, got length_unit='Bohr'"),
    ],
)
def test_units_that_cannot_be_converted_are_refused(named, message):
    structures = with_info()
    structures[0].info |= named
    with pytest.raises(StructureError, match=message):
        read_labels(structures)


@pytest.mark.parametrize("named", [{"units": "metal"}, {"units": "eV"}, {"formula_unit": "Cu"}, {"unit_cell": "cubic"}])
def test_units_that_change_nothing(named):
    structures = with_info()
    for atoms in structures:
        atoms.info |= named
    labels = read_labels(structures)
    assert [known.energy for known in labels] == [atoms.info["dft_energy"] for atoms in structures]


def test_options_are_declared_once():
    import inspect

    from mlipselect import LinearPotential
    from mlipselect.cli.main import build_parser
    from mlipselect.utils.option import options_of

    parameters = inspect.signature(LinearPotential.fit).parameters
    assert list(parameters)[2:-1] == list(options_of(LabelOptions))
    verbs = next(action.choices for action in build_parser()._actions if isinstance(action.choices, dict))
    actions = {action.dest: action for action in verbs["fit"]._actions}
    for name in options_of(LabelOptions):
        assert parameters[name].default == actions[name].default == getattr(LabelOptions(), name)
        assert name in inspect.getdoc(LinearPotential.fit)


def test_parts_of_labels_are_told_where_the_whole_is_missing(caplog):
    structures = []
    for seed in range(3):
        atoms = ase.build.bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.arrays |= {"forces": np.ones((4, 3)), "energies": np.ones(4), "virials": np.ones((4, 9))}
        atoms.info["pe"] = -3.0
        structures.append(atoms)
    read_labels(structures)
    assert "pe (3 structures), energies (3 structures), virials (3 structures)" in caplog.text
    caplog.clear()
    for atoms in structures:
        atoms.info |= {"energy": -3.0, "stress": np.ones(6)}
    read_labels(structures)
    assert "energies" not in caplog.text
    assert "virials" not in caplog.text


@pytest.mark.parametrize("text", ["[[1, 2, 3], [2, 5, 6], [3, 6, 9]]", "[1,2,3,2,5,6,3,6,9]", "{1 2 3 2 5 6 3 6 9}"])
def test_a_text_that_lists_numbers_is_a_virial(text):
    atoms = renamed(labelled(1)[0], "dft_energy", "dft_forces")
    atoms.info["dft_virial"] = text
    assert read_labels([atoms])[0].virial.tolist() == [1, 5, 9, 6, 3, 2]


def test_forces_in_three_columns_are_read():
    plain, columns = labelled(3), labelled(3)
    for atoms in columns:
        forces = atoms.calc.results.pop("forces")
        atoms.arrays |= {f"f{axis}": forces[:, place] for place, axis in enumerate("xyz")}
    for options in (None, LabelOptions(forces_key="fx fy fz")):
        for known, expected in zip(read_labels(columns, options), read_labels(plain), strict=True):
            assert np.array_equal(known.forces, expected.forces)
    for atoms in columns:
        atoms.arrays["forces"] = plain[0].get_forces() + 1.0
    with pytest.raises(StructureError, match=r"fx fy fz.* two different values of its forces: give forces_key"):
        read_labels(columns)


def test_pressures_and_energies_of_atoms_in_the_comment_are_told(tmp_path, caplog):
    (tmp_path / "pool.xyz").write_text(
        '2\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T" pressure="1 0 0 0 1 0 0 0 1" energies="1.0 2.0" '
        "Properties=species:S:1:pos:R:3:forces:R:3\nSi 0 0 0 1 2 3\nSi 2 2 2 -1 -2 -3\n"
    )
    read_labels(ms.read(tmp_path / "pool.xyz"))
    assert "not used, though they look like labels: energies (1 structure), pressure (1 structure)" in caplog.text
