"""Features and selections on a Dask cluster, with the picks of one machine.

Every worker holds a part of the rows, with bounds of their scores (see `mlipselect._core.BoundedRows`). It returns the
rows with the largest bounds, and the largest bound of its other rows. The driver picks among the rows of all workers
until its best score is no longer above the largest of these bounds. Then it sends the picks to the workers and asks
again. So there is one round trip per window, not per pick. If a worker is lost, another one surveys its part again,
given the posterior or the centres at that time; the bounds hold all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect import _core
from mlipselect.descriptors import ACE
from mlipselect.descriptors.base import DescriptorLike
from mlipselect.exceptions import InvalidInputError, MissingExtraError, NotFittedError
from mlipselect.featurize import featurize as featurize_here
from mlipselect.selectors.base import MappedRows
from mlipselect.selectors.windowed import Kind, Sums
from mlipselect.stores.joined import JoinedStores, open_stores, split
from mlipselect.stores.reader import FeatureStore

try:
    from distributed import CancelledError, Client, Future, KilledWorker, get_client, wait
    from distributed.comm import CommClosedError
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError("a Dask cluster needs distributed: pip install 'mlipselect[dask]'") from error

#: The rows with bounds that this process holds as a worker, by selection and part.
_held: dict[tuple[str, int], _Held] = {}
#: Largest number of losses of workers, per part, in one round trip.
ATTEMPTS = 5
#: Seconds between checks for lost workers.
POLL = 0.5


class ClusterStore(JoinedStores):
    """Stores of features whose rows are read by the workers of a Dask cluster.

    It is a pool for `mlipselect.select`, `BayesianSelector` and `FPS`. The picks are those from the stores without a
    cluster. Workers read the shards from the folders, so all machines must see the folders. The scores
    ``pool_variance`` and ``pool_std``, and the other methods, read the rows in this process.

    Parameters
    ----------
    stores : sequence of path or FeatureStore
        The stores, one after the other.
    client : distributed.Client, optional
        The cluster; by default the current client.

    Attributes
    ----------
    round_trips : int
        Number of round trips to all workers in the selections so far.
    bytes_sent, bytes_received : int
        Bytes of the messages to the workers and of their answers.
    lost : int
        Number of times that a part was surveyed again because its worker was lost.

    Examples
    --------
    >>> from distributed import Client
    >>> import mlipselect as ms
    >>> from mlipselect.parallel.dask import ClusterStore
    >>> client = Client("scheduler:8786")  # doctest: +SKIP
    >>> pool = ClusterStore(["a.features", "b.features"], client)  # doctest: +SKIP
    >>> ms.select(pool, n=1000, core="core.xyz", score="energy", output="selected.xyz")  # doctest: +SKIP
    """

    def __init__(self, stores: Sequence[str | os.PathLike[str] | FeatureStore], client: Client | None = None):
        opened = open_stores(stores)
        super().__init__(opened.stores)
        self.client = get_client() if client is None else client
        #: What was counted, by this store and those that are made of it.
        self.counted: Counter[str] = Counter()

    @property
    def round_trips(self) -> int:
        """How often all workers were asked."""
        return self.counted["round_trips"]

    @property
    def bytes_sent(self) -> int:
        """Size of what went to the workers."""
        return self.counted["bytes_sent"]

    @property
    def bytes_received(self) -> int:
        """Size of what came back."""
        return self.counted["bytes_received"]

    @property
    def lost(self) -> int:
        """How often a part had to be begun anew, because its worker was lost."""
        return self.counted["lost"]

    def bounded(self, kind: Kind, **options: Any) -> RemoteRows:
        """Return the source of windows that holds the rows on the workers, with bounds."""
        return RemoteRows(self, kind, options)

    def column_sums(self, origin: NDArray[np.float64]) -> list[Sums]:
        """Return the sums of the deviations of columns from an origin, and of their squares, for each store."""
        futures = [self.client.submit(_column_sums, store.absolute(), origin, pure=False) for store in self.stores]
        return [future.result() for future in futures]


class RemoteRows:
    """Rows with bounds of their scores, on the workers of a cluster; see `mlipselect.selectors.windowed.Windows`.

    Parameters
    ----------
    pool : ClusterStore
        The rows.
    kind : {"variances", "distances"}
        The quantity that is bounded.
    options : dict
        Parameters of `mlipselect._core.BoundedRows`.
    """

    def __init__(self, pool: ClusterStore, kind: Kind, options: dict[str, Any]):
        self._pool, self._kind, self._options = pool, kind, options
        self._key = uuid.uuid4().hex
        # Workers may run in other folders.
        here = JoinedStores([store.absolute() for store in pool.stores])
        self._parts = split(here, len(_workers(pool.client)))
        self._starts = np.concatenate([[0], np.cumsum([len(part) for part in self._parts])]).astype(np.int64)
        self._taken = np.zeros(len(pool), dtype=bool)
        self._known: Any = None
        self._version = 0
        #: Picks and exclusions that the workers have not received yet.
        self._news: list[Any] = []
        self._excluded: list[int] = []
        self._homes: list[str | None] = [None] * len(self._parts)

    def exclude(self, candidates: NDArray[np.int64]) -> None:
        """Leave these candidates out of all later windows."""
        self._taken[candidates] = True
        self._excluded += candidates.tolist()

    def survey(self, known: Any) -> None:
        """Begin again, given a posterior or centres; the workers survey their rows at the next window."""
        self._known, self._news = known, []
        self._key = uuid.uuid4().hex
        self._version = 0
        self._homes = [None] * len(self._parts)

    def observe(self, news: Any) -> None:
        """Record picks, which the workers receive with the next window."""
        self._known = _learned(self._kind, self._known, news)
        self._version += 1
        self._news.append(news)

    def window(
        self, size: int, *, sharp: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.float64], float]:
        """Ask every worker for the rows with the largest bounds, and for the largest bound of its other rows."""
        each = -(-size // len(self._parts))
        found = self._ask({"size": each, "sharp": sharp})
        self._news, self._excluded = [], []
        members = np.concatenate([start + own for start, (own, *_) in zip(self._starts, found, strict=False)])
        rows = np.concatenate([rows for _, rows, _, _ in found])
        bounds = np.concatenate([bounds for _, _, bounds, _ in found])
        return members, rows, bounds, max(outside for *_, outside in found)

    def _ask(self, wanted: dict[str, Any]) -> list[Any]:
        """Update every part on its worker, and return the window of each."""
        answers: dict[int, Any] = {}
        pending = {part: self._send(part, wanted) for part in range(len(self._parts))}
        losses = 0
        while pending:
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):  # two exceptions before Python 3.11
                wait(list(pending.values()), timeout=POLL, return_when="FIRST_COMPLETED")
            workers = _workers(self._pool.client)
            for part, future in list(pending.items()):
                if future.done():
                    answer = self._result(future)
                    if answer is not None:
                        answers[part] = answer
                        self._pool.counted["bytes_received"] += sum(array.nbytes for array in answer[:3])
                        del pending[part]
                        continue
                elif self._homes[part] in workers:
                    continue
                # The worker is lost, or a new one has its address.
                future.cancel()
                losses += 1
                self._pool.counted["lost"] += 1
                if losses > ATTEMPTS * len(self._parts):
                    raise InvalidInputError(f"workers of the cluster were lost {losses} times in one round")
                self._homes[part] = None
                pending[part] = self._send(part, wanted)
        self._pool.counted["round_trips"] += 1
        return [answers[part] for part in range(len(self._parts))]

    def _send(self, part: int, wanted: dict[str, Any]) -> Future:
        """Ask the worker of a part for its window. A part without a worker goes to one with its complete state."""
        if self._homes[part] is None:
            workers = _workers(self._pool.client)
            self._homes[part] = workers[part % len(workers)]
            message = self._everything(part)
        else:
            message = self._since_then(part)
        data = pickle.dumps(message)
        self._pool.counted["bytes_sent"] += len(data)
        return self._pool.client.submit(
            _answer, (self._key, part), data, wanted, workers=[self._homes[part]], pure=False
        )

    @staticmethod
    def _result(future: Future) -> Any:
        try:
            return future.result()
        except (KilledWorker, CancelledError, CommClosedError):
            return None

    def _everything(self, part: int) -> dict[str, Any]:
        """Return the message with the complete state of a part."""
        own = slice(self._starts[part], self._starts[part + 1])
        return {
            "rows": self._parts[part],
            "kind": self._kind,
            "options": self._options,
            "known": self._known,
            "excluded": np.flatnonzero(self._taken[own]),
            "version": self._version,
        }

    def _since_then(self, part: int) -> dict[str, Any]:
        """Return the message with the changes since the last window."""
        first, last = self._starts[part], self._starts[part + 1]
        excluded = np.array([row - first for row in self._excluded if first <= row < last], dtype=np.int64)
        return {"news": self._news, "excluded": excluded, "version": self._version}


class _Held:
    """The rows of a part with bounds, on a worker, and the version of its state."""

    def __init__(self, message: dict[str, Any], n_threads: int | None):
        rows = MappedRows(message["rows"])
        self.rows = _core.BoundedRows(message["kind"], rows, n_threads=n_threads, **message["options"])
        self.rows.survey(message["known"])
        self.version: int = message["version"]


def _answer(key: tuple[str, int], data: bytes, wanted: dict[str, Any]) -> Any:
    """Update a part on a worker, and return its window; None if this worker does not hold the part."""
    from distributed import get_worker

    worker: Any = get_worker()
    message = pickle.loads(data)
    if "rows" in message:
        # Drop the parts of earlier selections.
        for other in [other for other in _held if other[0] != key[0]]:
            del _held[other]
        _held[key] = _Held(message, worker.state.nthreads)
    held = _held.get(key)
    if held is None:
        return None
    held.rows.exclude(message["excluded"])
    # A task may run twice, but its picks are recorded once.
    for news in (
        message.get("news", [])[held.version - message["version"] :] if held.version < message["version"] else []
    ):
        held.rows.observe(news)
    held.version = message["version"]
    return held.rows.window(**wanted)


def _column_sums(store: FeatureStore, origin: NDArray[np.float64]) -> Sums:
    """Compute the sums on a worker, with all its threads."""
    from distributed import get_worker

    worker: Any = get_worker()
    return _core.column_sums(MappedRows(store), origin, n_threads=worker.state.nthreads)


def _learned(kind: Kind, known: Any, news: Any) -> Any:
    """Add picks to the state: the last posterior, or the rows of all centres."""
    return news[1] if kind == "variances" else np.concatenate([known, news])


def _workers(client: Client) -> list[str]:
    if not client.nthreads():
        client.wait_for_workers(1)
    return sorted(client.nthreads())


def featurize(
    files: Sequence[str | os.PathLike[str]],
    descriptor: DescriptorLike,
    folder: str | os.PathLike[str],
    *,
    client: Client | None = None,
    **options: Any,
) -> ClusterStore:
    """Compute the features of structures on a cluster, a store for each file.

    If a worker is lost, another one continues its file. After an interruption, the same call continues.

    Parameters
    ----------
    files : sequence of path
        Files with structures, which all machines must see.
    descriptor : object or callable
        The descriptor. An `ACE` needs its elements, since those of the structures differ between files.
    folder : path
        Folder of the stores, which all machines must see.
    client : distributed.Client, optional
        The cluster; by default the current client.
    **options
        ``rows``, ``dtype``, ``composition`` and ``isolated`` of `mlipselect.featurize`.

    Returns
    -------
    ClusterStore
        The stores, in the order of the files.

    Raises
    ------
    StructureError
        A structure that cannot be read or described; finished stores are kept.
    InvalidInputError
        No files, or elements that are not given.
    """
    if not files:
        raise InvalidInputError("expected at least one file with structures, got none")
    if isinstance(descriptor, ACE):
        try:
            _ = descriptor.elements
        except NotFittedError:
            raise InvalidInputError(
                "expected a descriptor with its elements, such as ACE(['Si']): the elements of files may differ"
            ) from None
    client = get_client() if client is None else client
    place = Path(folder).resolve()
    place.mkdir(parents=True, exist_ok=True)
    stores = [place / f"{number:05d}-{Path(file).stem}.features" for number, file in enumerate(files)]
    futures = [
        client.submit(_featurize, str(Path(file).resolve()), descriptor, os.fspath(store), options, pure=False)
        for file, store in zip(files, stores, strict=True)
    ]
    for future in futures:
        future.result()
    return ClusterStore([FeatureStore.open(store, verify=False) for store in stores], client)


def _featurize(file: str, descriptor: DescriptorLike, store: str, options: dict[str, Any]) -> None:
    from distributed import get_worker

    worker: Any = get_worker()
    featurize_here(file, descriptor, store=store, n_threads=worker.state.nthreads, progress=False, **options)
