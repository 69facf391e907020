"""Damaged and hostile files are refused by one message, before memory for what they claim is taken."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

import mlipselect as ms
from mlipselect.io.untrusted import map_array, parse_json, read_archive


def test_what_numpy_wrote_is_read(tmp_path):
    rows = np.arange(6.0).reshape(2, 3)
    np.savez(tmp_path / "a.npz", rows=rows, about=np.array("text"), none=np.empty((0, 3)))
    np.save(tmp_path / "a.npy", rows)
    found = read_archive(tmp_path / "a.npz")
    np.testing.assert_array_equal(found["rows"], rows)
    assert str(found["about"]) == "text"
    assert found["none"].shape == (0, 3)
    np.testing.assert_array_equal(map_array(tmp_path / "a.npy"), rows)


@pytest.mark.parametrize(
    "shape", ["(99999999999,)", "(-1, -2, 3)", "(2, 3, 1.5)", "(2,", "(99999999999999999999, 0)", "(99999999999, 0)"]
)
def test_a_shape_that_does_not_fill_its_bytes_is_refused(tmp_path, shape):
    stream = io.BytesIO()
    np.save(stream, np.arange(6.0))
    data = stream.getvalue().replace(b"(6,), }" + b" " * (len(shape) - 4), f"{shape}, }}".encode())
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(ValueError, match=r"."):
        map_array(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("per_structure.npy", data)
    with pytest.raises(ms.InvalidInputError, match=r"a.npz: expected features saved by mlipselect: "):
        ms.Features.load(tmp_path / "a.npz")
    with pytest.raises(ms.InvalidInputError, match=r"a.npz: expected a potential saved by mlipselect: "):
        ms.LinearPotential.load(tmp_path / "a.npz")


def test_compressed_entries_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", rows=np.zeros(100_000))
    with pytest.raises(ValueError, match=r"rows.npy: expected an entry that is not compressed"):
        read_archive(tmp_path / "a.npz")


@pytest.mark.parametrize("order", ["<", ">"])
def test_texts_of_letters_that_do_not_exist_are_refused(tmp_path, order):
    def write(letter: int) -> None:
        texts = np.array([65, letter], f"{order}u4").view(f"{order}U2")
        np.savez(tmp_path / "a.npz", per_structure=np.zeros((1, 2)), source=texts)

    write(0x10FFFF)
    assert str(read_archive(tmp_path / "a.npz")["source"][0]) == "A\U0010ffff"
    write(0x110000)
    with pytest.raises(ValueError, match=r"source.npy: a text with letters that do not exist"):
        read_archive(tmp_path / "a.npz")
    with pytest.raises(ms.InvalidInputError, match=r"a.npz: expected features saved by mlipselect: source.npy: a text"):
        ms.Features.load(tmp_path / "a.npz")


def test_lists_that_are_nested_too_deep_are_refused():
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json("[" * 200_000)
