"""Files that neither ASE nor mlipselect reads, and what to do with each."""

from __future__ import annotations

from pathlib import Path

from mlipselect.io.compression import open_for_reading

_VASPRUN = "read the vasprun.xml of the same run instead"


def remedy(path: str, head: bytes) -> str | None:
    """Say what a file is that nobody here reads, and what converts it; None for any other file.

    Parameters
    ----------
    path : str
        The file or folder.
    head : bytes
        The first bytes of its uncompressed content; empty for a folder.
    """
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        if Path(path).name.startswith("vaspout"):
            return f"it is VASP's output in HDF5, which is not read: {_VASPRUN}"
        return f"it is HDF5, which is not read; {_by_dpdata(path, 'deepmd/hdf5', 'if DeePMD-kit wrote it, ')}"
    if b"CP2K|" in head or b"DBCSR|" in head:
        trajectory = "read the trajectory NAME-pos-1.xyz for structures"
        return f"it is the output of CP2K, which is not read: {trajectory}; {_by_dpdata(path, 'cp2k/output', '')}"
    if (Path(path) / "data.mdb").is_file():
        return f"it is LMDB, which is not read; {_by_dpdata(path, 'deepmd/lmdb', 'if DeePMD-kit wrote it, ')}"
    return None


def _by_dpdata(path: str, format_name: str, condition: str) -> str:
    command = f"dpdata {path} -i {format_name} -o deepmd/npy -O {Path(path).stem}-npy"
    return f"{condition}dpdata (pip install dpdata) converts it to a folder that is read: {command}"


def instead(path: str, format_name: str) -> str:
    """Say what to read instead of a file that ASE failed to read; empty if nothing is known."""
    if format_name != "vasp-out":
        return ""
    with open_for_reading(path) as stream:
        has_steps_of_force_field = any(b" ML TOTEN" in line for line in stream)
    if has_steps_of_force_field:
        return (
            "; the run has steps of a machine-learned force field, whose energies are not DFT's: what DFT computed is "
            f"in the ML_ABN of the same run; for the structures alone {_VASPRUN}"
        )
    return f"; {_VASPRUN}"
