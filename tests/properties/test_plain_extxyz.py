"""What is read fast is what ASE reads."""

from __future__ import annotations

import io

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlipselect._core import parse_frames
from mlipselect.exceptions import StructureError
from mlipselect.io.flat import flat_arrays
from mlipselect.io.frame import Frame, FrameStructures
from mlipselect.io.frames import iter_frames, plain_file, read_frames
from mlipselect.io.plain_extxyz import Batch, PlainFile, WaitingBatch, build, parse_extxyz
from reference.structures import rattled


def same(a, b):
    """Compare values with their types, all the way down."""
    assert type(a) is type(b), (a, b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b or (a != a and b != b)


def same_atoms(a, b):
    same(a.arrays, b.arrays)
    same(a.info, b.info)
    same(np.array(a.cell), np.array(b.cell))
    same(a.pbc, b.pbc)
    same([constraint.todict() for constraint in a.constraints], [constraint.todict() for constraint in b.constraints])
    assert (a.calc is None) == (b.calc is None)
    if a.calc is not None:
        assert type(a.calc) is type(b.calc)
        same(a.calc.results, b.calc.results)


def fast(text):
    """Read one frame by the compiled part alone; None if that leaves it to ASE."""
    data = text.encode()
    # The second copy of the frame can wait, unless the first one cannot be made without ASE.
    batch = WaitingBatch(2 * data, np.array([0, len(data), 2 * len(data)]))
    made = batch._made.get(0) if batch.can_wait[1] else None
    if made is None:
        parsed = parse_frames(data, np.array([0, len(data)]))[0]
        return None if parsed is None else build(*parsed)
    frame = Frame(None, "a.xyz", 1, None, batch, 1)
    known = [frame.n_atoms, frame.numbers, frame.cell, frame.info, *FrameStructures([frame]).flat]
    assert frame._atoms is None
    atoms = frame.atoms
    flat = flat_arrays([atoms])
    same(dict(enumerate(known)), dict(enumerate([len(atoms), atoms.numbers, atoms.cell.array, atoms.info, *flat])))
    same_atoms(atoms, made)
    return made


def by_ase(text):
    try:
        return parse_extxyz(text)
    except Exception:
        return None


numbers = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.sampled_from(
        ["1.", ".5", "+3", "1e5", "1E-3", "-0", "007", "1_0", "nan", "-inf", "1d5", "0x1", "T", "F", "true"]
    ),
)
words = st.text("abcXYZ019_-+.:=,'\"{}[]\\ \té/", max_size=8)
values = st.one_of(
    numbers, words, st.lists(numbers, max_size=10).map(" ".join), st.sampled_from(['_JSON {"a": 1}', ""])
)
keys = st.sampled_from(
    ["energy", "stress", "virial", "free_energy", "name", "UID", "pbc", "Lattice", "tags", "é", "a-b"]
)
quotes = st.sampled_from(['"{}"', "'{}'", "{{{}}}", "[{}]", "{}"])


@st.composite
def frames(draw):
    """Frames of common and of odd things."""
    n = draw(st.integers(0, 3))
    pairs = []
    if draw(st.booleans()):
        pairs.append('Lattice="' + " ".join(draw(st.lists(numbers, min_size=9, max_size=9))) + '"')
    for key, value, quote in draw(st.lists(st.tuples(keys, values, quotes), max_size=4)):
        pairs.append(key + draw(st.sampled_from(["=", "=", "=", " = ", ""])) + quote.format(value))
    columns = [("species", "S", 1), ("pos", "R", 3)]
    more = [("forces", "R", 3), ("tags", "I", 1), ("fixed", "L", 1), ("label", "S", 2), ("move_mask", "L", 1),
            ("charge", "R", 1), ("Z", "I", 1), ("odd0", "R", 1), ("momenta", "R", 3)]  # fmt: skip
    columns += draw(st.lists(st.sampled_from(more), max_size=3, unique=True))
    columns = draw(st.permutations(columns))
    pairs.append("Properties=" + ":".join(f"{name}:{kind}:{width}" for name, kind, width in columns))
    lines = []
    for _ in range(n):
        entries = []
        for name, kind, width in columns:
            kinds = {"R": numbers, "I": st.integers(-5, 10**11).map(str), "L": st.sampled_from("TF1t")}
            words = st.sampled_from(["Si", "ge", "H", "X", "Q"] if name == "species" else ["a", "b1", "-"])
            entries += draw(st.lists(kinds.get(kind, words), min_size=width, max_size=width))
        lines.append(draw(st.sampled_from([" ", "  ", "\t"])).join(entries))
    return "\n".join([str(n), " ".join(draw(st.permutations(pairs))), *lines, ""])


@given(frames())
@example('0\npbc="0 0" Properties=species:S:1:pos:R:3\n')
@example("1\nProperties=species:S:1:pos:R:2\nSi 0.0 0.0\n")
@settings(max_examples=1000, deadline=None)
def test_a_frame_is_what_ase_makes_of_it(text):
    found = fast(text)
    if found is not None:
        expected = by_ase(text)
        assert expected is not None
        same_atoms(found, expected)


