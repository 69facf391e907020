"""Write a store of features shard by shard; what a stopped run has written stays."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.atomic import write_atomically
from mlipselect.io.lock import NAME, FolderLock
from mlipselect.stores.manifest import KINDS, MANIFEST, VERSION, Manifest, Shard, read_manifest, shard_file
from mlipselect.stores.reader import FeatureStore


class StoreWriter:
    """Fills a store shard by shard, after the shards that an earlier run has written.

    Parameters
    ----------
    path : path
        The folder; made if it does not exist.
    files : sequence of str
        Files that the structures come from.
    digests : sequence of str
        Their SHA-256.
    expected : Manifest
        Description of the store to write; its files, shards and `finished` are not used.
    append : bool
        Whether new files may be added to a complete store.
    reading : mapping, optional
        Options of reading that were given, as `Reading.recorded` returns them.

    Raises
    ------
    InvalidInputError
        The folder holds something else (other files, another descriptor, another type, no store), or a file of it is
        damaged.

    Attributes
    ----------
    skip : int
        Number of structures of the files that are in the store already.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        files: Sequence[str],
        digests: Sequence[str],
        expected: Manifest,
        *,
        append: bool = False,
        reading: Mapping[str, Any] | None = None,
    ):
        self.path = Path(path)
        how = {"reading": dict(reading)} if reading else {}
        named: list[dict[str, Any]] = [
            {"path": name, "sha256": digest, **how} for name, digest in zip(files, digests, strict=True)
        ]
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.path)
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
        for entry in self.path.glob("*.npy"):  # written, but not named by the manifest yet when the run was stopped
            if entry.name not in {shard_file(self.path, kind, k).name for kind in KINDS for k in range(n_shards)}:
                entry.unlink()
        if self.is_complete:
            self._lock.release()
        else:
            self._write_manifest()
        self.skip = self._written_of(self._first_file)

    def _refuse_others(self, expected: Manifest) -> None:
        name = self.manifest.difference(
            expected, ("descriptor", "width", "dtype", "composition", "atomic_rows", "shard_rows")
        )
        if name is not None:
            raise InvalidInputError(
                f"{self.path}: holds features of another {name}: {getattr(self.manifest, name)}, asked for "
                f"{getattr(expected, name)}"
            )

    def _place(self, named: list[dict[str, Any]], append: bool) -> int:
        """Add the files to the manifest if they are new; return the position of the first of them."""
        known, finished = self.manifest.files, self.manifest.finished
        digests, wanted = ([file["sha256"] for file in files] for files in (known, named))
        if finished < len(known):
            if digests[finished:] != wanted:
                raise InvalidInputError(
                    f"{self.path}: not complete: finish it with the files that it was begun with, unchanged: "
                    + ", ".join(file["path"] for file in known[finished:])
                )
            return finished
        if known and digests[-len(named) :] == wanted:
            return len(known) - len(named)
        if known and not append:
            raise InvalidInputError(
                f"{self.path}: holds the features of other files: append these, or name another folder"
            )
        self.manifest.files = known + named
        return len(known)

    def _written_of(self, first_file: int) -> int:
        origins = [np.load(shard_file(self.path, "origin", k)) for k in range(len(self.manifest.shards))]
        return int(sum((origin[:, 0] >= first_file).sum() for origin in origins))

    @property
    def is_complete(self) -> bool:
        """Whether all files are in the store."""
        return self.manifest.finished == len(self.manifest.files)

    def add(self, rows: NDArray[Any], origin: NDArray[np.int64], atoms: NDArray[Any] | None) -> None:
        """Write a shard: its rows; file (position in `files`), frame and number of atoms of each; its atomic rows."""
        number = len(self.manifest.shards)
        arrays = {"rows": rows, "origin": origin + np.array([self._first_file, 0, 0])}
        if atoms is not None:
            arrays["atoms"] = atoms
        digests = {
            kind: _write_array(shard_file(self.path, kind, number), array) for kind, array in arrays.items()
        }  # fmt: skip
        squares = float(np.einsum("ij,ij->", rows, rows, dtype=np.float64))
        self.manifest.shards.append(Shard(len(rows), int(origin[:, 2].sum()), squares, digests))
        self._write_manifest()

    def finish(self) -> None:
        """Record that all files are in the store."""
        self.manifest.finished = len(self.manifest.files)
        self._write_manifest()
        self._lock.release()

    def _write_manifest(self) -> None:
        text = json.dumps({"mlipselect_features": VERSION, **asdict(self.manifest)}, indent=1) + "\n"
        write_atomically(self.path / MANIFEST, lambda stream: stream.write(text.encode()))


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".mlipselect-")


def _write_array(path: Path, array: NDArray[Any]) -> str:
    """Write an array, complete or not at all, and return its digest."""
    digest = hashlib.sha256()

    class Digested:
        """A stream that digests the bytes it passes on."""

        def __init__(self, stream: Any):
            self.stream = stream

        def write(self, data: Any) -> int:
            digest.update(data)
            return self.stream.write(data)  # type: ignore[no-any-return]

    write_atomically(path, lambda stream: np.lib.format.write_array(Digested(stream), array, allow_pickle=False))
    return digest.hexdigest()
