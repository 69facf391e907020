"""What tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ase import Atoms

from reference.structures import rattled


@pytest.fixture(scope="session")
def silicon() -> Path:
    """Directory of the silicon data; tests that ask for it are skipped where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "data" / "silicon"
    directory = Path(os.environ.get("MLIPSELECT_SILICON", default))
    if not (directory / "core.xyz").exists():
        pytest.skip("the silicon data is not here; MLIPSELECT_SILICON names its directory")
    return directory


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directory, made current, with a pool of twelve structures and a core of four and an isolated atom."""
    from mlipselect.io import write_exact

    monkeypatch.chdir(tmp_path)
    isolated = Atoms("Si", positions=[[1.0, 2.0, 3.0]], info={"config_type": "isolated_atom", "dft_energy": -1.5})
    write_exact("pool.xyz", [rattled(seed) for seed in range(12)])
    write_exact("core.xyz", [isolated, *(rattled(seed) for seed in range(100, 104))])
    return tmp_path