@given(frames(), st.data())
@settings(max_examples=500, deadline=None)
def test_a_frame_with_an_odd_character_too(text, data):
    place = data.draw(st.integers(0, len(text) - 1))
    text = text[:place] + data.draw(st.sampled_from("\"'{}[]\\= \t\n,:1Te.é\x0b_-")) + text[place + 1 :]
    found = fast(text)
    if found is not None:
        expected = by_ase(text)
        assert expected is not None
        same_atoms(found, expected)


def labelled(seed):
    atoms = rattled(seed)
    rng = np.random.default_rng(seed)
    atoms.calc = SinglePointCalculator(
        atoms, energy=rng.normal(), forces=rng.normal(size=(len(atoms), 3)), stress=rng.normal(size=6)
    )
    atoms.info |= {"config_type": "bulk", "count": seed, "flag": seed % 2 == 0, "vector": rng.normal(size=4)}
    atoms.new_array("site", np.arange(len(atoms)))
    return atoms


def test_what_ase_writes_is_read_fast():
    stream = io.StringIO()
    ase.io.write(stream, [labelled(seed) for seed in range(20)], format="extxyz")
    text = stream.getvalue()
    expected = ase.io.read(io.StringIO(text), ":", format="extxyz")
    lines, start = text.splitlines(keepends=True), 0
    for atoms in expected:
        end = start + 2 + len(atoms)
        found = fast("".join(lines[start:end]))
        assert found is not None
        same_atoms(found, atoms)
        start = end


def test_silicon_is_read_as_ase_reads_it(silicon):
    for name in ("core.xyz", "surface_pool.xyz"):
        path = str(silicon / name)
        plain = PlainFile.find(path)
        expected = ase.io.read(path, ":", format="extxyz")
        assert plain is not None
        assert len(plain) == len(expected)
        assert plain.n_atoms.tolist() == [len(atoms) for atoms in expected]
        for frame, atoms in zip(iter_frames(path), expected, strict=True):
            same_atoms(frame.atoms, atoms)
        for _, batch in plain.batches(range(len(plain)), WaitingBatch):
            assert min(batch._layouts) >= 0


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pool.xyz"
    ase.io.write(path, [labelled(seed) for seed in range(12)], format="extxyz")
    return path


def test_chosen_frames_are_the_bytes_of_the_file(file):
    plain, text = PlainFile.find(str(file)), file.read_bytes()
    chosen = [0, 1, 5, 6, 7, 11]
    [(found, batch)] = plain.batches(chosen, Batch)
    assert found == chosen
    assert b"".join(batch.text(k) for k in range(6)) == b"".join(
        Batch(text, plain._starts).text(index) for index in chosen
    )
    frames = list(iter_frames(str(file)))
    for index, frame in read_frames(str(file), [7, 3, 3]).items():
        assert frame.index == index
        same_atoms(frame.atoms, frames[index].atoms)
    with pytest.raises(StructureError, match="frame 12: there is no such frame"):
        read_frames(str(file), [1, 12])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + b"\nmore\n",
        lambda text: b"\n".join(text.split(b"\n")[:-2]),
        lambda text: text.replace(b"\n", b"\r\n"),
    ],
)
def test_what_is_not_plain_is_read_by_ase(file, change):
    file.write_bytes(change(file.read_bytes()))
    assert plain_file(str(file)) is None
    if b"\r" in file.read_bytes():
        assert len(read_frames(str(file), [2, 11])) == 2
        for frame, atoms in zip(iter_frames(str(file)), [labelled(seed) for seed in range(12)], strict=True):
            assert len(frame.atoms) == len(atoms)
    else:
        with pytest.raises(StructureError, match=r"truncated|blank line"):
            list(iter_frames(str(file)))


def test_a_frame_that_cannot_be_read_is_named(file):
    text = file.read_text().splitlines(keepends=True)
    start = sum(2 + len(labelled(seed)) for seed in range(4))
    text[start + 3] = "Si 0 0 zero\n"
    file.write_text("".join(text))
    with pytest.raises(StructureError, match=r"pool\.xyz, frame 4: the frame cannot be read: .*zero"):
        list(iter_frames(str(file)))
    assert len(read_frames(str(file), [3, 5])) == 2


def test_rare_structures_go_through_ase():
    atoms = Atoms("Si2", positions=[[0, 0, 0], [1, 1, 1]], info={"nested": {"a": [1, 2]}})
    stream = io.StringIO()
    ase.io.write(stream, atoms, format="extxyz")
    assert fast(stream.getvalue()) is None
    data = stream.getvalue().encode()
    same_atoms(Batch(data, np.array([0, len(data)])).atoms(0), parse_extxyz(stream.getvalue()))
