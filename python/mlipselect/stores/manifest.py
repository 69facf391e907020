"""The manifest of a store of features: what the rows are, how many there are, and digests of all other files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlipselect.descriptors.record import descriptor_identity, told_differences
from mlipselect.exceptions import InvalidInputError
from mlipselect.io.untrusted import parse_json

MANIFEST = "manifest.json"
VERSION = 3
#: Version 2 had no compositions, no keys of `Atoms.info`, no isolated atoms, and no places relative to the store.
READABLE = (2, VERSION)
#: The files of a shard, by what they hold, with their endings.
KINDS = {"rows": "npy", "origin": "npy", "atoms": "npy", "counts": "npy", "info": "json"}


@dataclass(frozen=True)
class Shard:
    """A run of consecutive structures, stored in files of its own.

    Attributes
    ----------
    rows : int
        Number of structures.
    atoms : int
        Number of their atoms.
    squares : float
        Sum of the squares of all features.
    sha256 : dict of str
        Digest of each file of the shard, by kind.
    elements : list of str
        Elements whose atoms are counted, by atomic number.
    """

    rows: int
    atoms: int
    squares: float
    sha256: dict[str, str]
    elements: list[str] = field(default_factory=list)


@dataclass
class Manifest:
    """Description of a store: kind of features, source files, shards.

    Attributes
    ----------
    width : int
        Number of features.
    dtype : str
        ``"float32"`` or ``"float64"``.
    descriptor : dict
        Name and parameters of the descriptor.
    composition : list of str
        Elements whose fractions are the last columns.
    atomic_rows : bool
        Whether atomic rows are kept.
    shard_rows : int
        Structures in a shard; the last shard that one call writes may have fewer.
    marks : list of str
        Marks of isolated atoms, ``"KEY=VALUE"``.
    files : list of dict
        Files that the structures came from, each with its ``path`` as given, its ``relative`` path from the store,
        its ``sha256`` and, if they were given, the ``frames`` that are meant and the options of ``reading``.
    finished : int
        Number of files, from the first, that are featurised completely.
    isolated : list of (int, int)
        Isolated atoms, which have no row: number of the file and 0-based frame in it.
    shards : list of Shard
        The shards, in order.
    version : int
        Version of the format.
    """

    width: int
    dtype: str
    descriptor: dict[str, Any]
    composition: list[str]
    atomic_rows: bool
    shard_rows: int
    marks: list[str] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    finished: int = 0
    isolated: list[list[int]] = field(default_factory=list)
    shards: list[Shard] = field(default_factory=list)
    version: int = VERSION

    def difference(self, other: Manifest, names: Sequence[str]) -> str | None:
        """Return the first of some attributes in which another manifest differs."""

        def known(manifest: Manifest, name: str) -> Any:
            value = getattr(manifest, name)
            return descriptor_identity(value) if name == "descriptor" else value

        return next((name for name in names if known(self, name) != known(other, name)), None)

    def told(self, name: str, other: Manifest) -> str:
        """Say in what an attribute differs from that of another manifest."""
        first, second = getattr(self, name), getattr(other, name)
        return told_differences(first, second) if name == "descriptor" else f"{first}, not {second}"


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a store.

    Raises
    ------
    InvalidInputError
        The manifest is missing, damaged, or of another version of the format.
    """
    path = folder / MANIFEST
    try:
        known = parse_json(path.read_bytes())
        version = known.pop("mlipselect_features")
        if version not in READABLE:
            names = " and ".join(map(str, READABLE))
            raise InvalidInputError(f"{path}: version {version} of the format; this mlipselect reads {names}")
        manifest = Manifest(**known, version=version)
        manifest.shards = [Shard(**shard) for shard in known["shards"]]
        sound = _is_sound(manifest)
    except OSError as error:
        raise InvalidInputError(f"{folder}: no store of features: {MANIFEST} cannot be read: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"{path}: damaged: {type(error).__name__}: {error}") from error
    if not sound:
        raise InvalidInputError(f"{path}: damaged: its entries contradict each other")
    return manifest


def _is_sound(manifest: Manifest) -> bool:
    """Tell whether all entries have the types and sizes that they need."""
    return (
        _is_whole(manifest.width, 1)
        and manifest.dtype in ("float32", "float64")
        and isinstance(manifest.descriptor, dict)
        and _are_texts(manifest.composition)
        and len(manifest.composition) <= manifest.width
        and isinstance(manifest.atomic_rows, bool)
        and _is_whole(manifest.shard_rows, 1)
        and _are_texts(manifest.marks)
        and isinstance(manifest.files, list)
        and all(
            isinstance(file, dict) and _are_texts([file.get("path"), file.get("sha256")]) for file in manifest.files
        )
        and all(_are_texts([file.get("relative", "")]) for file in manifest.files)
        and all(isinstance(file.get("reading", {}), dict) for file in manifest.files)
        and _is_whole(manifest.finished)
        and manifest.finished <= len(manifest.files)
        and all(_is_whole(number) and _is_whole(frame) for number, frame in manifest.isolated)
        and all(number < len(manifest.files) for number, _ in manifest.isolated)
        and all(map(_is_sound_shard, manifest.shards))
    )


def _is_sound_shard(shard: Shard) -> bool:
    return (
        _is_whole(shard.rows, 1)
        and _is_whole(shard.atoms)
        and isinstance(shard.sha256, dict)
        and isinstance(shard.squares, (int, float))
        and math.isfinite(shard.squares)
        and _are_texts(shard.elements)
        and {"rows", "origin"} <= shard.sha256.keys() <= KINDS.keys()
        and _are_texts(list(shard.sha256.values()))
    )


def _is_whole(value: Any, least: int = 0) -> bool:
    return type(value) is int and least <= value < 1 << 48


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def shard_file(folder: Path, kind: str, number: int) -> Path:
    """Return the path of a file of a shard."""
    return folder / f"{kind}-{number:05d}.{KINDS[kind]}"
