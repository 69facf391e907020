"""The data of the experiment: silicon structures with the labels of density functional theory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

import mlipselect as ms
from mlipselect.io.extxyz import format_frame

REFERENCE_ENERGIES = {"Si": -158.54496821}
"""Of the free atom, in eV: that of the data's `isolated_atom`."""

SURFACE_ENERGIES = {"100": 2.17, "111": 1.57}
"""Of density functional theory, in J/m^2."""

POOL_TYPES = ("surface_001", "surface_110", "surface_111", "surface_111_pandey", "surface_111_3x3_das", "decohesion")
"""Config types of the deposited file that make up the pool; ``dia`` is the core."""


@dataclass(frozen=True)
class Silicon:
    """Core and pool, without the isolated atom."""

    core: list[Atoms]
    pool: list[Atoms]

    @property
    def digest(self) -> str:
        """What tells the data from other data, labels included."""
        digest = hashlib.sha256()
        for atoms in self.core + self.pool:
            digest.update(format_frame(atoms).encode())
        return digest.hexdigest()[:16]

    @property
    def pool_types(self) -> list[str]:
        """Config type of each structure of the pool."""
        return [str(atoms.info["config_type"]) for atoms in self.pool]


def read_silicon(path: Path) -> Silicon:
    """Read the data.

    Parameters
    ----------
    path : Path
        The folder with ``core.xyz`` and ``surface_pool.xyz``, or the deposited file (doi:10.17863/CAM.65004,
        ``gp_iter6_sparse9k.xml.xyz``), which holds both among others.
    """
    if path.is_dir():
        core, pool = ms.read(path / "core.xyz"), ms.read(path / "surface_pool.xyz")
    else:
        core = pool = ms.read(path)
    core = [atoms for atoms in core if atoms.info["config_type"] == "dia"]
    pool = [atoms for atoms in pool if atoms.info["config_type"] in POOL_TYPES]
    if not core or not pool:
        raise SystemExit(f"{path}: expected structures of the config types dia and {', '.join(POOL_TYPES)}")
    pool.sort(key=lambda atoms: POOL_TYPES.index(atoms.info["config_type"]))
    return Silicon(core, pool)
