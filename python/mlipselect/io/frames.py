"""Read structures one at a time, each with the file and the frame it came from."""

from __future__ import annotations

import functools
import io
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

import ase.io
from ase import Atoms
from ase.io.formats import get_compression, open_with_compression

from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.formats.database import ROW_ID
from mlipselect.io.formats.format import Format
from mlipselect.io.formats.registry import FORMATS
from mlipselect.io.plain_extxyz import PlainFile, parse_extxyz
from mlipselect.io.reading import Reading
from mlipselect.io.recognise import EXTXYZ, recognise

PathLike: TypeAlias = str | os.PathLike[str]
"""One file of structures."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A structure and where it came from.

    Attributes
    ----------
    atoms : ase.Atoms
        The structure.
    source : str or None
        Path of its file, as given; None for a structure that was given in memory.
    index : int
        0-based index in `source`, or in the sequence that was given.
    row_id : int or None
        Id of its row, if it came from a database.
    """

    atoms: Atoms
    source: str | None
    index: int
    row_id: int | None = None


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A frame that was found in a file but is not parsed yet."""

    source: str
    index: int
    build: Callable[[], Atoms]
    has_row_id: bool = False

    def parse(self) -> Frame:
        """Parse the frame; raise `StructureError` if it cannot be parsed."""
        try:
            atoms = self.build()
        except Exception as error:
            raise StructureError(f"the frame cannot be read: {_reason(error)}", self.index, self.source) from error
        return Frame(atoms, self.source, self.index, atoms.info.pop(ROW_ID, None) if self.has_row_id else None)


def read(paths: PathLike | Iterable[PathLike]) -> list[Atoms]:
    """Read every structure of one or several files.

    Parameters
    ----------
    paths : path or iterable of paths
        Files in any format that ASE reads; compressed ones too (``.gz``, ``.bz2``, ``.xz``).

    Returns
    -------
    list of ase.Atoms
        The structures, file after file. Labels that ASE recognises (``energy``, ``forces``, ...) are
        results of ``atoms.calc``; other keys are in ``atoms.info`` and ``atoms.arrays``.

    Raises
    ------
    StructureError
        A file that is missing, empty, truncated or not readable; the message names the file and the frame.

    Examples
    --------
    >>> import ase.build, ase.io, mlipselect as ms
    >>> ase.io.write("two.xyz", [ase.build.bulk("Si"), ase.build.bulk("Ge")])
    >>> [str(atoms.symbols) for atoms in ms.read("two.xyz")]
    ['Si2', 'Ge2']
    """
    return [frame.atoms for frame in iter_frames(paths)]


def iter_frames(paths: PathLike | Iterable[PathLike]) -> Iterator[Frame]:
    """Read the structures of one or several files, one at a time.

    Parameters
    ----------
    paths : path or iterable of paths
        Files in any format that ASE reads.

    Yields
    ------
    Frame
        A structure with its file and its 0-based index in that file.

    Raises
    ------
    StructureError
        As for `read`, when the faulty frame is reached.
    """
    for path in as_paths(paths):
        for raw in raw_frames(path):
            yield raw.parse()


def as_paths(paths: PathLike | Iterable[PathLike]) -> list[str]:
    """Return the paths of one or several files as strings."""
    if isinstance(paths, (str, os.PathLike)):
        return [os.fspath(paths)]
    named = list(paths)
    for path in named:
        if not isinstance(path, (str, os.PathLike)):
            raise InvalidInputError(f"expected paths, got {type(path).__name__}")
    return [os.fspath(path) for path in named]


def as_frames(structures: Iterable[Atoms | Frame] | Atoms) -> Iterator[Frame]:
    """Give structures in memory an index each; frames keep their source and index."""
    if isinstance(structures, Atoms):
        structures = [structures]
    for index, item in enumerate(structures):
        if isinstance(item, Frame):
            yield item
        elif isinstance(item, Atoms):
            yield Frame(item, None, index)
        else:
            given = type(item).__name__
            raise InvalidInputError(f"structure {index}: expected ase.Atoms or the path of a file, got {given}")


def raw_frames(source: str, reading: Reading | None = None) -> Iterator[RawFrame]:
    """Find the frames of a file without parsing them, as far as the format allows.

    Extended XYZ is cut into frames here, so that a truncated file, or text after a blank line (where ASE stops
    silently), is an error with a frame number. Plain frames are cut and parsed by the compiled part, all others by ASE.
    """
    reading = Reading() if reading is None else reading
    try:
        if not Path(source).is_dir() and Path(source).stat().st_size == 0:
            raise ValueError("the file is empty")
        format_name = recognise(source, reading)
    except Exception as error:
        raise StructureError(f"cannot be read: {_reason(error)}", source=source) from error
    if format_name == EXTXYZ:
        plain = plain_file(source, reading)
        found = _extxyz_frames(source) if plain is None else _plain_frames(source, plain, range(len(plain)))
    elif format_name in FORMATS:
        found = _own_frames(source, FORMATS[format_name], reading)
    else:
        found = _ase_frames(source, format_name)
    first = next(found, None)
    if first is None:
        raise StructureError(f"the file holds no structure, read as {format_name}", source=source)
    yield from itertools.chain([first], found)


def read_frames(source: str, indices: Iterable[int], reading: Reading | None = None) -> dict[int, Frame]:
    """Read some frames of a file without parsing the others, as far as the format allows.

    Parameters
    ----------
    source : path
        A file of structures.
    indices : iterable of int
        0-based indices of frames.
    reading : Reading, optional
        How the file is read.

    Raises
    ------
    StructureError
        A file or a frame that cannot be read, or too few frames.
    """
    wanted = sorted(set(indices))
    reading = Reading() if reading is None else reading
    plain = plain_file(source, reading)
    if plain is not None and all(0 <= index < len(plain) for index in wanted):
        return {raw.index: raw.parse() for raw in _plain_frames(source, plain, wanted)}
    last = wanted[-1] if wanted else -1
    raws = itertools.islice(raw_frames(source, reading), last + 1)
    found = {raw.index: raw.parse() for raw in raws if raw.index in set(wanted)}
    if len(found) < len(wanted):
        missing = next(index for index in wanted if index not in found)
        raise StructureError("there is no such frame", missing, source)
    return found


def plain_file(source: str, reading: Reading | None = None) -> PlainFile | None:
    """Find the frames of a plain extended XYZ file; None for any other file."""
    try:
        is_plain = get_compression(source)[1] is None and recognise(source, reading or Reading()) == EXTXYZ
        return PlainFile.find(source) if is_plain else None
    except Exception:  # the reader that the file is left to reports the error
        return None


def _plain_frames(source: str, plain: PlainFile, indices: Sequence[int]) -> Iterator[RawFrame]:
    try:
        for chosen, batch in plain.batches(indices):
            for place, index in enumerate(chosen):
                yield RawFrame(source, index, functools.partial(batch.atoms, place))
    except OSError as error:
        raise StructureError(f"cannot be read: {_reason(error)}", source=source) from error


def _ase_frames(source: str, format_name: str) -> Iterator[RawFrame]:
    frames = ase.io.iread(source, index=":", format=format_name, do_not_split_by_at_sign=True)
    for index in itertools.count():
        try:
            atoms = next(frames)
        except StopIteration:
            return
        except Exception as error:
            raise StructureError(f"cannot be read as {format_name}: {_reason(error)}", index, source) from error
        yield RawFrame(source, index, lambda atoms=atoms: atoms)  # type: ignore[misc]


def _own_frames(source: str, known: Format, reading: Reading) -> Iterator[RawFrame]:
    """Read frames with a reader of mlipselect's own."""
    frames = known.read(source, reading)
    for index in itertools.count():
        reading.notes.place = (source, index)
        try:
            atoms = next(frames)
        except StopIteration:
            return
        except Exception as error:
            problem = f"cannot be read as {known.name}: {_reason(error)}"
            if isinstance(error, ModuleNotFoundError) and known.extra is not None:
                problem += f"; pip install 'mlipselect[{known.extra}]'"
            raise StructureError(problem, index, source) from error
        yield RawFrame(source, index, lambda atoms=atoms: atoms, ROW_ID in atoms.info)  # type: ignore[misc]


