"""Write a store of features shard by shard; what a stopped run has written stays."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.features.container import Features
from mlipselect.features.element_counts import ElementCounts
from mlipselect.io.atomic import write_atomically
from mlipselect.io.lock import NAME, folder_lock
from mlipselect.io.reading import Reading
from mlipselect.io.sources import Source
from mlipselect.stores.manifest import KINDS, MANIFEST, VERSION, Manifest, Shard, read_manifest, shard_file
from mlipselect.stores.reader import FeatureStore
from mlipselect.stores.sources import relative_to


class StoreWriter:
    """Fills a store shard by shard, after the shards that an earlier run has written.

    Parameters
    ----------
    path : path
        The folder; made if it does not exist.
    files : sequence of Source
        Files that the structures come from.
    digests : sequence of str
        Their SHA-256.
    expected : Manifest
        Description of the store to write; its files, shards and `finished` are not used.
    append : bool
        Whether new files may be added to a complete store.
    reading : Reading, optional
        How the files are read.

    Raises
    ------
    InvalidInputError
        The folder holds something else (other files, another descriptor, another type, no store), or a file of it is
        damaged.

    Attributes
    ----------
    skip : int
        Number of structures of the files that are in the store already, isolated atoms among them.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        files: Sequence[Source],
        digests: Sequence[str],
        expected: Manifest,
        *,
        append: bool = False,
        reading: Reading | None = None,
    ):
        self.path = Path(path)
        how = {} if reading is None else {"reading": reading.recorded()}
        named: list[dict[str, Any]] = [
            {"path": source.name, "relative": relative_to(self.path, source.name), "sha256": digest}
            | ({} if source.frames is None else {"frames": source.meant})
            | {name: value for name, value in how.items() if value}
            for source, digest in zip(files, digests, strict=True)
        ]
        if self.path.is_file():
            raise InvalidInputError(f"{self.path}: expected the folder of a store or a new one, got a file")
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = folder_lock(self.path)
        try:
            self._begin(named, expected, append)
        except BaseException:
            self._lock.release()
            raise

    def _begin(self, named: list[dict[str, Any]], expected: Manifest, append: bool) -> None:
        """Read or make the manifest, and remove unfinished files."""
        if (self.path / MANIFEST).exists():
            self.manifest = read_manifest(self.path)
            self._refuse_others(expected)
            # Nothing is added to a damaged store.
            FeatureStore(self.path, self.manifest).check()
        elif not all(_is_temporary(entry) or entry.name == NAME for entry in self.path.iterdir()):
            raise InvalidInputError(f"{self.path}: expected an empty folder or a store of features")
        else:
            self.manifest = expected
        for entry in self.path.iterdir():
            if _is_temporary(entry):
                entry.unlink()
        self._first_file = self._place(named, append)
        n_shards = len(self.manifest.shards)
        # Written, but not named by the manifest yet when the run was stopped.
        for entry in [*self.path.glob("*.npy"), *self.path.glob("*-*.json")]:
            if entry.name not in {shard_file(self.path, kind, k).name for kind in KINDS for k in range(n_shards)}:
                entry.unlink()
        if self.is_complete:
            self._lock.release()
        else:
            self._write_manifest()
        self.skip = self._written_of(self._first_file)

    def _refuse_others(self, expected: Manifest) -> None:
        if self.manifest.version != VERSION:
            raise InvalidInputError(
                f"{self.path}: a store of version {self.manifest.version}, which takes nothing more: name another"
            )
        name = self.manifest.difference(
            expected, ("descriptor", "width", "dtype", "composition", "atomic_rows", "shard_rows", "marks")
        )
        if name is not None:
            raise InvalidInputError(
                f"{self.path}: holds features of another {name} than that asked for: "
                f"{self.manifest.told(name, expected)}"
            )

    def _place(self, named: list[dict[str, Any]], append: bool) -> int:
        """Add the files to the manifest if they are new; return the position of the first of them."""
        known, finished = self.manifest.files, self.manifest.finished
        told, wanted = ([_identity(file) for file in files] for files in (known, named))
        if finished < len(known):
            if told[finished:] != wanted:
                raise InvalidInputError(
                    f"{self.path}: not complete: finish it with the files that it was begun with, unchanged: "
                    + ", ".join(file["path"] for file in known[finished:])
                )
            return finished
        if known and told[-len(named) :] == wanted:
            return len(known) - len(named)
        if known and not append:
            raise InvalidInputError(
                f"{self.path}: holds the features of other files: append these, or name another folder"
            )
        self.manifest.files = known + named
        return len(known)

    def _written_of(self, first_file: int) -> int:
        origins = [np.load(shard_file(self.path, "origin", k)) for k in range(len(self.manifest.shards))]
        isolated = sum(number >= first_file for number, _ in self.manifest.isolated)
        return isolated + int(sum((origin[:, 0] >= first_file).sum() for origin in origins))

    @property
    def is_complete(self) -> bool:
        """Whether all files are in the store."""
        return self.manifest.finished == len(self.manifest.files)

    def add(self, features: Features, files: Sequence[int], info: Sequence[Mapping[str, Any]]) -> None:
        """Write a shard.

        Parameters
        ----------
        features : Features
            Its structures, with their compositions.
        files : sequence of int
            File of each structure, by its position in `files`.
        info : list of dict
            What is kept of `Atoms.info` of each.
        """
        number, counts = len(self.manifest.shards), cast("ElementCounts", features.counts)
        rows = features.per_structure
        frames = [index for _, index in features.sources]
        origin = np.column_stack([np.asarray(files) + self._first_file, frames, features.n_atoms]).astype(np.int64)
        arrays = {"rows": rows, "origin": origin, "counts": counts.counts}
        if features.per_atom is not None:
            arrays["atoms"] = features.per_atom
        digests = {kind: self._write(kind, array) for kind, array in arrays.items()}
        digests["info"] = _write_digested(
            shard_file(self.path, "info", number), lambda stream: stream.write(json.dumps(info).encode())
        )
        squares = float(np.einsum("ij,ij->", rows, rows, dtype=np.float64))
        shard = Shard(len(rows), int(features.n_atoms.sum()), squares, digests, list(counts.elements))
        self.manifest.shards.append(shard)
        self._write_manifest()

    def _write(self, kind: str, array: NDArray[Any]) -> str:
        path = shard_file(self.path, kind, len(self.manifest.shards))
        return _write_digested(path, lambda stream: np.lib.format.write_array(stream, array, allow_pickle=False))

    def isolate(self, file: int, frame: int) -> None:
        """Take note of an isolated atom, by the position of its file in `files`; it is recorded with the next shard."""
        self.manifest.isolated.append([file + self._first_file, frame])

    def finish(self) -> None:
        """Record that all files are in the store."""
        self.manifest.finished = len(self.manifest.files)
        self._write_manifest()
        self._lock.release()

    def _write_manifest(self) -> None:
        known = asdict(self.manifest)
        text = json.dumps({"mlipselect_features": known.pop("version"), **known}, indent=1) + "\n"
        write_atomically(self.path / MANIFEST, lambda stream: stream.write(text.encode()))


def _identity(file: Mapping[str, Any]) -> dict[str, Any]:
    """Tell a file by what it holds, which frames of it are meant and how it is read, wherever it is."""
    return {name: value for name, value in file.items() if name not in ("path", "relative")}


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".mlipselect-")


def _write_digested(path: Path, write: Callable[[Any], Any]) -> str:
    """Write a file, complete or not at all, and return its digest."""
    digest = hashlib.sha256()

    class Digested:
        """A stream that digests the bytes it passes on."""

        def __init__(self, stream: Any):
            self.stream = stream

        def write(self, data: Any) -> int:
            digest.update(data)
            return self.stream.write(data)  # type: ignore[no-any-return]

    write_atomically(path, lambda stream: write(Digested(stream)))
    return digest.hexdigest()
