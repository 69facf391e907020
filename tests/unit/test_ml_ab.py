"""VASP's ML_AB: structures and labels are those of its text, and damage is named by frame and line."""

from __future__ import annotations

import gzip
import logging

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.exceptions import StructureError
from mlipselect.io.frames import iter_frames
from mlipselect.io.raw_frames import raw_frames
from mlipselect.io.reading import Reading

STARS, EQUALS, DASHES = "*" * 50, "=" * 50, "-" * 50
KBAR = 6.241509074e-4
"""One kbar in eV/Å^3."""


def section(title, *lines, rule=EQUALS):
    return [rule, f"     {title}", DASHES, *lines]


def header(n_frames):
    return [
        " 1.0 Version",
        *section("The number of configurations", f"          {n_frames}", rule=STARS),
        *section("The atom types in the data file", "     Pb I  C", "     N", rule=STARS),
        *section("Reference atomic energy (eV)", "  -72.5297190000000   -35.4081430000000", "  -2.39", rule=STARS),
        *section("Basis set for Pb", "          1      1", rule=STARS),
    ]


def configuration(number, types=(("O", 2), ("Si", 1)), name="SiO2 at 300 K", energy="-0.220000000000000E+002"):
    return [
        STARS,
        f"     Configuration num.      {number}",
        *section("System name", f"     {name}"),
        *section("The number of atom types", "       2"),
        *section("The number of atoms", "          3"),
        *section("Atom types and atom numbers", *(f"     {symbol}     {count}" for symbol, count in types), rule=STARS),
        *section("CTIFOR", "   2.000000000000000E-003"),
        *section("Primitive lattice vectors (ang.)", "  5.0 0.1 0.0", "  0.0 6.0 0.2", "  0.3 0.0 7.0"),
        *section("Atomic positions (ang.)", "  0.01 0.02 0.03", "  1.1 1.2 1.3", "  2.1 2.2 2.3"),
        *section("Total energy (eV)", f"  {energy}"),
        *section("Forces (eV ang.^-1)", "  0.1 -0.2 0.3", "  0.4 0.5 -0.6", "  -0.5 -0.3 0.3"),
        *section("Stress (kbar)"),
        *[DASHES, "     XX YY ZZ", DASHES, "  10.0 20.0 -30.0", DASHES, "     XY YZ ZX", DASHES, "  1.0 2.0 3.0"],
    ]  # fmt: skip


@pytest.fixture
def lines():
    return [*header(2), *configuration(1), *configuration(2, energy="-21.5D0")]


