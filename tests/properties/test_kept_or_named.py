"""Whatever a structure carries is read back from extended XYZ, or is named as changed or let go."""

from __future__ import annotations

import ast
import datetime
import fractions
import tempfile
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixBondLength, FixCartesian, FixedLine, FixedPlane, FixScaled, Hookean
from ase.spacegroup import Spacegroup
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays

import mlipselect as ms
from mlipselect.io import differences
from mlipselect.io.writer import Writer


class Opaque:
    """An object without a text."""


MEANINGFUL = (
    "a a0 a1 pbc Lattice lattice Properties uid virial stress dipole energy forces pos species Z charge charges "
    "move_mask symbols energies magmoms tags born_effective_charges initial_charges momenta polarization 1"
)
names = st.one_of(st.sampled_from([*MEANINGFUL.split(), "x y", 'q"u', "a:b", "", " ", "\n"]), st.text(max_size=4))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=6),
    st.sampled_from([Spacegroup(225), Opaque(), len, b"b", {1}, datetime.date(2020, 1, 2), fractions.Fraction(1, 3)]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(max_size=2), st.integers(0, 3)), inner, max_size=2),
        numpy_arrays(
            st.sampled_from([np.float64, np.int64, np.uint64, np.bool_, np.complex128]),
            st.sampled_from([(), (0,), (1,), (6,), (9,), (3, 3), (0, 3), (2, 1, 2)]),
        ),
    ),
    max_leaves=4,
)
N = 2
columns = st.one_of(
    numpy_arrays(
        st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_, np.complex128]),
        st.sampled_from([(N,), (N, 0), (N, 1), (N, 3), (N, 3, 3), (N, 1, 2)]),
    ),
    st.lists(st.text(max_size=3), min_size=N, max_size=N).map(np.array),
    st.lists(scalars, min_size=N, max_size=N).map(lambda items: np.array([*items, None], dtype=object)[:N]),
)
directions = st.sampled_from([(1, 0, 0), (0, 1, 1), (0, 0, 1)])
marks = st.tuples(st.booleans(), st.booleans(), st.booleans())
constraints = st.one_of(
    st.just(FixAtoms([0])),
    marks.map(lambda mask: FixCartesian([1], mask)),
    marks.map(lambda mask: FixScaled([0], mask)),
    directions.map(lambda direction: FixedLine([0], direction)),
    directions.map(lambda direction: FixedPlane([1], direction)),
    st.just(FixBondLength(0, 1)),
    st.just(Hookean(0, 1, 5.0, rt=2.0)),
)
results = st.fixed_dictionaries(
    {},
    optional={
        "energy": st.floats(),
        "forces": numpy_arrays(np.float64, (N, 3)),
        "stress": numpy_arrays(np.float64, st.sampled_from([(6,), (9,), (3, 3)]), elements=st.floats(-9, 9)),
        "stresses": numpy_arrays(np.float64, st.sampled_from([(N, 6), (N, 3, 3)])),
        "born_effective_charges": numpy_arrays(np.float64, (N, 3, 3)),
        "charges": numpy_arrays(np.float64, st.sampled_from([(N,), (N, 1)])),
        "dipole": numpy_arrays(np.float64, (3,)),
        "node_energy": numpy_arrays(np.float64, (N,)),
        "fermi_level": st.floats(),
    },
)


@st.composite
def structures(draw) -> Atoms:
    cell = draw(st.sampled_from([np.eye(3) * 5, [[5, 0, 0], [2, 5, 0], [0, 0, 9]], np.zeros((3, 3))]))
    atoms = Atoms("SiO", positions=[[0, 0, 1 / 3], [1, 1, 1]], cell=cell, pbc=draw(marks))
    atoms.set_celldisp(draw(st.sampled_from([np.zeros((3, 1)), np.zeros(3), np.array([0.0, 1.0, 0.0])])))
    atoms.info = draw(st.dictionaries(st.one_of(names, st.integers(0, 2)), values, max_size=4))
    reserved = ("positions", "numbers")
    atoms.arrays |= draw(st.dictionaries(names.filter(lambda name: name not in reserved), columns, max_size=3))
    atoms.set_constraint(draw(st.lists(constraints, max_size=3)))
    atoms.calc = SinglePointCalculator(atoms)
    atoms.calc.results = draw(results)
    if draw(st.integers(0, 9)) == 0:
        atoms.positions += 0.1
    return atoms


def unnamed(before: Atoms, after: Atoms, told: str) -> list[str]:
    """Return what differs between two structures and is not named in what was told."""
    found = []
    for part in differences(before, after):
        if part == "constraints":
            is_named = any(type(constraint).__name__ in told for constraint in before.constraints)
        elif "[" in part:
            key = ast.literal_eval(part[part.index("[") + 1 : -1])
            is_named = (
                part in told or f" as {key} (" in told or f"the result {key}" in told or "belong to other" in told
            )
        else:
            is_named = part in told
        found += [] if is_named else [part]
    return found


def written_and_read(path: Path, atoms: Atoms) -> tuple[Atoms, str]:
    """Write a structure; return what is read back, and what was told."""
    writer = Writer(path)
    writer.look(ms.io.Frame(atoms, None, 0))
    writer.write(path, [atoms])
    (found,) = ms.read(path)
    return found, str(writer.told)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning")
@settings(max_examples=100, deadline=None)
@given(structures())
def test_extended_xyz_keeps_all_or_it_is_named(atoms):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "out.xyz"
        found, told = written_and_read(path, atoms)
        assert unnamed(atoms, found, told) == []
        again = Writer(path, strict=True)
        again.look(ms.io.Frame(found, None, 0))
        assert not again.told


@pytest.mark.parametrize("name", ["out.traj", "out.json", "out.db"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning")
@settings(max_examples=25, deadline=None)
@given(structures())
def test_formats_of_ase_keep_all_or_it_is_named(name, atoms):
    with tempfile.TemporaryDirectory() as directory:
        found, told = written_and_read(Path(directory) / name, atoms)
        assert unnamed(atoms, found, told) == []
