"""Disks that are full: nothing is lost, and the same command goes on when there is room."""

from __future__ import annotations

import subprocess

import pytest

import mlipselect as ms
from mlipselect.cli import main
from mlipselect.io import write_exact
from mlipselect.stores import fill
from reference.structures import rattled

ACE = ["--totaldegree", "6"]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """Mount a file system of 64 kB, and make a pool beside it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fill, "SHARD_BYTES", 20 * 25 * 8)
    write_exact("pool.xyz", [rattled(seed) for seed in range(400)])
    write_exact("core.xyz", [rattled(seed) for seed in range(1000, 1005)])
    yield folder
    run("umount", str(folder))


def make_room(folder):
    assert run("mount", "-o", "remount,size=8m", str(folder)).returncode == 0


def test_featurize_goes_on(disk, capsys):
    store = str(disk / "features")
    assert main(["featurize", "pool.xyz", *ACE, "--store", store, "-q"]) == 1
    assert "cannot be written: No space left on device" in capsys.readouterr().err
    written = len(list((disk / "features").glob("rows-*.npy")))
    assert written > 0
    make_room(disk)
    assert main(["featurize", "pool.xyz", *ACE, "--store", store, "-q"]) == 0
    # As deep in folders, for the manifest says where the pool is from there.
    ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=6), store="whole/features")
    expected = sorted((disk.parent / "whole" / "features").iterdir())
    assert [path.name for path in expected] == sorted(path.name for path in (disk / "features").iterdir())
    assert all((disk / "features" / path.name).read_bytes() == path.read_bytes() for path in expected)


def test_select_goes_on(disk, capsys, monkeypatch):
    ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=6), store="features")
    # A score for which rounded rows are in a temporary file.
    select = ["select", "features", "--core", "core.xyz", "-n", "60", "--score", "energy", "-q", "--checkpoint"]
    assert main([*select, "picks.json", "-o", "whole.xyz"]) == 0
    # The output does not fit; then the rounded rows do not.
    assert main([*select, str(disk / "picks.json"), "-o", str(disk / "parts.xyz")]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not list(disk.glob("parts.*"))
    monkeypatch.setenv("TMPDIR", str(disk))
    (disk / "ballast").write_bytes(b"0" * 50_000)
    assert main([*select[:-1], "-o", "other.xyz"]) == 1
    error = capsys.readouterr().err
    assert f"{disk}: no room for 28800 bytes of rounded rows: No space left on device" in error
    assert "set TMPDIR" in error
    (disk / "ballast").unlink()
    make_room(disk)
    assert main([*select, str(disk / "picks.json"), "-o", str(disk / "parts.xyz")]) == 0
    assert (disk / "parts.xyz").read_bytes() == (disk.parent / "whole.xyz").read_bytes()


def test_a_disk_that_is_read_only(disk, capsys):
    ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=6), store="features")
    (disk / "features").mkdir()
    assert run("mount", "-o", "remount,ro", str(disk)).returncode == 0
    select = ["select", "features", "--core", "core.xyz", "-n", "5", "-q"]
    for command in (
        ["featurize", "pool.xyz", *ACE, "--store", str(disk / "features"), "-q"],
        [*select, "-o", str(disk / "out.xyz")],
        [*select, "--checkpoint", str(disk / "picks.json"), "-o", "out.xyz"],
    ):
        assert main(command) == 1
        error = capsys.readouterr().err
        assert "cannot be written" in error
        assert error.count("\n") == 1
    assert [path.name for path in disk.rglob("*")] == ["features"]
