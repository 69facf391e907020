"""Read structures one at a time, each with the file and the frame it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from ase import Atoms

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.cells import CellWatch
from mlipselect.io.frame import Frame
from mlipselect.io.raw_frames import chosen_frames, plain_file, raw_frames
from mlipselect.io.reading import Reading
from mlipselect.io.sources import PathLike, Source, find_sources

__all__ = [
    "PathLike",
    "as_frames",
    "iter_frames",
    "plain_file",
    "raw_frames",
    "read",
    "read_frames",
    "source_frames",
]


def read(
    paths: PathLike | Iterable[PathLike],
    *,
    format: str | None = None,  # noqa: A002 - as ASE calls it
    species: Sequence[str] | None = None,
    species_map: Sequence[str] | Mapping[str, str] | None = None,
    cell: Sequence[float] | None = None,
    occupancy: Literal["majority"] | None = None,
) -> list[Atoms]:
    """Read every structure of one or several files.

    Parameters
    ----------
    paths : path or iterable of paths
        Files in any format that ASE or mlipselect reads; compressed ones too (``.gz``, ``.bz2``, ``.xz``). A folder
        stands for its files of structures, ``*`` and ``?`` for any names, ``-`` for standard input, and
        ``FILE@0:100:5`` for some frames of a file.
    format : str, optional
        Format of the files, by a name of ASE or mlipselect; by default found from names and contents.
    species : sequence of str, optional
        Elements of the types of files that only number them, in the order of their numbers, which count from 1 in
        LAMMPS and from 0 in MTP and DeePMD-kit.
    species_map : mapping or sequence of str, optional
        Elements of atoms that files name otherwise, such as ``{"Fe1": "Fe", "D": "H"}`` or ``["Fe1=Fe", "D=H"]``.
        Atoms with an empty element are dropped.
    cell : sequence of float, optional
        Periodic cell in Å of frames that have none: 3 lengths, 3 lengths and 3 angles, or the 9 numbers of 3 vectors.
    occupancy : {"majority"}, optional
        Put the most frequent element on sites of CIF files that are occupied in part, which are refused otherwise.

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
    >>> [str(atoms.symbols) for atoms in ms.read("two.xyz@-1")]
    ['Ge2']
    """
    reading = Reading(format, species, species_map, cell, occupancy)
    structures = [frame.atoms for frame in iter_frames(paths, reading)]
    reading.tell_unused()
    return structures


def iter_frames(
    paths: PathLike | Iterable[PathLike] | Sequence[Source], reading: Reading | None = None
) -> Iterator[Frame]:
    """Read the structures of one or several files, one at a time.

    Parameters
    ----------
    paths : path or iterable of paths
        Files, as for `read`.
    reading : Reading, optional
        How they are read.

    Yields
    ------
    Frame
        A structure with its file and its 0-based index in that file.

    Raises
    ------
    StructureError
        As for `read`, when the faulty frame is reached.
    """
    reading = Reading() if reading is None else reading
    for source in find_sources(paths, reading):
        yield from source_frames(source, reading)
    reading.notes.tell()


def source_frames(source: Source, reading: Reading) -> Iterator[Frame]:
    """Read the structures of one file; what was assumed or left out stays in ``reading.notes``."""
    cells = CellWatch()
    for raw in raw_frames(source, reading):
        frame = raw.frame()
        cells.see(frame)
        yield frame
    reading.notes.place = (source.name, 0)
    cells.tell(reading.notes)


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


def read_frames(source: str | Source, indices: Iterable[int], reading: Reading | None = None) -> dict[int, Frame]:
    """Read some frames of a file without parsing the others, as far as the format allows.

    Parameters
    ----------
    source : path or Source
        A file of structures.
    indices : iterable of int
        0-based indices of frames in the whole file.
    reading : Reading, optional
        How the file is read.

    Raises
    ------
    StructureError
        A file or a frame that cannot be read, or too few frames.
    """
    return {raw.index: raw.frame() for raw in chosen_frames(source, indices, reading)}
