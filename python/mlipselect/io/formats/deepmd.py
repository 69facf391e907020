"""Folders of DeePMD-kit: `deepmd/npy`, `deepmd/npy/mixed` and `deepmd/raw`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.formats.format import Format
from mlipselect.io.formats.labels import attach, stress_of_virial
from mlipselect.io.formats.text import as_floats
from mlipselect.io.reading import Reading
from mlipselect.io.species import symbol_of, without_dropped

SYSTEM = "deepmd_system"
"""Key of `Atoms.info` with the path of a system, where a folder has several."""

#: Files of one row a frame, without their endings; the others are properties of the system.
_ROWS = {"box", "coord", "energy", "force", "virial", "real_atom_types"}
_SYSTEM = {"type", "type_map"}


def recognises(path: str, head: bytes) -> bool:  # noqa: ARG001
    """Tell a system by its file ``type.raw``, and a folder of nothing but systems or such folders."""
    return _is_system(Path(path)) or _holds_only_systems(Path(path))


def _is_system(folder: Path) -> bool:
    return (folder / "type.raw").is_file()


def _holds_only_systems(folder: Path) -> bool:
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")] if folder.is_dir() else []
    return bool(entries) and all(
        entry.is_dir() and (_is_system(entry) or _holds_only_systems(entry)) for entry in entries
    )


def read(path: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the frames of all systems in a folder, system after system by name, with atoms in the order of their types.

    They are periodic in three directions; in a system with a file ``nopbc`` they have no cell. The virial is in eV and
    -volume * stress. ``reading.species`` has the elements of types 0, 1, ... of systems without ``type_map.raw``. Where
    there are several systems, the path of each within the folder is in `info`.
    """
    folders = sorted(found.parent for found in Path(path).rglob("type.raw"))
    for folder in folders:
        system = _System(folder, reading)
        for part in sorted(found for found in folder.glob("set.*") if found.is_dir()) or [folder]:
            for atoms in _Part(system, part).structures():
                if len(folders) > 1:
                    atoms.info[SYSTEM] = folder.relative_to(path).as_posix()
                yield atoms


class _System:
    """A folder with ``type.raw``: the atoms that all its frames have."""

    def __init__(self, folder: Path, reading: Reading):
        self.folder, self.reading = folder, reading
        self.periodic = not (folder / "nopbc").exists()
        types = as_floats((folder / "type.raw").read_text().split())
        if not types or any(kind != int(kind) for kind in types):
            raise InvalidInputError(f"{folder / 'type.raw'}: expected the type of each atom, a whole number")
        self.types = np.array(types, dtype=np.int64)
        self.symbols = self._symbols()

    def _symbols(self) -> list[str]:
        """Return the chemical symbol of each type, empty for a type whose atoms are dropped."""
        names = self.folder / "type_map.raw"
        if names.exists():
            return [symbol_of(word, self.reading) for word in names.read_text().split()]
        if self.reading.species is None:
            raise InvalidInputError(
                f"{self.folder} has no type_map.raw: name the elements of the types 0, 1, ... with --species, such as "
                "--species Si O"
            )
        return list(self.reading.types())

    def symbol(self, kind: int) -> str:
        """Return the chemical symbol of a type; those below 0 fill up frames of mixed types and are dropped."""
        if kind >= len(self.symbols):
            known = f"the elements of {len(self.symbols)} types are named"
            raise InvalidInputError(f"{self.folder}: type {kind}: types count from 0, and {known}")
        return self.symbols[kind] if kind >= 0 else ""


class _Part:
    """A folder with one row for each frame in each file: ``set.*`` of npy files, or the system with raw files."""

    def __init__(self, system: _System, folder: Path):
        self.system, self.folder = system, folder
        self.suffix = ".raw" if folder == system.folder else ".npy"
        n_atoms = len(system.types)
        self.rows: dict[str, NDArray[Any]] = {"coord": self._load("coord", 3 * n_atoms)}
        widths = {"energy": 1, "force": 3 * n_atoms, "virial": 9, "real_atom_types": n_atoms}
        for name, width in (widths | ({"box": 9} if system.periodic else {})).items():
            if name == "box" or self._file(name).exists():
                self.rows[name] = self._load(name, width)
        others = {found.stem for found in folder.glob(f"*{self.suffix}")} - _ROWS - _SYSTEM
        if others:
            system.reading.notes.say(
                f"files that are not read: {', '.join(f'{x}{self.suffix}' for x in sorted(others))}"
            )

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}{self.suffix}"

    def _load(self, name: str, width: int) -> NDArray[Any]:
        """Map a file of rows, shape (n_frames, width)."""
        path = self._file(name)
        try:
            rows = np.load(path, mmap_mode="r") if self.suffix == ".npy" else np.loadtxt(path, ndmin=2)
        except FileNotFoundError:
            hint = ", or a file nopbc beside type.raw" if name == "box" else ""
            raise InvalidInputError(f"expected a file {path}{hint}") from None
        except (OSError, EOFError, ValueError) as error:
            raise InvalidInputError(f"{path} cannot be read, it may be truncated: {error}") from error
        if rows.dtype.kind not in "fiu" or rows.size % width or rows.size == 0:
            raise InvalidInputError(f"{path}: expected rows of {width} numbers, got shape {rows.shape}, {rows.dtype}")
        rows = rows.reshape(-1, width)
        if name != "coord" and len(rows) != len(self.rows["coord"]):
            raise InvalidInputError(f"{path}: expected {len(self.rows['coord'])} rows as in coord, got {len(rows)}")
        return rows

    def structures(self) -> Iterator[Atoms]:
        """Yield the structures of the rows."""
        for row in range(len(self.rows["coord"])):
            values = {name: np.array(rows[row], dtype=np.float64) for name, rows in self.rows.items()}
            for name, numbers in values.items():
                if not np.all(np.isfinite(numbers)):
                    raise InvalidInputError(f"{self._file(name)}, row {row}: expected finite numbers")
            yield self._structure(values)

    def _structure(self, values: dict[str, NDArray[np.float64]]) -> Atoms:
        system = self.system
        symbols = [system.symbol(int(kind)) for kind in values.get("real_atom_types", system.types)]
        atoms = Atoms(
            numbers=[atomic_numbers[symbol] if symbol else 0 for symbol in symbols],
            positions=values["coord"].reshape(-1, 3),
            cell=values["box"].reshape(3, 3) if system.periodic else None,
            pbc=system.periodic,
        )
        energy = float(values["energy"][0]) if "energy" in values else None
        forces = values["force"].reshape(-1, 3) if "force" in values else None
        stress = stress_of_virial(values["virial"].reshape(3, 3), atoms) if "virial" in values else None
        if "virial" in values and stress is None:
            system.reading.notes.add("the virial is not read where there is no periodic cell")
        attach(atoms, energy=energy, forces=forces, stress=stress)
        return without_dropped(atoms, [symbol == "" for symbol in symbols])


DEEPMD = Format("deepmd", "folders of DeePMD-kit: npy, npy/mixed and raw", recognises, read)
