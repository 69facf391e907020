"""Trajectories of CP2K: positions, with forces and cells from the files beside them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from ase.units import Bohr, Hartree

import mlipselect as ms
from mlipselect.exceptions import StructureError

STEPS = (0, 5, 10)


def xyz(values, kind="O"):
    text = ""
    for place, step in enumerate(STEPS):
        comment = f" i = {step:8}, time = {0.5 * step:12.3f}, E = {-17.2 + 0.001 * step:20.10f}"
        text += f"       2\n{comment}\n  {kind} {values[place]} 0.0 0.0\n  H 0.0 {values[place]} 1.0\n"
    return text


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "water-pos-1.xyz").write_text(xyz([0.1, 0.2, 0.3]))
    (tmp_path / "water-frc-1.xyz").write_text(xyz([0.01, 0.02, -0.03]))
    rows = [f"{step} {0.5 * step} {9 + step} 0 0 1 {9 + step} 0 0 0 {9 + step} 0.0" for step in (0, 5, 10)]
    (tmp_path / "water-1.cell").write_text("#   Step   Time [fs]   Ax [Angstrom] ...\n" + "\n".join(rows) + "\n")
    return tmp_path


def test_the_files_beside_the_positions(run, caplog):
    frames = ms.read("water-pos-1.xyz")
    assert [frame.get_chemical_symbols() for frame in frames] == [["O", "H"]] * 3
    np.testing.assert_allclose(frames[1].positions, [[0.2, 0, 0], [0, 0.2, 1]])
    np.testing.assert_allclose(frames[2].get_forces(), np.array([[-0.03, 0, 0], [0, -0.03, 1.0]]) * Hartree / Bohr)
    np.testing.assert_allclose(frames[1].get_potential_energy(), (-17.2 + 0.005) * Hartree)
    assert np.asarray(frames[1].cell).tolist() == [[14, 0, 0], [1, 14, 0], [0, 0, 14]]
    assert frames[0].pbc.all()
    assert caplog.text.count("a trajectory of CP2K") == 1
    assert "forces from water-frc-1.xyz, cells from water-1.cell" in caplog.text
    assert "no frame has a cell" not in caplog.text


def test_without_cells_a_cell_is_asked_for(run, caplog):
    (run / "water-1.cell").unlink()
    (run / "water-frc-1.xyz").unlink()
    frames = ms.read("water-pos-1.xyz")
    assert not frames[0].pbc.any()
    assert "no frame has a cell, and its comments are those of a run" in caplog.text
    caplog.clear()
    assert ms.read("water-pos-1.xyz", cell=[9, 9, 9])[0].cell.lengths().tolist() == [9, 9, 9]
    assert "no frame has a cell" not in caplog.text


@pytest.mark.parametrize(("kind", "what"), [("frc", "forces"), ("vel", "velocities")])
def test_what_are_no_positions_is_refused(run, kind, what):
    (run / f"water-{kind}-1.xyz").write_text(xyz([1, 2, 3]))
    with pytest.raises(StructureError, match=rf"holds {what} of CP2K, not positions: name the file ...-pos-1.xyz"):
        ms.read(f"water-{kind}-1.xyz")


def at(steps, values):
    text = ""
    for step, value in zip(steps, values, strict=True):
        text += (
            f"2\n i = {step:8}, time = {0.5 * step:12.3f}, E = {-17.2:20.10f}\n O {value} 0.0 0.0\n H 0.0 0.0 {value}\n"
        )
    return text


@pytest.mark.parametrize(
    ("positions", "forces"),
    [
        ([0, 5, 10], [0, 10]),
        ([0, 10, 20], [0, 5, 10, 15, 20]),
        ([5, 10], [0, 5]),
        ([0, 5, 10], [1, 2, 3]),
        ([0, 5, 10, 5, 10, 15], [0, 10, 10, 20]),
        ([0, 5, 0, 5], [0, 5, 0, 5]),
        ([0, 5], []),
    ],
)
def test_forces_are_found_by_their_steps(run, positions, forces, caplog):
    (run / "water-1.cell").unlink()
    (run / "water-pos-1.xyz").write_text(at(positions, [0.1 * k for k in range(len(positions))]))
    (run / "water-frc-1.xyz").write_text(at(forces, [0.01 * (k + 1) for k in range(len(forces))]))
    # The plain definition: runs begin where steps do not grow; in each run a step has the forces of that step.
    numbered = [[(sum(b <= a for a, b in pairwise(steps[: k + 1])), step)
                 for k, step in enumerate(steps)] for steps in (positions, forces)]  # fmt: skip
    frames = ms.read("water-pos-1.xyz")
    expected = [0.01 * (numbered[1].index(place) + 1) if place in numbered[1] else None for place in numbered[0]]
    for frame, value in zip(frames, expected, strict=True):
        if value is None:
            assert "forces" not in frame.calc.results
        else:
            np.testing.assert_allclose(frame.get_forces()[0, 0], value * Hartree / Bohr)
    assert ("has no forces of its step: read without forces" in caplog.text) == (None in expected)


def test_one_cell_of_all_steps_is_that_of_any_step(run):
    (run / "water-1.cell").write_text("# Step\n0 0.0 9 0 0 0 9 0 0 0 9 729\n10 0.0 9 0 0 0 9 0 0 0 9 729\n")
    assert [frame.cell.lengths().tolist() for frame in ms.read("water-pos-1.xyz")] == [[9, 9, 9]] * 3


def test_files_that_do_not_belong_together_are_refused(run):
    text = (run / "water-frc-1.xyz").read_text()
    (run / "water-frc-1.xyz").write_text(text.replace("  O ", "  S "))
    with pytest.raises(StructureError, match=r"frame 0: .*water-frc-1.xyz has other atoms in step 0"):
        ms.read("water-pos-1.xyz")
    (run / "water-frc-1.xyz").unlink()
    (run / "water-1.cell").write_text("# Step\n0 0.0 9 0 0 0 9 0 0 0 9 729\n10 5.0 8 0 0 0 8 0 0 0 8 512\n")
    with pytest.raises(StructureError, match=r"frame 1: .*water-1.cell has no cell of step 5"):
        ms.read("water-pos-1.xyz")


def test_kinds_of_atoms(run):
    (run / "kinds-pos-1.xyz").write_text(xyz([0.1, 0.2, 0.3], kind="Fe1"))
    with pytest.raises(StructureError, match=r"frame 0: .*'Fe1' is no chemical element"):
        ms.read("kinds-pos-1.xyz")
    assert ms.read("kinds-pos-1.xyz", species_map={"Fe1": "Fe"})[0].get_chemical_symbols() == ["Fe", "H"]


def test_a_plain_file_of_that_name_is_read_as_such(run):
    (run / "mine-frc-1.xyz").write_text('1\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nSi 0 0 0\n')
    assert str(ms.read("mine-frc-1.xyz")[0].symbols) == "Si"
