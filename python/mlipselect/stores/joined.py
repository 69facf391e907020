"""Several stores as one pool, and the share of such a pool that one of several jobs works on."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlipselect.exceptions import InvalidInputError
from mlipselect.features.container import Features
from mlipselect.features.element_counts import ElementCounts, by_number
from mlipselect.io.collection import lacks_group
from mlipselect.stores.reader import FeatureStore
from mlipselect.stores.sources import Place
from mlipselect.stores.widened import scaled_fractions, widened

Joined = TypeVar("Joined", bound="JoinedStores")


class JoinedStores:
    """The structures of several stores, one store after the other.

    Parameters
    ----------
    stores : sequence of FeatureStore
        Stores with features of the same descriptor.

    Attributes
    ----------
    stores : list of FeatureStore
        The stores.
    shape : (int, int)
        Numbers of structures and of features.

    Raises
    ------
    InvalidInputError
        There is no store, or the features of one differ in kind from those of the first.
    """

    def __init__(self, stores: Sequence[FeatureStore]):
        if not stores:
            raise InvalidInputError("expected at least one store of features, got none")
        first = stores[0].manifest
        for store in stores[1:]:
            name = store.manifest.difference(first, ("descriptor", "width", "dtype", "composition"))
            if name is not None:
                raise InvalidInputError(
                    f"{store.path}: holds features of another {name} than {stores[0].path}: "
                    f"{store.manifest.told(name, first)}"
                )
        self.stores = list(stores)
        self._starts = np.concatenate([[0], np.cumsum([len(store) for store in stores])]).astype(np.int64)
        self.shape = (int(self._starts[-1]), stores[0].shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def whole(self) -> JoinedStores:
        """The pool that these rows are a share of; itself if it is all of it."""
        return self

    @property
    def name(self) -> str:
        """The folders of the stores."""
        return ", ".join(str(store.path) for store in self.stores)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self.stores[0].dtype

    @property
    def descriptor(self) -> dict[str, Any]:
        """Name and parameters of the descriptor."""
        return self.stores[0].manifest.descriptor

    @property
    def composition(self) -> tuple[str, ...]:
        """Elements whose fractions are the last columns."""
        return self.stores[0].composition

    @property
    def composition_scale(self) -> float:
        """Factor of the element fractions; see `balance_composition`."""
        return self.stores[0].composition_scale

    @property
    def n_described(self) -> int:
        """Number of features that are the descriptor's; the others are element fractions."""
        return self.stores[0].n_described

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements of the structures, by atomic number."""
        return by_number(symbol for counts in self._counts() for symbol in counts.elements)

    @property
    def several_compositions(self) -> bool:
        """Whether the structures differ in their element fractions."""
        first = next(self._counts())
        fractions = first.fractions(first.elements, np.float64)[0]
        return any(counts.differ_from(fractions, first.elements) for counts in self._counts())

    def composition_sums(self, elements: Sequence[str]) -> tuple[float, float]:
        """Return the sums of the squares of the descriptor's features, and of the fractions of some elements."""
        fractions = (
            scaled_fractions(store, shard, elements).astype(np.float64)
            for store in self.stores
            for shard in range(len(store.shards))
        )
        return sum(store.described_squares for store in self.stores), sum(
            float(np.einsum("ij,ij->", own, own)) for own in fractions
        )

    def widened(self: Joined, elements: Sequence[str], scale: float) -> Joined:
        """Return these stores with scaled fractions of some elements as their last columns, and no others."""
        made = copy.copy(self)
        made.stores = [widened(store, elements, scale) for store in self.stores]
        made.shape = (len(self), self.n_described + len(elements))
        return made

    def groups(self, key: str) -> list[Any]:
        """Return the group of each structure by a key of `Atoms.info`, or ``"composition"``: the reduced formula.

        Raises
        ------
        StructureError
            A structure without that key, or whose value is neither a number nor a short text.
        """
        if key == "composition":
            return [formula for counts in self._counts() for formula in counts.formulas()]
        found: list[Any] = []
        for store in self.stores:
            for shard in range(len(store.shards)):
                for info in store.info(shard):
                    if key not in info:
                        path, frame = self.source(len(found))
                        raise lacks_group(key, info, frame, path)
                    found.append(info[key])
        return found

    @property
    def marks(self) -> tuple[str, ...]:
        """Marks of isolated atoms, ``"KEY=VALUE"``, that the stores were made with."""
        return tuple(dict.fromkeys(mark for store in self.stores for mark in store.manifest.marks))

    @property
    def isolated(self) -> list[Place]:
        """Where the isolated atoms are, which have no rows."""
        return [Place(store, *place) for store in self.stores for place in store.manifest.isolated]

    def place(self, row: int) -> Place:
        """Return where the structure of a row is."""
        store, local = self._place(row)
        return Place(store, *store.origin(local))

    def _counts(self) -> Iterator[ElementCounts]:
        return (store.counts(shard) for store in self.stores for shard in range(len(store.shards)))

    @property
    def files(self) -> list[dict[str, Any]]:
        """The files that the structures came from, each with its path and digest."""
        return [file for store in self.stores for file in store.files]

    @property
    def digests(self) -> list[str]:
        """Digests of the rows."""
        return [shard.sha256["rows"] for store in self.stores for shard in store.shards]

    @property
    def squares(self) -> tuple[float, int]:
        """Sum of the squares of all features, and the number of features."""
        found = [store.squares for store in self.stores]
        return sum(squares for squares, _ in found), sum(count for _, count in found)

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms of each structure."""
        return np.concatenate([store.n_atoms for store in self.stores])

    def positions(self, rows: ArrayLike) -> NDArray[np.int64]:
        """Return the positions of rows among all structures of the whole pool, isolated atoms counted."""
        rows = np.asarray(rows, dtype=np.int64)
        isolated = np.cumsum([0, *(len(store.manifest.isolated) for store in self.stores)])
        stores = np.searchsorted(self._starts, rows, side="right") - 1
        places = zip(stores, (rows - self._starts[stores]).tolist(), strict=True)
        own = [self.stores[store].isolated_before(row) for store, row in places]
        found: NDArray[np.int64] = rows + isolated[stores] + np.array(own, dtype=np.int64)
        return found

    def source(self, row: int) -> tuple[str, int]:
        """Give the file that a structure came from and its 0-based frame in it."""
        store, local = self._place(row)
        return store.source(local)

    def where(self, row: int) -> str:
        """Say which structure a row describes."""
        store, local = self._place(row)
        return store.where(local)

    def take(self, indices: ArrayLike) -> NDArray[Any]:
        """Read some rows, in the order asked for."""
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.size and not (wanted.min() >= 0 and wanted.max() < len(self)):
            raise InvalidInputError(f"{self.name}: expected indices from 0 to {len(self) - 1}")
        out = np.empty((len(wanted), self.shape[1]), self.dtype)
        places = np.searchsorted(self._starts, wanted, side="right") - 1
        for place in np.unique(places):
            own = np.flatnonzero(places == place)
            rows: NDArray[Any] = self.stores[place].take(wanted[own] - self._starts[place])
            if len(own) == len(wanted):
                return rows
            out[own] = rows
        return out

    def blocks(self, rows: int | None = None) -> Iterator[tuple[int, NDArray[Any]]]:
        """Go through all rows in order, a block at a time; see `FeatureStore.blocks`."""
        for start, store in zip(self._starts.tolist(), self.stores, strict=False):
            for first, block in store.blocks(rows):
                yield start + first, block

    def parts(self) -> list[Any]:
        """Give the rows of each shard as they lie on disk."""
        return [part for store in self.stores for part in store.parts()]

    def load(self) -> Features:
        """Read everything into memory."""
        loaded = [store.load() for store in self.stores]
        counts = np.concatenate([features.n_atoms for features in loaded])
        atoms = [features.per_atom for features in loaded if features.per_atom is not None]
        complete = len(atoms) == len(loaded)
        counted: list[Any] = [features.counts for features in loaded]
        return Features(
            per_structure=np.concatenate([features.per_structure for features in loaded]),
            n_atoms=counts,
            per_atom=np.concatenate(atoms) if complete else None,
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64) if complete else None,
            sources=[source for features in loaded for source in features.sources],
            composition=self.composition,
            composition_scale=loaded[0].composition_scale,
            counts=None if any(c is None for c in counted) else ElementCounts.together(counted),
            descriptor=self.descriptor,
            marks=self.marks,
        )

    def _place(self, row: int) -> tuple[FeatureStore, int]:
        store = int(np.searchsorted(self._starts, row, side="right") - 1)
        return self.stores[store], int(row - self._starts[store])


class Share(JoinedStores):
    """Every M-th shard of a pool, for one of M independent jobs.

    Parameters
    ----------
    pool : JoinedStores
        The whole pool.
    number, count : int
        Number of the share, from 1, and number of all shares.

    Raises
    ------
    InvalidInputError
        There is no such share, or fewer shards than shares.
    """

    def __init__(self, pool: JoinedStores, number: int, count: int):
        if not 1 <= number <= count:
            raise InvalidInputError(f"shard: expected I/M with I from 1 to M, got {number}/{count}")
        shards = [(store, shard) for store in pool.stores for shard in range(len(store.shards))]
        if len(shards) < count:
            raise InvalidInputError(f"{pool.name}: {len(shards)} shards cannot be divided between {count} jobs")
        firsts = np.concatenate([[0], np.cumsum([store.shards[shard].rows for store, shard in shards])])
        own = range(number - 1, len(shards), count)
        super().__init__([shards[k][0].only([shards[k][1]]) for k in own])
        self._firsts = firsts[own.start : own.stop : own.step][: len(own)].astype(np.int64)
        self._pool = pool
        #: ``"I/M"``.
        self.which = f"{number}/{count}"

    @property
    def squares(self) -> tuple[float, int]:
        """Sum and number of the squares of the whole pool, so that all shares have the same prior."""
        return self._pool.squares

    @property
    def whole(self) -> JoinedStores:
        """The whole pool, whose columns the prior of all shares is scaled by."""
        return self._pool

    @property
    def name(self) -> str:
        """The folders of the stores of the whole pool."""
        return self._pool.name

    @property
    def files(self) -> list[dict[str, Any]]:
        """The files that the structures of the whole pool came from, each with its path and digest."""
        return self._pool.files

    def positions(self, rows: ArrayLike) -> NDArray[np.int64]:
        """Return the positions of rows among all structures of the whole pool, isolated atoms counted."""
        rows = np.asarray(rows, dtype=np.int64)
        places = np.searchsorted(self._starts, rows, side="right") - 1
        return self._pool.positions(self._firsts[places] + rows - self._starts[places])

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements of the structures of the whole pool, by atomic number."""
        return self._pool.elements

    @property
    def several_compositions(self) -> bool:
        """Whether the structures of the whole pool differ in their element fractions."""
        return self._pool.several_compositions

    def composition_sums(self, elements: Sequence[str]) -> tuple[float, float]:
        """Return sums of squares over the whole pool, so that all shares have the same scale."""
        return self._pool.composition_sums(elements)

    def widened(self, elements: Sequence[str], scale: float) -> Share:
        """Return the share, and the whole pool that it is of, with other element columns."""
        made = super().widened(elements, scale)
        made._pool = self._pool.widened(elements, scale)
        return made

    @property
    def isolated(self) -> list[Place]:
        """Where the isolated atoms of the whole pool are."""
        return self._pool.isolated


def open_stores(paths: Sequence[Any]) -> JoinedStores:
    """Join stores into one pool, opening those that are given as folders."""
    opened = [path if isinstance(path, FeatureStore) else FeatureStore.open(path) for path in paths]
    return JoinedStores(opened)


def split(pool: JoinedStores, parts: int) -> list[JoinedStores]:
    """Divide a pool into consecutive parts of similar size, each of whole shards.

    Parameters
    ----------
    pool : JoinedStores
        The pool.
    parts : int
        Largest number of parts; there are no more parts than shards.
    """
    shards = [(store, shard) for store in pool.stores for shard in range(len(store.shards))]
    rows = np.array([store.shards[shard].rows for store, shard in shards])
    middles = np.cumsum(rows) - rows / 2
    places = np.minimum((middles * parts / rows.sum()).astype(int), parts - 1)
    out = []
    for place in np.unique(places):
        chosen = [shards[k] for k in np.flatnonzero(places == place)]
        stores = dict.fromkeys(store for store, _ in chosen)
        out.append(JoinedStores([store.only([k for other, k in chosen if other is store]) for store in stores]))
    return out