def written(tmp_path, lines, name="ML_AB"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("name", ["ML_AB", "ML_ABN", "run7.mlab"])
def test_structures_and_labels_are_those_of_the_text(tmp_path, lines, name):
    first, second = ms.read(written(tmp_path, lines, name))
    assert first.get_chemical_symbols() == ["O", "O", "Si"]
    assert first.pbc.all()
    assert first.cell.tolist() == [[5.0, 0.1, 0.0], [0.0, 6.0, 0.2], [0.3, 0.0, 7.0]]
    assert first.positions.tolist() == [[0.01, 0.02, 0.03], [1.1, 1.2, 1.3], [2.1, 2.2, 2.3]]
    assert first.get_potential_energy() == -22.0
    assert second.get_potential_energy() == -21.5
    assert first.get_forces().tolist() == [[0.1, -0.2, 0.3], [0.4, 0.5, -0.6], [-0.5, -0.3, 0.3]]
    # xx yy zz yz xz xy with the other sign; the file has xy yz zx
    expected = -KBAR * np.array([10.0, 20.0, -30.0, 2.0, 3.0, 1.0])
    np.testing.assert_allclose(first.get_stress(), expected, rtol=1e-8)
    assert first.info == {"system_name": "SiO2 at 300 K", "CTIFOR": 0.002}


def test_compressed_and_with_windows_line_ends(tmp_path, lines):
    path = tmp_path / "ML_AB.gz"
    path.write_bytes(gzip.compress("\r\n".join(lines).encode()))
    assert [atoms.get_potential_energy() for atoms in ms.read(path)] == [-22.0, -21.5]


def test_names_that_look_like_rules_or_are_missing(tmp_path):
    frames = [*configuration(1, name="=== 5 ==="), *configuration(2, name="")]
    first, second = ms.read(written(tmp_path, [*header(2), *frames]))
    assert first.info["system_name"] == "=== 5 ==="
    assert "system_name" not in second.info


def test_an_element_in_several_blocks_and_by_other_names(tmp_path):
    lines = [*header(1), *configuration(1, types=(("O", 1), ("Si", 1), ("O", 1)))]
    assert ms.read(written(tmp_path, lines))[0].get_chemical_symbols() == ["O", "Si", "O"]
    lines = [*header(1), *configuration(1, types=(("Ox", 2), ("Si", 1)))]
    with pytest.raises(StructureError, match=r"ML_AB, frame 0: .*line \d+: 'Ox' is no chemical element.*--species-map"):
        ms.read(written(tmp_path, lines))
    reading = Reading(species_map=["Ox=O"])
    (frame,) = iter_frames(written(tmp_path, lines), reading)
    assert frame.atoms.get_chemical_symbols() == ["O", "O", "Si"]


def line_of(lines, text, which=0):
    return [number for number, line in enumerate(lines, 1) if text in line][which]


@pytest.mark.parametrize(
    ("title", "new", "problem", "below"),
    [
        ("Total energy", "************", r"expected 1 x 1 numbers in 'Total energy .*', got '\*+'", 2),
        ("Total energy", "nan", "expected 1 x 1 numbers in 'Total energy .*', got 'nan'", 2),
        ("Forces", "0.1 -0.2", "expected 3 x 3 numbers in 'Forces", 2),
        ("Atomic positions", "0.1 0.2 x", "expected 3 x 3 numbers in 'Atomic positions", 2),
        ("XY YZ ZX", "1.0 2.0", "expected 1 x 3 numbers in 'XY YZ ZX'", 2),
        ("Atom types and", "O two", "expected an element and its number of atoms, got 'O two'", 2),
    ],
)
def test_damage_is_named_by_frame_and_line(tmp_path, lines, title, new, problem, below):
    place = line_of(lines, title, -1) + below
    lines[place - 1] = new
    with pytest.raises(StructureError, match=rf"ML_AB, frame 1: .*line {place}: {problem}"):
        ms.read(written(tmp_path, lines))


def test_more_positions_than_atoms(tmp_path, lines):
    place = line_of(lines, "Total energy", -1) - 1
    lines.insert(place - 1, "  9.0 9.0 9.0")
    with pytest.raises(
        StructureError, match=rf"frame 1: .*line {place}: expected 3 lines in 'Atomic positions.*, got 4"
    ):
        ms.read(written(tmp_path, lines))


def test_truncated_files(tmp_path, lines):
    with pytest.raises(StructureError, match=r"frame 1: .*the file is truncated: it ends after 1 of 2 configurations"):
        ms.read(written(tmp_path, [*header(2), *configuration(1)]))
    for length in range(len(header(2)) + len(configuration(1)) + 2, len(lines)):
        with pytest.raises(StructureError, match=r"frame 1: .*line \d+: .*"):
            ms.read(written(tmp_path, lines[:length]))


def test_more_configurations_than_announced_and_unknown_sections_are_told(tmp_path, caplog):
    lines = [*header(1), *configuration(1), *section("Total charge", "0.0"), *configuration(2)]
    reading = Reading()
    frames = list(raw_frames(str(written(tmp_path, lines)), reading))
    with caplog.at_level(logging.WARNING, "mlipselect"):
        reading.notes.tell()
    assert len(frames) == 2
    assert "its header announces 1 configurations, all 2 are read" in caplog.text
    assert "the section 'Total charge' is not read (frame 0)" in caplog.text
