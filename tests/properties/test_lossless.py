"""What is written reads back equal to the last bit, by any reader: here by ASE's."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixBondLength, FixCartesian
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import mlipselect as ms
from mlipselect.exceptions import InvalidInputError
from mlipselect.io import differences, write_exact

numbers = st.floats(width=64)
finite = st.floats(-1e300, 1e300)
text = st.text(max_size=12)
keys = st.from_regex(r"[A-Za-z][A-Za-z0-9_ \"'=,\[\]{}-]{0,8}", fullmatch=True).filter(
    lambda key: (
        key.lower() not in {"lattice", "properties", "pbc", "virial", "stress", "uid"} and not key.startswith("_")
    )
)
values = st.one_of(
    numbers,
    st.integers(-(2**62), 2**62),
    st.booleans(),
    text,
    st.none(),
    st.lists(st.booleans(), min_size=2, max_size=3),
    st.dictionaries(text, st.lists(st.integers(-9, 9), max_size=2), max_size=2),
    arrays(np.float64, st.sampled_from([(1,), (4,), (9,), (3, 3), (2, 1, 2)]), elements=numbers),
    arrays(np.int64, st.sampled_from([(1,), (3,), (2, 2)])),
    arrays(np.bool_, st.sampled_from([(1,), (3,), (2, 2)])),
)


@st.composite
def structures(draw) -> Atoms:
    n = draw(st.integers(1, 4))
    atoms = Atoms(
        numbers=draw(arrays(np.int64, n, elements=st.integers(0, 110))),
        positions=draw(arrays(np.float64, (n, 3), elements=finite)),
        cell=draw(arrays(np.float64, (3, 3), elements=finite)),
        pbc=draw(st.tuples(st.booleans(), st.booleans(), st.booleans())),
        info=draw(st.dictionaries(keys, values, max_size=4)),
    )
    if draw(st.booleans()):
        atoms.info["virial"] = draw(arrays(np.float64, (3, 3), elements=numbers))
    for name, kind in draw(
        st.dictionaries(st.from_regex(r"[a-z]{1,6}_[a-z]", fullmatch=True), st.integers(0, 3))
    ).items():
        shape = draw(st.sampled_from([(n,), (n, 2), (n, 3)]))
        if kind == 0:
            atoms.arrays[name] = draw(arrays(np.float64, shape, elements=numbers))
        elif kind == 1:
            atoms.arrays[name] = draw(arrays(np.int32, shape))  # ASE reads no longer ones from columns
        elif kind == 2:
            atoms.arrays[name] = draw(arrays(np.bool_, shape))
        else:
            words = st.from_regex(r"[A-Za-z0-9.:]{1,5}", fullmatch=True)
            atoms.arrays[name] = np.array([draw(words) for _ in range(n)], dtype=object)
    results = {}
    if draw(st.booleans()):
        results["energy"] = draw(finite)
    if draw(st.booleans()):
        results["forces"] = draw(arrays(np.float64, (n, 3), elements=finite))
    if draw(st.booleans()):
        results["stress"] = draw(arrays(np.float64, 6, elements=finite))
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


@settings(max_examples=150, deadline=None)
@given(st.lists(structures(), min_size=1, max_size=3))
def test_everything_reads_back(written):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "out.xyz"
        write_exact(path, written)
        read_back = ase.io.read(path, ":")
        assert len(read_back) == len(written)
        for before, after in zip(written, read_back, strict=True):
            assert differences(before, after) == []
            assert before.positions.tobytes() == after.positions.tobytes()
            assert np.asarray(before.cell).tobytes() == np.asarray(after.cell).tobytes() or not before.cell.any()
        write_exact(Path(directory) / "again.xyz", read_back)
        assert path.read_bytes() == (Path(directory) / "again.xyz").read_bytes()


def test_labels_come_back_as_results(tmp_path):
    atoms = Atoms("SiO", positions=[[0, 0, 0.1], [1, 2, 1 / 3]])
    forces = np.array([[0.1, 0.2, 0.3], [1e-17, -0.0, 7.0]])
    atoms.calc = SinglePointCalculator(atoms, energy=-1 / 3, forces=forces, stress=np.arange(6) / 7)
    write_exact(tmp_path / "out.xyz", [atoms])
    read_back = ase.io.read(tmp_path / "out.xyz")
    assert read_back.get_potential_energy() == -1 / 3
    assert read_back.get_forces().tobytes() == forces.tobytes()
    assert read_back.get_stress().tobytes() == (np.arange(6) / 7).tobytes()


def test_results_of_another_geometry_are_left_out(tmp_path):
    atoms = Atoms("Si", positions=[[0, 0, 0]])
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0)
    atoms.positions += 0.1
    write_exact(tmp_path / "out.xyz", [atoms])
    assert ase.io.read(tmp_path / "out.xyz").calc is None


@pytest.mark.parametrize(
    "constraints",
    [
        [FixAtoms([0, 2])],
        [FixCartesian(1, (True, False, True))],
        [FixAtoms([0]), FixCartesian([1], (False, True, False))],
    ],
)
def test_fixed_atoms_are_kept(tmp_path, constraints):
    atoms = Atoms("Si3", positions=np.arange(9).reshape(3, 3), constraint=constraints)
    write_exact(tmp_path / "out.xyz", [atoms])
    assert differences(atoms, ase.io.read(tmp_path / "out.xyz")) == []


@pytest.mark.parametrize("name", ["out.xyz", "out.extxyz", "out.xyz.gz", "out.xyz.bz2", "out.traj"])
def test_formats_that_keep_everything(tmp_path, name):
    atoms = Atoms("Si", positions=[[1 / 3, 0, 0]], info={"config_type": "a b", "weight": 0.1})
    write_exact(tmp_path / name, [atoms, atoms])
    assert [differences(atoms, other) for other in ase.io.read(tmp_path / name, ":")] == [[], []]


def _with(**changes):
    atoms = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 1 / 3]], cell=[4, 4, 4])
    for name, value in changes.items():
        if name == "constraint":
            atoms.set_constraint(value)
        elif name == "displacement":
            atoms.set_celldisp(value)
        elif name == "conflict":
            atoms.calc = SinglePointCalculator(atoms, energy=1.0)
            atoms.info["energy"] = 2.0
        else:
            getattr(atoms, name).update(value)
    return atoms


UNKEPT = [
    ("out.xyz", _with(info={"f": len}), r"info\['f'\]", "let go"),
    ("out.xyz", _with(info={"z": 1j}), r"info\['z'\]", "kept as text"),
    ("out.xyz", _with(info={"virial": 3.0}), r"info\['virial'\] as info_virial", "kept under another name"),
    ("out.xyz", _with(info={"pbc": 3.0}), r"info\['pbc'\] as info_pbc", "kept under another name"),
    ("out.xyz", _with(info={1: 3.0}), r"info\[1\] as 1", "kept under another name"),
    ("out.xyz", _with(info={"a": {1: 2}}), r"info\['a'\]", "kept as text"),
    ("out.xyz", _with(arrays={"m": np.zeros((2, 3, 3))}), r"arrays\['m'\]", "kept as 9 columns for 3 x 3"),
    ("out.xyz", _with(arrays={"m": np.zeros((2, 1))}), r"arrays\['m'\]", "kept as one column"),
    ("out.xyz", _with(arrays={"m": np.zeros((2, 0))}), r"arrays\['m'\]", "let go"),
    ("out.xyz", _with(arrays={"m": np.array(["a b", "c"])}), r"arrays\['m'\]", "kept with _ for blanks"),
    ("out.xyz", _with(constraint=FixBondLength(0, 1)), "FixBondLengths", "let go"),
    ("out.xyz", _with(displacement=[1, 0, 0]), "the displacement of the cell", "let go"),
    ("out.xyz", _with(conflict=True), r"info\['energy'\] as info_energy", "kept under another name"),
    ("out.traj", _with(arrays={"mine": np.zeros(2)}), r"arrays\['mine'\]", "let go"),
    ("out.cif", _with(), "pbc F F F", "read back as T T T"),
]


@pytest.mark.parametrize(("name", "atoms", "part", "what"), UNKEPT)
def test_what_a_format_cannot_keep_is_refused_if_strict(tmp_path, name, atoms, part, what):
    with pytest.raises(InvalidInputError, match=f"cannot keep .*{part} \\({what}\\).* of frame 0;"):
        write_exact(tmp_path / name, [atoms], strict=True)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(("name", "atoms", "part", "what"), UNKEPT)
def test_what_a_format_cannot_keep_is_told_once(tmp_path, caplog, name, atoms, part, what):
    write_exact(tmp_path / name, [atoms, atoms])
    assert len(caplog.messages) == 1
    assert re.search(f"{name}: of 2 structures that .*{what}[^;]*: [^;]*{part} \\(2", caplog.messages[0])
    assert len(ms.read(tmp_path / name)) == 2


def test_a_name_of_no_format_is_refused(tmp_path):
    with pytest.raises(InvalidInputError, match=r"no format to write by that name; use a .xyz file"):
        write_exact(tmp_path / "out.unknown", [_with()])
