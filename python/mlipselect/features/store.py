"""Features on disk: a folder of plain ``.npy`` shards with a manifest, for pools that do not fit into memory.

    pool.features/
        manifest.json          what the rows are, how many there are, and digests of all other files
        rows-00000.npy         structure features of the first structures, float32 or float64
        origin-00000.npy       for each row: number of the file it came from, 0-based frame in it, number of atoms
        atoms-00000.npy        atomic features of the same structures, if asked for

A shard is written under a temporary name, flushed to disk and renamed; then the manifest is replaced in the same way.
Files that the manifest names are complete. ``numpy.load`` reads the arrays.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlipselect.descriptors.record import descriptor_identity
from mlipselect.exceptions import InvalidInputError
from mlipselect.features.container import Features
from mlipselect.io.atomic import write_atomically
from mlipselect.io.collection import sha256
from mlipselect.io.lock import NAME, FolderLock

MANIFEST = "manifest.json"
VERSION = 2
KINDS = ("rows", "origin", "atoms")
BLOCK_BYTES = 64 << 20
"""Approximate bytes of a block of rows."""


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
    """

    rows: int
    atoms: int
    squares: float
    sha256: dict[str, str]


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
    files : list of dict
        Files that the structures came from, each with its ``path`` and ``sha256``.
    finished : int
        Number of files, from the first, that are featurised completely.
    shards : list of Shard
        The shards, in order.
    """

    width: int
    dtype: str
    descriptor: dict[str, Any]
    composition: list[str]
    atomic_rows: bool
    shard_rows: int
    files: list[dict[str, str]] = field(default_factory=list)
    finished: int = 0
    shards: list[Shard] = field(default_factory=list)

    def difference(self, other: Manifest, names: Sequence[str]) -> str | None:
        """Return the first of some attributes in which another manifest differs."""

        def known(manifest: Manifest, name: str) -> Any:
            value = getattr(manifest, name)
            return descriptor_identity(value) if name == "descriptor" else value

        return next((name for name in names if known(self, name) != known(other, name)), None)


class FeatureStore:
    """Structure features in a folder of shards, read on demand.

    Selectors take a store in place of a matrix. `open` makes one from the folder that ``featurize(..., store=folder)``
    filled.

    Attributes
    ----------
    path : Path
        The folder.
    manifest : Manifest
        Description of the store.
    n_atoms : ndarray of int64, shape (n_structures,)
        Number of atoms of each structure.

    Examples
    --------
    >>> import ase.build, mlipselect as ms
    >>> ms.io.write_exact("pool.xyz", [ase.build.bulk("Si", a=a) for a in (5.3, 5.4, 5.5)])
    >>> store = ms.featurize("pool.xyz", ms.ACE(["Si"], totaldegree=6), store="pool.features")
    >>> store.shape, store.where(2)
    ((3, 25), 'pool.xyz, frame 2')
    """

    def __init__(self, path: Path, manifest: Manifest, numbers: Sequence[int] | None = None):
        self.path = path
        self.manifest = manifest
        #: Number of each shard in the names of its files.
        self._numbers = list(range(len(manifest.shards)) if numbers is None else numbers)
        self._starts = np.concatenate([[0], np.cumsum([shard.rows for shard in manifest.shards])]).astype(np.int64)
        self._origin: NDArray[np.int64] | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, verify: bool = True) -> FeatureStore:
        """Open a store that is complete.

        Parameters
        ----------
        path : path
            The folder.
        verify : bool, default=True
            Compare the digest of every file, which reads all of them once. Otherwise only existence, shape and type
            are compared with the manifest.

        Raises
        ------
        InvalidInputError
            The folder is no store, or not complete yet, or a shard is missing or damaged; the message names it.
        """
        folder = Path(path)
        manifest = read_manifest(folder)
        if manifest.finished < len(manifest.files):
            unfinished = manifest.files[manifest.finished]["path"]
            raise InvalidInputError(
                f"{folder}: not complete, {unfinished} is not featurised to its end: run featurize again to go on"
            )
        if not manifest.shards:
            raise InvalidInputError(f"{folder}: the store holds no structures")
        store = cls(folder, manifest)
        store.check(digests=verify)
        return store

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of structures and of features."""
        return int(self._starts[-1]), self.manifest.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return np.dtype(self.manifest.dtype)

    @property
    def composition(self) -> tuple[str, ...]:
        """Elements whose fractions are the last columns."""
        return tuple(self.manifest.composition)

    @property
    def shards(self) -> list[Shard]:
        """The shards, in order."""
        return self.manifest.shards

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms of each structure."""
        return self._origins()[:, 2]

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def squares(self) -> tuple[float, int]:
        """Sum of the squares of all features, and the number of features."""
        return sum(shard.squares for shard in self.shards), len(self) * self.manifest.width

    def file(self, shard: int, kind: str = "rows") -> Path:
        """Return the path of a file of a shard: its ``"rows"``, ``"origin"`` or ``"atoms"``."""
        return shard_file(self.path, kind, self._numbers[shard])

    def only(self, shards: Sequence[int]) -> FeatureStore:
        """Return a store of some of the shards."""
        manifest = dataclasses.replace(self.manifest, shards=[self.shards[shard] for shard in shards])
        return FeatureStore(self.path, manifest, [self._numbers[shard] for shard in shards])

    def absolute(self) -> FeatureStore:
        """Return the same store with an absolute path, for processes with another working directory."""
        return FeatureStore(self.path.resolve(), self.manifest, self._numbers)

    def source(self, row: int) -> tuple[str, int]:
        """Return the file of a structure and its 0-based frame in it."""
        shard = int(np.searchsorted(self._starts, row, side="right") - 1)
        number, frame, _ = np.load(self.file(shard, "origin"), mmap_mode="r")[row - self._starts[shard]]
        return self.manifest.files[number]["path"], int(frame)

    def where(self, row: int) -> str:
        """Say which structure a row describes."""
        path, frame = self.source(row)
        return f"{path}, frame {frame}"

    def take(self, indices: ArrayLike) -> NDArray[Any]:
        """Read some rows, in the order asked for.

        Parameters
        ----------
        indices : array_like of int
            Indices of structures.

        Returns
        -------
        ndarray of shape (n_indices, n_features)
            Their features.
        """
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.size and not (wanted.min() >= 0 and wanted.max() < len(self)):
            raise InvalidInputError(f"{self.path}: expected indices from 0 to {len(self) - 1}")
        out = np.empty((len(wanted), self.manifest.width), self.dtype)
        places = np.searchsorted(self._starts, wanted, side="right") - 1
        for shard in np.unique(places):
            own = np.flatnonzero(places == shard)
            local = wanted[own] - self._starts[shard]
            out[_as_slice(own)] = self._mapped(int(shard))[_as_slice(local)]
        return out

    def load(self) -> Features:
        """Read everything into memory."""
        number, frame, n_atoms = self._origins().T
        atoms = [np.load(self.file(k, "atoms")) for k in range(len(self.shards))] if self.manifest.atomic_rows else None
        paths = [file["path"] for file in self.manifest.files]
        return Features(
            per_structure=np.concatenate([np.load(self.file(k)) for k in range(len(self.shards))]),
            n_atoms=n_atoms.copy(),
            per_atom=None if atoms is None else np.concatenate(atoms),
            offsets=None if atoms is None else np.concatenate([[0], np.cumsum(n_atoms)]).astype(np.int64),
            sources=[(paths[i], int(j)) for i, j in zip(number, frame, strict=True)],
            composition=self.composition,
        )

    def blocks(self, rows: int | None = None) -> Iterator[tuple[int, NDArray[Any]]]:
        """Go through all rows in order, a block at a time.

        Parameters
        ----------
        rows : int, optional
            Largest number of rows in a block, by default some 64 MB; a block never extends beyond its shard.

        Yields
        ------
        int, ndarray
            Index of the first row of the block, and its rows.
        """
        rows = rows or max(1, BLOCK_BYTES // (self.manifest.width * self.dtype.itemsize))
        for shard, start in enumerate(self._starts[:-1]):
            mapped = self._mapped(shard)
            for first in range(0, len(mapped), rows):
                yield int(start) + first, np.array(mapped[first : first + rows])

    def parts(self) -> list[NDArray[Any]]:
        """Return the rows of each shard, mapped from disk."""
        return [self._mapped(shard) for shard in range(len(self.shards))]

    def atomic_rows(self, row: int) -> NDArray[Any]:
        """Read the atomic features of one structure, if the store has them."""
        if not self.manifest.atomic_rows:
            raise InvalidInputError(f"{self.path}: holds no atomic rows: make it with rows='atoms'")
        shard = int(np.searchsorted(self._starts, row, side="right") - 1)
        first, last = int(self._starts[shard]), row
        before = int(self.n_atoms[first:last].sum())
        atoms = np.load(self.file(shard, "atoms"), mmap_mode="r")
        return np.array(atoms[before : before + int(self.n_atoms[row])])

    def check(self, *, digests: bool = True) -> None:
        """Compare every file with the manifest.

        Parameters
        ----------
        digests : bool, default=True
            Compare digests too, not only shapes and types. This reads all files once.

        Raises
        ------
        InvalidInputError
            The first file that is missing or damaged.
        """
        self._check_shapes()
        names = [(k, kind) for k, shard in enumerate(self.shards) for kind in shard.sha256] if digests else []
        with ThreadPoolExecutor() as threads:
            found = threads.map(lambda name: sha256(str(self.file(*name))), names)
            for (k, kind), digest in zip(names, found, strict=True):
                if digest != self.shards[k].sha256[kind]:
                    raise InvalidInputError(
                        f"{self.file(k, kind)}: damaged: its digest is not that of the manifest; delete the folder and "
                        "featurize again"
                    )

    def _check_shapes(self) -> None:
        for k, shard in enumerate(self.shards):
            expected = {
                "rows": ((shard.rows, self.manifest.width), self.dtype),
                "origin": ((shard.rows, 3), np.dtype(np.int64)),
                "atoms": ((shard.atoms, self.manifest.width), self.dtype),
            }
            for kind in shard.sha256:
                path = self.file(k, kind)
                try:
                    array = np.load(path, mmap_mode="r", allow_pickle=False)
                except (OSError, ValueError, EOFError) as error:
                    raise InvalidInputError(f"{path}: damaged or missing: {' '.join(str(error).split())}") from error
                if (array.shape, array.dtype) != expected[kind]:
                    shape, dtype = expected[kind]
                    raise InvalidInputError(
                        f"{path}: damaged: expected {dtype} of shape {shape}, got {array.dtype} of shape {array.shape}"
                    )

    def _mapped(self, shard: int) -> NDArray[Any]:
        return np.load(self.file(shard), mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

    def _origins(self) -> NDArray[np.int64]:
        if self._origin is None:
            self._origin = np.concatenate([np.load(self.file(k, "origin")) for k in range(len(self.shards))])
        return self._origin


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
    ):
        self.path = Path(path)
        named = [{"path": name, "sha256": digest} for name, digest in zip(files, digests, strict=True)]
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.path)
        try:
            self._begin(named, expected, append)
        except BaseException:
            self._lock.release()
            raise

    def _begin(self, named: list[dict[str, str]], expected: Manifest, append: bool) -> None:
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

    def _place(self, named: list[dict[str, str]], append: bool) -> int:
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
        if version != VERSION:
            raise InvalidInputError(f"{path}: version {version} of the format; this mlipselect reads {VERSION}")
        manifest = Manifest(**known)
        manifest.shards = [Shard(**shard) for shard in known["shards"]]
        ok = (
            isinstance(manifest.width, int)
            and manifest.width > 0
            and manifest.dtype in ("float32", "float64")
            and 0 <= manifest.finished <= len(manifest.files)
            and all(shard.rows > 0 and shard.sha256.keys() <= set(KINDS) for shard in manifest.shards)
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
    return folder / f"{kind}-{number:05d}.npy"


def _as_slice(indices: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Turn consecutive indices into a slice, which is copied much faster."""
    consecutive = indices[-1] - indices[0] + 1 == len(indices) and (np.diff(indices) == 1).all()
    return slice(int(indices[0]), int(indices[-1]) + 1) if consecutive else indices


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
