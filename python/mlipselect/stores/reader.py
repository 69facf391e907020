"""Features on disk, read on demand."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlipselect.exceptions import InvalidInputError, place_of
from mlipselect.features.container import Features
from mlipselect.features.element_counts import ElementCounts
from mlipselect.io.digest import sha256
from mlipselect.io.reading import Reading
from mlipselect.io.untrusted import map_array, parse_json
from mlipselect.stores.manifest import Manifest, Shard, read_manifest, shard_file
from mlipselect.stores.sources import located

BLOCK_BYTES = 64 << 20
"""Approximate bytes of a block of rows."""


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
    def n_described(self) -> int:
        """Number of features that are the descriptor's; the others are element fractions."""
        return self.manifest.width - len(self.manifest.composition)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return np.dtype(self.manifest.dtype)

    @property
    def composition(self) -> tuple[str, ...]:
        """Elements whose fractions are the last columns."""
        return tuple(self.manifest.composition)

    @property
    def composition_scale(self) -> float:
        """Factor of the element fractions, which a store keeps without one."""
        return 1.0

    @property
    def shards(self) -> list[Shard]:
        """The shards, in order."""
        return self.manifest.shards

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms of each structure."""
        return self._origins()[:, 2]

    @functools.cached_property
    def files(self) -> list[dict[str, Any]]:
        """The files of the structures: where each is now, its ``sha256``, and ``frames`` and ``reading`` if given."""
        told = ("sha256", "frames", "reading")
        return [
            {"path": located(self.path, file)} | {name: file[name] for name in told if file.get(name)}
            for file in self.manifest.files
        ]

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def squares(self) -> tuple[float, int]:
        """Sum of the squares of all features, and the number of features."""
        return sum(shard.squares for shard in self.shards), len(self) * self.manifest.width

    @functools.cached_property
    def described_squares(self) -> float:
        """Sum of the squares of the features that are the descriptor's."""
        stored = sum(shard.squares for shard in self.shards)
        fractions = (self._mapped(shard)[:, self.n_described :] for shard in range(len(self.shards)))
        return stored - sum(float(np.einsum("ij,ij->", own, own, dtype=np.float64)) for own in fractions)

    def reading(self, file: int) -> Reading:
        """Return how a file is read, by its number."""
        return Reading(**self.manifest.files[file].get("reading", {}))

    def counts(self, shard: int) -> ElementCounts:
        """Read how many atoms of each element the structures of a shard have.

        Raises
        ------
        InvalidInputError
            An earlier version of mlipselect made the store, which kept no compositions.
        """
        self._require("counts", "compositions")
        return ElementCounts(tuple(self.shards[shard].elements), np.load(self.file(shard, "counts")))

    def info(self, shard: int) -> list[dict[str, Any]]:
        """Read the numbers and short texts of `Atoms.info` of the structures of a shard.

        Raises
        ------
        InvalidInputError
            An earlier version of mlipselect made the store, which kept no keys.
        """
        self._require("info", "keys of Atoms.info")
        path = self.file(shard, "info")
        try:
            known: list[dict[str, Any]] = parse_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"{path}: damaged or missing: {error}") from error
        if not (
            isinstance(known, list)
            and len(known) == self.shards[shard].rows
            and all(isinstance(k, dict) for k in known)
        ):
            raise InvalidInputError(f"{path}: damaged: expected the keys of {self.shards[shard].rows} structures")
        return known

    def _require(self, kind: str, what: str) -> None:
        if any(kind not in shard.sha256 for shard in self.shards):
            raise InvalidInputError(
                f"{self.path}: a store of version {self.manifest.version}, which knows no {what}: featurize again"
            )

    def file(self, shard: int, kind: str = "rows") -> Path:
        """Return the path of a file of a shard, one of the kinds that `mlipselect.stores` lists."""
        return shard_file(self.path, kind, self._numbers[shard])

    def only(self, shards: Sequence[int]) -> FeatureStore:
        """Return a store of some of the shards."""
        manifest = dataclasses.replace(self.manifest, shards=[self.shards[shard] for shard in shards])
        made = self._like(self.path, manifest, [self._numbers[shard] for shard in shards])
        made.files = self.files
        return made

    def absolute(self) -> FeatureStore:
        """Return the same store with an absolute path, for processes with another working directory."""
        return self._like(self.path.resolve(), self.manifest, self._numbers)

    def _like(self, path: Path, manifest: Manifest, numbers: Sequence[int]) -> FeatureStore:
        """Return a store of the same kind."""
        return FeatureStore(path, manifest, numbers)

    def origin(self, row: int) -> tuple[int, int]:
        """Return the number of the file of a structure and its 0-based frame in it."""
        shard = int(np.searchsorted(self._starts, row, side="right") - 1)
        number, frame, _ = np.load(self.file(shard, "origin"), mmap_mode="r")[row - self._starts[shard]]
        if not (0 <= number < len(self.manifest.files) and frame >= 0):
            raise InvalidInputError(
                f"{self.file(shard, 'origin')}: damaged: there is no file {number} with a frame {frame}"
            )
        return int(number), int(frame)

    def isolated_before(self, row: int) -> int:
        """Return how many isolated atoms are before a structure, in the order of files and frames."""
        return bisect.bisect(self.manifest.isolated, list(self.origin(row))) if self.manifest.isolated else 0

    def source(self, row: int) -> tuple[str, int]:
        """Return the file of a structure and its 0-based frame in it."""
        number, frame = self.origin(row)
        return self.files[number]["path"], frame

    def where(self, row: int) -> str:
        """Say which structure a row describes."""
        return place_of(*self.source(row))

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
        out = np.empty((len(wanted), self.shape[1]), self.dtype)
        places = np.searchsorted(self._starts, wanted, side="right") - 1
        for shard in np.unique(places):
            own = np.flatnonzero(places == shard)
            local = wanted[own] - self._starts[shard]
            out[_as_slice(own)] = self._rows(int(shard), _as_slice(local))
        return out

    def load(self) -> Features:
        """Read everything into memory."""
        number, frame, n_atoms = self._origins().T
        atoms = [np.load(self.file(k, "atoms")) for k in range(len(self.shards))] if self.manifest.atomic_rows else None
        paths = [file["path"] for file in self.files]
        knows = all("counts" in shard.sha256 for shard in self.shards)
        return Features(
            per_structure=np.concatenate([np.load(self.file(k)) for k in range(len(self.shards))]),
            n_atoms=n_atoms.copy(),
            per_atom=None if atoms is None else np.concatenate(atoms),
            offsets=None if atoms is None else np.concatenate([[0], np.cumsum(n_atoms)]).astype(np.int64),
            sources=[(paths[i], int(j)) for i, j in zip(number, frame, strict=True)],
            composition=self.composition,
            counts=ElementCounts.together([self.counts(k) for k in range(len(self.shards))]) if knows else None,
            descriptor=self.manifest.descriptor,
            marks=tuple(self.manifest.marks),
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
        rows = rows or max(1, BLOCK_BYTES // (self.shape[1] * self.dtype.itemsize))
        for shard, start in enumerate(self._starts[:-1]):
            for first in range(0, self.shards[shard].rows, rows):
                yield int(start) + first, self._rows(shard, slice(first, first + rows))

    def parts(self) -> list[Any]:
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
                "counts": ((shard.rows, len(shard.elements)), np.dtype(np.int32)),
            }
            for kind in shard.sha256:
                path = self.file(k, kind)
                if kind not in expected:
                    if not path.is_file():
                        raise InvalidInputError(f"{path}: damaged or missing: there is no such file")
                    continue
                try:
                    array = map_array(path)
                except (OSError, ValueError) as error:
                    raise InvalidInputError(f"{path}: damaged or missing: {' '.join(str(error).split())}") from error
                if (array.shape, array.dtype) != expected[kind]:
                    shape, dtype = expected[kind]
                    raise InvalidInputError(
                        f"{path}: damaged: expected {dtype} of shape {shape}, got {array.dtype} of shape {array.shape}"
                    )

    def _rows(self, shard: int, index: NDArray[np.int64] | slice) -> NDArray[Any]:
        """Read rows of a shard."""
        return np.array(self._mapped(shard)[index])

    def _mapped(self, shard: int) -> NDArray[Any]:
        return np.load(self.file(shard), mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]

    def _origins(self) -> NDArray[np.int64]:
        if self._origin is None:
            self._origin = np.concatenate([np.load(self.file(k, "origin")) for k in range(len(self.shards))])
        return self._origin


def _as_slice(indices: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Turn consecutive indices into a slice, which is copied much faster."""
    consecutive = indices[-1] - indices[0] + 1 == len(indices) and (np.diff(indices) == 1).all()
    return slice(int(indices[0]), int(indices[-1]) + 1) if consecutive else indices
