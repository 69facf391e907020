"""Values that nobody computed are no labels."""

from __future__ import annotations

import numpy as np
import pytest
from ase.constraints import FixAtoms, FixCartesian, FixedLine, FixedPlane, FixScaled

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError
from mlipselect.io import write_exact
from mlipselect.io.frames import iter_frames
from mlipselect.labels import LabelOptions, read_labels
from reference.labelled import labelled, potential, renamed
from reference.vasp import write_outcar, write_vasprun


def crystals(n=3, **keys):
    return [renamed(atoms, stress="stress", **keys) for atoms in labelled(n)]


def counts(structures, **options):
    return tuple(read_labels(structures, LabelOptions(**options)).counts().values())


@pytest.mark.parametrize("change", ["pbc", "cell", "slab"])
def test_no_stress_without_a_volume(change, caplog):
    structures = crystals()
    for atoms in structures[1:]:
        if change == "cell":
            atoms.cell = None
        else:
            atoms.pbc = False if change == "pbc" else (True, True, False)
    assert counts(structures) == (3, 3, 1)
    assert "not periodic in three directions (2 frames, the first is frame 1)" in caplog.text


def test_stresses_of_zero(caplog):
    structures = crystals()
    structures[1].info["stress"] = np.zeros((3, 3))
    assert counts(structures) == (3, 3, 2)
    assert "left out, as it is exactly 0 (frame 1)" in caplog.text
    structures[1].arrays["forces"][:] = 0.0
    structures[1].set_scaled_positions([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    assert counts(structures) == (3, 3, 3), "a crystal at rest"
    for atoms in structures:
        atoms.info["stress"] = np.zeros(6)
    assert counts(structures) == (3, 3, 0)


def test_energies_of_zero_beside_forces(caplog):
    structures = crystals()
    for atoms in structures:
        atoms.info["energy"] = 0.0
    assert counts(structures) == (0, 3, 3)
    assert "exactly 0 beside forces in all of the file (3 frames" in caplog.text
    for atoms in structures:
        atoms.info["energy"] = -7.5
    assert counts(structures) == (3, 3, 3)
    assert "the energy is exactly -7.5 in all of the file" in caplog.text


def test_forces_of_zero_everywhere_are_told(caplog):
    structures = crystals()
    for atoms in structures:
        atoms.arrays["forces"][:] = 0.0
    assert counts(structures) == (3, 3, 3)
    assert "all forces of the file are exactly 0" in caplog.text


@pytest.mark.parametrize(
    ("constraint", "held"),
    [
        (FixAtoms([0, 1]), [[True] * 3, [True] * 3, [False] * 3, [False] * 3]),
        (FixCartesian([0], mask=[False, True, True]), [[False, True, True], *([[False] * 3] * 3)]),
        (FixedPlane([1], direction=[0, 0, 1]), [[False] * 3, [False, False, True], *([[False] * 3] * 2)]),
        (FixedLine([1], direction=[0, 0, 1]), [[False] * 3, [True, True, False], *([[False] * 3] * 2)]),
        (FixScaled([2], mask=[True, True, True]), [*([[False] * 3] * 2), [True] * 3, [False] * 3]),
    ],
)
def test_forces_of_held_atoms(constraint, held, caplog):
    structures = crystals()
    for atoms in structures:
        atoms.set_constraint(constraint)
    assert all(known.forces_count is None for known in read_labels(structures)), "raw forces stay"
    for atoms in structures:
        atoms.arrays["forces"][np.array(held)] = 0.0
    labels = read_labels(structures)
    for known in labels:
        np.testing.assert_array_equal(known.forces_count, ~np.array(held))
    assert "held by constraints were left out, as they are exactly 0 (3 frames" in caplog.text
    fitted = potential().fit(structures)
    assert fitted.n_rows_ == 3 * (1 + 12 - np.sum(held) + 6)
    assert ms.models.prediction_errors(fitted, structures).forces < 10.0


def test_held_atoms_of_each_file_are_judged_by_themselves(tmp_path):
    structures = crystals(4)
    for place, atoms in enumerate(structures):
        atoms.set_constraint(FixAtoms([0]))
        if place < 2:
            atoms.arrays["forces"][0] = 0.0
    write_exact(tmp_path / "zero.xyz", structures[:2])
    write_exact(tmp_path / "raw.xyz", structures[2:])
    labels = read_labels(iter_frames([tmp_path / "zero.xyz", tmp_path / "raw.xyz"]))
    assert [known.forces_count is None for known in labels] == [False, False, True, True]


@pytest.mark.parametrize("name", ["OUTCAR", "vasprun.xml", "run7.xml", "OUTCAR.old", "OUTCAR.gz"])
def test_steps_of_vasp_that_did_not_converge(name, tmp_path, caplog):
    structures = labelled(4)
    write = write_vasprun if name.endswith("xml") else write_outcar
    if name.endswith("gz"):
        import gzip

        write_outcar(tmp_path / "plain", structures, [5, 60, 7, 60])
        (tmp_path / name).write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))
    else:
        write(tmp_path / name, structures, [5, 60, 7, 60])
    frames = list(iter_frames(tmp_path / name))
    assert [known.energy is None for known in read_labels(frames)] == [False, True, False, True]
    assert f"{name}: labels were left out, as the electronic steps did not converge" in caplog.text
    assert "(2 frames, the first is frame 1)" in caplog.text
    assert counts(frames, unconverged="keep") == (4, 4, 4)


def test_an_older_outcar_does_not_say_what_failed(tmp_path, caplog):
    write_outcar(tmp_path / "OUTCAR", labelled(2), [5, 60], said=False)
    assert counts(iter_frames(tmp_path / "OUTCAR")) == (1, 1, 1)
    text = (tmp_path / "OUTCAR").read_text()
    (tmp_path / "OUTCAR").write_text("\n".join(line for line in text.splitlines() if "NELM" not in line))
    assert counts(iter_frames(tmp_path / "OUTCAR")) == (2, 2, 2)
    assert "it cannot be told whether the electronic steps converged (frame 1)" in caplog.text


@pytest.mark.parametrize(
    ("mark", "is_out"),
    [
        ({"converged": False}, True),
        ({"scf_converged": "F"}, True),
        ({"is_converged": 0}, True),
        ({"unconverged": True}, True),
        ({"converged": True}, False),
        ({"ionic_converged": False}, False),
    ],
)
def test_marks_of_convergence(mark, is_out):
    structures = crystals()
    structures[1].info |= mark
    assert counts(structures) == ((2, 2, 2) if is_out else (3, 3, 3))


def test_nothing_is_left():
    structures = crystals(2)
    for atoms in structures:
        atoms.info["converged"] = False
    with pytest.raises(InvalidInputError, match="expected energies, forces or virials, but 2 structures have none"):
        read_labels(structures)
