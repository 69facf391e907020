"""The manifest of a store of features: what the rows are, how many there are, and digests of all other files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlipselect.descriptors.record import descriptor_identity, told_differences
from mlipselect.exceptions import InvalidInputError

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
        known = json.loads(path.read_text(encoding="utf-8"))
        version = known.pop("mlipselect_features")
        if version not in READABLE:
            names = " and ".join(map(str, READABLE))
            raise InvalidInputError(f"{path}: version {version} of the format; this mlipselect reads {names}")
        manifest = Manifest(**known, version=version)
        manifest.shards = [Shard(**shard) for shard in known["shards"]]
        ok = (
            isinstance(manifest.width, int)
            and manifest.width > 0
            and manifest.dtype in ("float32", "float64")
            and all(0 <= number < len(manifest.files) for number, _ in manifest.isolated)
            and 0 <= manifest.finished <= len(manifest.files)
            and all(shard.rows > 0 and shard.sha256.keys() <= KINDS.keys() for shard in manifest.shards)
        )
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{folder}: no store of features: {MANIFEST} cannot be read: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"{path}: damaged: {type(error).__name__}: {error}") from error
    if not ok:
        raise InvalidInputError(f"{path}: damaged: its entries contradict each other")
    return manifest


def shard_file(folder: Path, kind: str, number: int) -> Path:
    """Return the path of a file of a shard."""
    return folder / f"{kind}-{number:05d}.{KINDS[kind]}"
