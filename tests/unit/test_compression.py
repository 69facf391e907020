"""Compressed files are read by their content, whatever their names say."""

from __future__ import annotations

import bz2
import gzip
import lzma

import ase.build
import ase.io
import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.exceptions import StructureError

PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "none": bytes}


@pytest.fixture
def structures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = [ase.build.bulk("Cu", cubic=True, a=3.5 + 0.1 * k) for k in range(3)]
    ase.io.write("plain.xyz", made)
    return made


@pytest.mark.parametrize("packed", list(PACK))
@pytest.mark.parametrize("name", ["pool.xyz", "pool.xyz.gz", "pool.extxyz.bz2", "pool.xyz.xz", "pool.XYZ"])
def test_extended_xyz(structures, packed, name, tmp_path):
    (tmp_path / name).write_bytes(PACK[packed]((tmp_path / "plain.xyz").read_bytes()))
    assert ms.read(name) == structures
    assert ms.read(f"{name}@-1") == structures[-1:]
    assert main(["select", name, "-n", "1", "--totaldegree", "4", "-q", "-o", "out.xyz"]) == 0


@pytest.mark.parametrize("packed", list(PACK))
@pytest.mark.parametrize("name", ["one.cif", "POSCAR"])
def test_crystals(structures, packed, name, tmp_path):
    ase.io.write(tmp_path / name, structures[0], format="cif" if name == "one.cif" else "vasp")
    (tmp_path / name).write_bytes(PACK[packed]((tmp_path / name).read_bytes()))
    assert len(ms.read(name)[0]) == 4


def test_formats_that_ase_opens_say_how_the_file_is_to_be_named(structures, tmp_path):
    ase.io.write("one.traj", structures)
    (tmp_path / "one.traj").write_bytes(gzip.compress((tmp_path / "one.traj").read_bytes()))
    with pytest.raises(StructureError, match=r"one.traj: .*compressed as .gz: rename it, so that its name ends in .gz"):
        ms.read("one.traj")


def test_a_compression_that_is_not_read_is_named(tmp_path):
    (tmp_path / "pool.xyz").write_bytes(b"\x28\xb5\x2f\xfd and so on")
    with pytest.raises(StructureError, match=r"compressed as .zst, which is not read; .gz, .bz2 and .xz are"):
        ms.read(tmp_path / "pool.xyz")
