"""Write results completely or not at all: temporary files, checked, then renamed together."""

from __future__ import annotations

import os
import shutil
import tempfile
import types
from collections.abc import Iterable, Sequence
from pathlib import Path

import ase.io
from ase import Atoms
from ase.io.formats import filetype, get_compression, open_with_compression

from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.exact import differences
from mlipselect.io.extxyz import format_frame
from mlipselect.io.frames import raw_frames


class Output:
    """Files that appear together and complete, or not at all.

    On entry an empty temporary file is made beside each target, so that a path that cannot be written is found before
    any work. `publish` renames all temporary files. Leaving without it removes them and keeps the old targets.

    Parameters
    ----------
    *targets : path
        The files to write.
    inputs : iterable of paths
        Files that are read; no target may replace one of them.

    Raises
    ------
    InvalidInputError
        A target that cannot be written or that is one of the inputs.

    Examples
    --------
    >>> from pathlib import Path
    >>> from mlipselect.io import Output
    >>> with Output("a.txt", "b.txt") as output:
    ...     for path in output.temporary:
    ...         _ = path.write_text("done")
    ...     output.publish()
    >>> Path("b.txt").read_text()
    'done'
    """

    def __init__(self, *targets: str | os.PathLike[str], inputs: Iterable[str] = ()):
        self.targets = [Path(target) for target in targets]
        self.temporary: list[Path] = []
        for path in self.targets:
            for source in inputs:
                if path.exists() and Path(source).exists() and path.samefile(source):
                    raise InvalidInputError(f"{path}: the output would replace an input file")
            if self.targets.count(path) > 1:
                raise InvalidInputError(f"{path}: named as output twice")

    def __enter__(self) -> Output:
        try:
            for target in self.targets:
                if target.is_dir():
                    raise InvalidInputError(f"{target}: cannot be written: it is a directory")
                self.temporary.append(_temporary_beside(target))
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self._discard()

    def publish(self) -> None:
        """Rename every temporary file to its target; if one rename fails, undo those before it."""
        replaced: list[tuple[Path, Path | None]] = []
        try:
            for temporary, target in zip(self.temporary, self.targets, strict=True):
                before = _copy(target) if target.exists() else None
                replaced.append((target, before))
                temporary.replace(target)
        except OSError as error:
            for path, before in replaced:
                if before is not None:
                    before.replace(path)
                elif path != target:
                    path.unlink()
            raise InvalidInputError(f"{target}: cannot be written: {error.strerror}") from error
        for _, before in replaced:
            if before is not None:
                before.unlink()

    def _discard(self) -> None:
        for path in self.temporary:
            path.unlink(missing_ok=True)


def _copy(target: Path) -> Path | None:
    """Copy a target that is about to be replaced; None for a directory, which cannot be replaced."""
    if target.is_dir():
        return None
    kept = _temporary_beside(target)
    shutil.copy2(target, kept)
    return kept


def _temporary_beside(target: Path) -> Path:
    """Make an empty file in the directory of `target` with its suffixes, from which formats are recognised."""
    try:
        handle, name = tempfile.mkstemp(prefix=".mlipselect-", suffix="".join(target.suffixes), dir=target.parent)
    except OSError as error:
        raise InvalidInputError(f"{target}: cannot be written: {error.strerror}") from error
    os.close(handle)
    mask = os.umask(0)
    os.umask(mask)
    Path(name).chmod(0o666 & ~mask)  # mkstemp makes it private; the result is an ordinary file
    return Path(name)


def write_exact(path: str | os.PathLike[str], structures: Sequence[Atoms], name: str | None = None) -> None:
    """Write structures so that reading the file gives them back exactly; refuse a format that cannot keep them.

    Extended XYZ is written with every digit. Other formats are written by ASE. The file is read back and compared with
    the structures in either case.

    Parameters
    ----------
    path : path
        File to write; its name determines the format.
    structures : sequence of ase.Atoms
        Structures to write.
    name : str, optional
        Name of the file in messages, if `path` is a temporary file.

    Raises
    ------
    InvalidInputError
        The format is unknown to ASE or cannot keep everything; the message says which part of which
        structure.
    """
    source, name = os.fspath(path), name or os.fspath(path)
    structures = list(structures)
    format_name = format_of(source, name)
    try:
        if format_name == "extxyz":
            _write_extxyz(source, structures)
        else:
            ase.io.write(source, structures, format=format_name)
        found = [raw.parse().atoms for raw in raw_frames(source)] if structures else []
    except StructureError as error:
        frame = name if error.index is None else f"{name}, frame {error.index}"
        raise InvalidInputError(f"{frame}: cannot be kept as {format_name}: {error.problem}") from error
    except Exception as error:
        raise InvalidInputError(
            f"{name}: cannot be written as {format_name}: {' '.join(str(error).split())}"
        ) from error
    if len(found) != len(structures):
        kept = f"kept {len(found)} of {len(structures)} structures"
        raise InvalidInputError(f"{name}: the format {format_name} {kept}; write a .xyz file")
    for index, (atoms, read_back) in enumerate(zip(structures, found, strict=True)):
        if lost := differences(atoms, read_back):
            advice = "rename or remove it" if format_name == "extxyz" else "write a .xyz file"
            parts = ", ".join(lost[:5]) + (" ..." if len(lost) > 5 else "")
            raise InvalidInputError(f"{name}: the format {format_name} cannot keep {parts} of frame {index}; {advice}")


def format_of(path: str, name: str | None = None) -> str:
    """Return ASE's name of the format of a file name."""
    root, _ = get_compression(path)
    suffix = Path(root).suffix.lower()
    if suffix in (".xyz", ".extxyz"):
        return "extxyz"
    try:
        format_name = filetype(path, read=False)
        if not ase.io.formats.ioformats[format_name].can_write:
            raise ValueError("ASE cannot write it")
    except (KeyError, ValueError) as error:
        raise InvalidInputError(f"{name or path}: no format to write by that name; use a .xyz file") from error
    return format_name


def _write_extxyz(path: str, structures: Sequence[Atoms]) -> None:
    with open_with_compression(path, "wb") as stream:
        for atoms in structures:
            stream.write(format_frame(atoms).encode())
