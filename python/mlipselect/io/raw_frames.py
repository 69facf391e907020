"""Find the frames of a file without parsing them, as far as its format allows."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import ase.io
from ase import Atoms
from ase.io.formats import get_compression

from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.io.extxyz_text import texts_and_faults
from mlipselect.io.formats.database import ROW_ID
from mlipselect.io.formats.format import Format
from mlipselect.io.formats.registry import FORMATS
from mlipselect.io.formats.unread import instead
from mlipselect.io.frame import Frame
from mlipselect.io.plain_extxyz import Batch, PlainFile, WaitingBatch
from mlipselect.io.reading import Reading
from mlipselect.io.recognise import EXTXYZ, recognise
from mlipselect.io.sources import Source, as_source
from mlipselect.io.species import renamed
from mlipselect.io.tolerant_extxyz import parse_tolerant
from mlipselect.io.usable import usable


@dataclass(slots=True)
class RawFrame:
    """A frame that was found in a file but is not parsed yet.

    Attributes
    ----------
    source : str
        Name of the file.
    index : int
        0-based index in the whole file.
    row_id : int or None
        Id of its row, if the file is a database.
    """

    source: str
    index: int
    _build: Callable[[], Atoms]
    _reading: Reading
    row_id: int | None = None

    def frame(self) -> Frame:
        """Parse the frame.

        Raises
        ------
        StructureError
            A frame that cannot be parsed, or that nobody can work with.
        """
        return Frame(self.build_usable(), self.source, self.index, self.row_id)

    def build(self) -> Atoms:
        """Parse the frame as it is.

        Raises
        ------
        StructureError
            It cannot be parsed.
        """
        self._reading.notes.place = (self.source, self.index)
        try:
            return self._build()
        except StructureError:
            raise
        except Exception as error:
            raise StructureError(f"the frame cannot be read: {reason(error)}", self.index, self.source) from error

    def build_usable(self) -> Atoms:
        """Parse the frame, with the cell that the options give it.

        Raises
        ------
        StructureError
            It cannot be parsed, or holds ghost atoms or no atoms.
        """
        atoms = self.build()
        try:
            return usable(atoms, self._reading)
        except InvalidInputError as error:
            raise StructureError(str(error), self.index, self.source) from error


FoundFrame: TypeAlias = RawFrame | Frame
"""A frame that is to be parsed, or one whose structure is made when somebody looks at it."""


_Find: TypeAlias = Callable[[Source, PlainFile, Sequence[int], Reading], Iterator[FoundFrame]]
"""What finds some frames of a plain file."""


def raw_frames(source: str | Source, reading: Reading | None = None, *, wait: bool = False) -> Iterator[FoundFrame]:
    """Find the frames of a file without parsing them, as far as the format allows.

    Extended XYZ is cut into frames here, so that a truncated frame, or text after a blank line (where ASE stops
    silently), is an error with a frame number, met where that frame is parsed; further frames follow it. Plain frames
    are cut and parsed by the compiled part.

    Parameters
    ----------
    source : path or Source
        A file, or some frames of it.
    reading : Reading, optional
        Options of reading.
    wait : bool, default=False
        Leave structures of plain files unmade until somebody looks at them, which is for those who look at few.

    Yields
    ------
    RawFrame or Frame
        With its index in the whole file. A frame of which nothing can fail any more needs no parsing.

    Raises
    ------
    StructureError
        A file that cannot be read or holds no structure, when the fault is reached.
    """
    source, reading = as_source(source), Reading() if reading is None else reading
    find = _waiting_frames if wait else _plain_frames
    if source.frames is None:
        yield from _all_frames(source, reading, find)
        return
    found = _meant_frames(source, source.frames, reading, find)
    first = next(found, None)
    if first is None:
        raise StructureError("no frame of the file is meant", source=source.given)
    yield from itertools.chain([first], found)


def _meant_frames(source: Source, frames: slice, reading: Reading, find: _Find) -> Iterator[FoundFrame]:
    """Find the frames that a slice means."""
    plain = plain_file(source, reading)
    ascends, counts_from_end = (frames.step or 1) > 0, min(frames.start or 0, frames.stop or 0) < 0
    if plain is not None and ascends:
        yield from find(source, plain, range(len(plain))[frames], reading)
    elif ascends and not counts_from_end:
        yield from itertools.islice(_all_frames(source, reading, find), frames.start, frames.stop, frames.step)
    else:
        count = sum(1 for _ in _all_frames(source, reading, find)) if plain is None else len(plain)
        wanted = range(count)[frames]
        chosen = [raw for raw in _all_frames(source, reading, find) if raw.index in wanted]
        yield from chosen if ascends else reversed(chosen)


def _all_frames(source: Source, reading: Reading, find: _Find) -> Iterator[FoundFrame]:
    try:
        if Path(source.path).stat().st_size == 0 and not Path(source.path).is_dir():
            raise ValueError("the file is empty")
        format_name = recognise(source.path, reading)
    except Exception as error:
        raise StructureError(f"cannot be read: {reason(error)}", source=source.name) from error
    if format_name == EXTXYZ:
        plain = plain_file(source, reading)
        found = _extxyz_frames(source, reading) if plain is None else find(source, plain, range(len(plain)), reading)
    elif format_name in FORMATS:
        found = _own_frames(source, FORMATS[format_name], reading)
    else:
        found = _ase_frames(source, format_name, reading)
    first = next(found, None)
    if first is None:
        raise StructureError(f"the file holds no structure (read as {format_name})", source=source.name)
    yield from itertools.chain([first], found)


def chosen_frames(source: str | Source, indices: Iterable[int], reading: Reading | None = None) -> Iterator[FoundFrame]:
    """Find some frames of a file without parsing the others, as far as the format allows.

    Parameters
    ----------
    source : path or Source
        A file; all its frames count.
    indices : iterable of int
        0-based indices of frames.
    reading : Reading, optional
        Options of reading.

    Raises
    ------
    StructureError
        A file that cannot be read, or that has too few frames.
    """
    source, reading = as_source(source), Reading() if reading is None else reading
    wanted = sorted(set(indices))
    plain = plain_file(source, reading)
    if plain is not None and all(0 <= index < len(plain) for index in wanted):
        yield from _plain_frames(source, plain, wanted, reading)
        return
    last = wanted[-1] if wanted else -1
    missing = set(wanted)
    for raw in itertools.islice(_all_frames(source, reading, _plain_frames), last + 1):
        if raw.index in missing:
            missing.remove(raw.index)
            yield raw
    if missing:
        raise StructureError("there is no such frame", min(missing), source.name)


def plain_file(source: str | Source, reading: Reading | None = None) -> PlainFile | None:
    """Find the frames of a plain extended XYZ file; None for any other file."""
    path = as_source(source).path
    try:
        is_plain = get_compression(path)[1] is None and recognise(path, reading or Reading()) == EXTXYZ
        return PlainFile.find(path) if is_plain else None
    except Exception:  # the reader that the file is left to reports the error
        return None


def _plain_frames(source: Source, plain: PlainFile, indices: Sequence[int], reading: Reading) -> Iterator[FoundFrame]:
    try:
        for chosen, batch in plain.batches(indices, Batch, reading):
            for slot, index in enumerate(chosen):
                yield RawFrame(source.name, index, functools.partial(batch.atoms, slot), reading)
    except OSError as error:
        raise StructureError(f"cannot be read: {reason(error)}", source=source.name) from error


def _waiting_frames(source: Source, plain: PlainFile, indices: Sequence[int], reading: Reading) -> Iterator[FoundFrame]:
    """Find frames whose structures are made when somebody looks at them; those that cannot wait are to be parsed."""
    try:
        for chosen, batch in plain.batches(indices, WaitingBatch, reading):
            for slot, (index, can_wait) in enumerate(zip(chosen, batch.can_wait, strict=True)):
                if not can_wait:
                    yield RawFrame(source.name, index, functools.partial(batch.atoms, slot), reading)
                    continue
                if batch.needs_notes:
                    reading.notes.place = (source.name, index)
                    batch.note(slot)
                yield Frame(None, source.name, index, None, batch, slot)
    except OSError as error:
        raise StructureError(f"cannot be read: {reason(error)}", source=source.name) from error


def _extxyz_frames(source: Source, reading: Reading) -> Iterator[FoundFrame]:
    texts = texts_and_faults(source.path)
    for index in itertools.count():
        try:
            text = next(texts)
        except StopIteration:
            return
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise StructureError(f"cannot be read: {reason(error)}", index, source.name) from error
        if isinstance(text, InvalidInputError):
            build = functools.partial(_refuse, StructureError(str(text), index, source.name))
        else:
            build = functools.partial(parse_tolerant, text, reading)
        yield RawFrame(source.name, index, build, reading)


def _refuse(error: StructureError) -> Atoms:
    raise error


def _own_frames(source: Source, known: Format, reading: Reading) -> Iterator[FoundFrame]:
    frames = known.read(source.path, reading)
    for index in itertools.count():
        reading.notes.place = (source.name, index)
        try:
            atoms = next(frames)
        except StopIteration:
            return
        except Exception as error:
            problem = f"cannot be read as {known.name}: {reason(error)}"
            if isinstance(error, ModuleNotFoundError) and known.extra is not None:
                problem += f"; pip install 'mlipselect[{known.extra}]'"
            raise StructureError(problem, index, source.name) from error
        row_id = atoms.info.pop(ROW_ID, None)
        yield RawFrame(source.name, index, lambda atoms=atoms: atoms, reading, row_id)  # type: ignore[misc]


def _ase_frames(source: Source, format_name: str, reading: Reading) -> Iterator[FoundFrame]:
    frames = ase.io.iread(source.path, index=":", format=format_name, do_not_split_by_at_sign=True)
    for index in itertools.count():
        try:
            atoms = next(frames)
        except StopIteration:
            return
        except Exception as error:
            problem = f"cannot be read as {format_name}: {reason(error)}{instead(source.path, format_name)}"
            raise StructureError(problem, index, source.name) from error
        if reading.elements:
            atoms = renamed(atoms, reading)
        yield RawFrame(source.name, index, lambda atoms=atoms: atoms, reading)  # type: ignore[misc]


def reason(error: Exception) -> str:
    """Return the message of an exception in one line."""
    if isinstance(error, StructureError):
        return error.problem
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, KeyError):
        return f"unknown name {error}"
    return " ".join(str(error).split()) or type(error).__name__
