"""JSON of pymatgen: structures, labels and what stands beside them are those of the text."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.exceptions import StructureError
from mlipselect.io.raw_frames import raw_frames
from mlipselect.io.reading import Reading

KBAR = 6.241509074e-4
"""One kbar in eV/Å^3."""
MATRIX = [[4.0, 0.0, 0.0], [0.0, 4.0, 0.5], [0.0, 0.0, 12.0]]


def site(element, abc, xyz, occu=1, oxidation=None, **properties):
    species = [{"element": element, "occu": occu}]
    if oxidation is not None:
        species = [{"element": element, "oxidation_state": oxidation, "spin": None, "occu": occu}]
    return {"species": species, "abc": abc, "xyz": xyz, "properties": properties, "label": element}


def structure(*sites, pbc=(True, True, True), **members):
    found = sites or (site("Si", [0, 0, 0], [0.0, 0.0, 0.0]), site("O", [0.5, 0.5, 0.25], [2.0, 2.0, 3.25]))
    lattice = {"matrix": MATRIX, "pbc": list(pbc), "a": 4.0, "volume": 192.0}
    named = {"@module": "pymatgen.core.structure", "@class": "Structure", "charge": 0.0, "lattice": lattice}
    return named | {"properties": {}, "sites": list(found)} | members


def frame(energy, **members):
    """Return a frame in the layout of MPtrj."""
    labels = {
        "uncorrected_total_energy": energy, "corrected_total_energy": energy - 1, "energy_per_atom": energy / 2 - 0.5,
        "ef_per_atom": -1.5, "force": [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]],
        "stress": [[10.0, 1.0, 3.0], [1.0, 20.0, 2.0], [3.0, 2.0, -30.0]],
        "magmom": [1.5, 0.0], "bandgap": 0.25, "mp_id": "mp-7",
    }  # fmt: skip
    return {"structure": structure()} | labels | members


def read(path, **options):
    reading = Reading(**options)
    return [raw.build_usable() for raw in raw_frames(str(path), reading)], reading.notes.pending()


@pytest.fixture
def written(tmp_path):
    def write(value, name="pool.json", **how):
        (tmp_path / name).write_text(value if isinstance(value, str) else json.dumps(value, **how))
        return tmp_path / name

    return write


@pytest.mark.parametrize("indent", [None, 2])
def test_a_structure(written, indent):
    (atoms,), notes = read(written(structure(pbc=(True, True, False)), indent=indent))
    assert notes == []
    assert atoms.get_chemical_symbols() == ["Si", "O"]
    assert atoms.pbc.tolist() == [True, True, False]
    assert atoms.cell.tolist() == MATRIX
    assert atoms.positions.tolist() == [[0.0, 0.0, 0.0], [2.0, 2.0, 3.25]]
    assert atoms.calc is None
    assert atoms.info == {}


def test_positions_from_fractions_alone(written):
    record = structure()
    for one in record["sites"]:
        del one["xyz"], one["label"]
    (atoms,), _ = read(written(record))
    assert atoms.positions.tolist() == [[0.0, 0.0, 0.0], [2.0, 2.0, 3.25]]


def test_a_molecule_has_no_cell(written):
    record = structure(charge=1.0)
    del record["lattice"]
    (atoms,), _ = read(written(record | {"@class": "Molecule"}))
    assert not atoms.pbc.any()
    assert atoms.cell.rank == 0
    assert atoms.positions.tolist() == [[0.0, 0.0, 0.0], [2.0, 2.0, 3.25]]
    assert atoms.info == {"charge": 1.0}


def test_collections(written):
    one, two = structure(), structure(site("Ge", [0, 0, 0], [0.0, 0.0, 0.0]))
    several = [[one, two], {"a": one, "b": two}, {"entries": [one, two]}, {"a": [one], "b": {"c": two}}]
    for value in several:
        atoms, _ = read(written(value))
        assert [str(found.symbols) for found in atoms] == ["SiO", "Ge"]
    assert [found.info["json_key"] for found in atoms] == ["a", "b/c"]
    lines, _ = read(written("\n".join(map(json.dumps, [one, two])), "pool.jsonl"))
    assert [str(found.symbols) for found in lines] == ["SiO", "Ge"]
    (written([]).parent / "pool.json.gz").write_bytes(gzip.compress(json.dumps([one, two]).encode()))
    assert len(ms.read(written([]).parent / "pool.json.gz")) == 2


def test_the_layout_of_mptrj(written):
    path = written(
        {"mp-7": {"mp-7-0-0": frame(-10.5), "mp-7-0-1": frame(-10.25, magmom=None)}, "mp-8": {"x": frame(-1)}}
    )
    (first, second, third), notes = read(path)
    assert notes == []
    # the energy that the forces belong to, not the one that is corrected for formation energies
    assert [atoms.get_potential_energy() for atoms in (first, second, third)] == [-10.5, -10.25, -1.0]
    assert first.get_forces().tolist() == [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]]
    np.testing.assert_allclose(first.get_stress(), -KBAR * np.array([10, 20, -30, 2, 3, 1]), rtol=1e-8)
    assert first.get_magnetic_moments().tolist() == [1.5, 0.0]
    assert "magmoms" not in second.calc.results
    assert first.info["corrected_total_energy"] == -11.5
    assert (first.info["json_key"], first.info["mp_id"]) == ("mp-7/mp-7-0-0", "mp-7")


def test_entries_and_records_with_labels(written):
    entry = {"@class": "ComputedStructureEntry", "energy": -3.0, "composition": {"Si": 1}, "entry_id": "mp-1"}
    entry |= {"correction": 0.5, "data": {"task": "t-1"}, "structure": structure()}
    record = {"id": "r", "structure": structure(), "energy": -4, "forces": [[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]]}
    (first, second), notes = read(written([entry, record | {"stress": [1.0] * 6, "bader": [1, 2]}]))
    assert first.get_potential_energy() == -3.0
    assert first.info == {"entry_id": "mp-1", "correction": 0.5, "task": "t-1"}
    assert second.get_potential_energy() == -4.0
    assert second.get_forces().tolist() == [[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]]
    assert "stress" not in second.calc.results
    assert any("'stress' of a record is not read, its unit is not known (frame 1)" in note for note in notes)
    assert any("'bader' of a record is not read (frame 1)" in note for note in notes)


def test_properties_of_sites(written):
    sites = [
        site("Si", [0, 0, 0], [0, 0, 0], oxidation=4.0, magmom=1.0, selective_dynamics=[True, True, False], spin="up"),
        site("O", [0, 0, 0.5], [0, 0, 6.0], oxidation=-2.0, magmom=0.5, selective_dynamics=[False, False, False], q=1),
    ]
    (atoms,), notes = read(written(structure(*sites, properties={"step": 3, "history": [1]})))
    assert atoms.get_initial_magnetic_moments().tolist() == [1.0, 0.5]
    assert atoms.arrays["oxi_states"].tolist() == [4.0, -2.0]
    assert atoms.info == {"step": 3}
    forces = np.ones((2, 3))
    for constraint in atoms.constraints:
        constraint.adjust_forces(atoms, forces)
    assert forces.tolist() == [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    for name in ("spin", "q"):
        assert any(f"the property {name!r} of sites is not read" in note for note in notes)
    assert any("the property 'history' of a structure is not read" in note for note in notes)


def test_partly_occupied_sites(written):
    mixed = site("Fe", [0, 0, 0], [0.0, 0.0, 0.0])
    mixed["species"] = [{"element": "Fe", "occu": 0.3}, {"element": "Ni", "occu": 0.7}]
    path = written(
        [
            structure(),
            structure(mixed, site("O", [0, 0, 0], [0, 0, 1.0], occu=0.8), site("H", [0, 0, 0], [0, 0, 2.0], occu=0.25)),
        ]
    )
    with pytest.raises(
        StructureError, match=r"frame 1: .*site 0 is partly occupied \(Fe0.3 Ni0.7\); --occupancy majority"
    ):
        ms.read(path)
    (_, atoms), notes = read(path, occupancy="majority")
    assert atoms.get_chemical_symbols() == ["Ni", "O"]
    assert "sites that are partly occupied hold the most frequent element (frame 1)" in notes[0]


def test_names_of_no_element(written):
    path = written(structure(site("D", [0, 0, 0], [0.0, 0.0, 0.0])))
    with pytest.raises(StructureError, match=r"frame 0: .*'D' is no chemical element.*--species-map"):
        ms.read(path)
    assert read(path, species_map=["D=H"])[0][0].get_chemical_symbols() == ["H"]


def test_large_files_are_not_held(written, monkeypatch):
    """A value is read as soon as it is complete, and several times the size of what is read at once."""
    monkeypatch.setattr("mlipselect.io.formats.json_stream._CHUNK", 64)
    path = written({f"mp-{k}": {"0": frame(-1.0 * k)} for k in range(20)})
    whole = path.read_text()
    assert [atoms.get_potential_energy() for atoms in read(path)[0]] == [-1.0 * k for k in range(20)]
    frames = ms.iter_frames(written(whole[: len(whole) // 2]))
    assert next(frames).atoms.get_potential_energy() == 0.0


@pytest.mark.parametrize("length", [0.99, 0.7, 0.55])
def test_truncated_files(written, length):
    whole = json.dumps([structure(), structure()])
    with pytest.raises(StructureError, match=r"pool.json, frame 1: .*the file is truncated"):
        ms.read(written(whole[: int(length * len(whole))]))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("3.25", "NaN", r"xyz: expected numbers of shape \(2, 3\), got"),
        ("3.25", "null", r"xyz: expected numbers of shape \(2, 3\), got"),
        ("3.25", "3.2.5", r"character \d+ is no JSON: Expecting ',' delimiter"),
        ('"sites": [', '"sites": [], "old": [', "expected a structure of pymatgen with sites, its keys are: @module"),
        ("[4.0, 0.0, 0.0]", "[4.0, 0.0]", r"matrix: expected numbers of shape \(3, 3\), got"),
    ],
)
def test_damage_is_named(written, old, new, problem):
    second = json.dumps(structure()).replace(old, new)
    with pytest.raises(StructureError, match=f"pool.json, frame 1: cannot be read as pymatgen: {problem}"):
        ms.read(written(f"[{json.dumps(structure())}, {second}]"))


def test_other_objects_are_refused(written):
    with pytest.raises(
        StructureError, match="expected a structure of pymatgen, got an object with the keys @module, x"
    ):
        ms.read(written({"@module": "pymatgen.core.lattice", "x": 1}))
