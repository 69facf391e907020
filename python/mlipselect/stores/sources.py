"""Where the files of a store are: as given, or at the same place relative to the store, if both were moved together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mlipselect.exceptions import StructureError
from mlipselect.io.digest import sha256
from mlipselect.io.frame import Frame
from mlipselect.io.frames import read_frames
from mlipselect.io.reading import Reading

if TYPE_CHECKING:
    from mlipselect.stores.reader import FeatureStore


def relative_to(folder: Path, file: str) -> str:
    """Return the path of a file from the folder of a store."""
    return os.path.relpath(Path(file).absolute(), folder.absolute())


def located(folder: Path, file: Mapping[str, str]) -> str:
    """Return where a file of a store is.

    Parameters
    ----------
    folder : Path
        The store.
    file : mapping
        The file, as the manifest names it.

    Returns
    -------
    str
        The path as it was given to `featurize`, or the path at the same place relative to the store: the only one of
        them where there is a file or, of two files, the one that did not change. The path as given if there is none.
    """
    given = file["path"]
    if "relative" not in file:
        return given
    beside = os.path.normpath(folder / file["relative"])
    there = [path for path in (given, beside) if Path(path).exists()]
    if len(there) < 2 or Path(given).samefile(beside):
        return there[0] if there else given
    return next((path for path in there if sha256(path) == file["sha256"]), given)


class Place(NamedTuple):
    """Where a structure of a store is.

    Attributes
    ----------
    store : FeatureStore
        The store.
    file : int
        Number of its file.
    frame : int
        0-based frame in the file.
    """

    store: FeatureStore
    file: int
    frame: int


def refuse_missing(stores: Iterable[FeatureStore]) -> None:
    """Refuse stores whose files are neither where they were nor at the same place relative to the store.

    Raises
    ------
    StructureError
        The first file that is not there.
    """
    for store in stores:
        for file, known in zip(store.files, store.manifest.files, strict=True):
            if not Path(file["path"]).exists():
                beside = f", nor {os.path.normpath(store.path / known['relative'])}" if "relative" in known else ""
                raise StructureError(
                    f"the store {store.path} was made from this file, and neither it{beside} is there"
                    if beside
                    else f"the store {store.path} was made from this file, which is not there",
                    source=known["path"],
                )


def read_places(places: Sequence[Place]) -> list[Frame]:
    """Read structures from the files that stores were made from, in the order asked for.

    Raises
    ------
    StructureError
        A file that is missing, or is not what it was.
    """
    files: dict[str, str] = {}
    readings: dict[str, Reading] = {}
    wanted: dict[str, list[int]] = {}
    named = [(place.store.files[place.file]["path"], place.frame) for place in places]
    for place, (path, frame) in zip(places, named, strict=True):
        files[path] = place.store.files[place.file]["sha256"]
        readings[path] = place.store.reading(place.file)
        wanted.setdefault(path, []).append(frame)
    found: dict[tuple[str, int], Frame] = {}
    for path, digest in files.items():
        if sha256(path) != digest:
            raise StructureError("the file has changed since its features were computed", source=path)
        frames = read_frames(path, wanted[path], readings[path])
        found |= {(path, index): frame for index, frame in frames.items()}
    return [found[name] for name in named]