def _extxyz_frames(source: str) -> Iterator[RawFrame]:
    index = 0
    try:
        with open_text(source) as stream:
            header = stream.readline()
            while header.strip():
                body, following = _extxyz_body(header, stream, index, source)
                yield RawFrame(source, index, lambda text=header + body: parse_extxyz(text))  # type: ignore[misc]
                header = following
                index += 1
            if any(line.strip() for line in stream):
                raise StructureError("expected a number of atoms, got a blank line with text after it", index, source)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise StructureError(f"cannot be read: {_reason(error)}", index, source) from error


def _extxyz_body(header: str, stream: IO[str], index: int, source: str) -> tuple[str, str]:
    """Return the lines of a frame after its header, and the line after the frame."""
    try:
        n_atoms = int(header)
    except ValueError:
        problem = f"expected a number of atoms, got {header.strip()[:40]!r}"
        raise StructureError(problem, index, source) from None
    if n_atoms < 0:
        raise StructureError(f"expected a number of atoms, got {n_atoms}", index, source)
    lines = list(itertools.islice(stream, n_atoms + 1))
    if len(lines) <= n_atoms:
        present = max(len(lines) - 1, 0)
        problem = f"the file is truncated: it ends after {present} of the {n_atoms} atoms of this frame"
        raise StructureError(problem, index, source)
    following = stream.readline()
    while following.lstrip().startswith("VEC"):  # cell vectors written as pseudo-atoms
        lines.append(following)
        following = stream.readline()
    return "".join(lines), following


def open_text(source: str) -> IO[str]:
    """Open a possibly compressed file of text, in UTF-8 whatever the locale."""
    return io.TextIOWrapper(open_with_compression(source, "rb"), encoding="utf-8")


def _reason(error: Exception) -> str:
    """Return the message of an exception in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, KeyError):
        return f"unknown name {error}"
    return " ".join(str(error).split()) or type(error).__name__
