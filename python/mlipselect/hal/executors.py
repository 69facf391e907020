"""Where the bursts of a round run: in this process, in processes, or on a Dask cluster; the result is the same."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Protocol

from mlipselect._core import Posterior, thread_count
from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.walker import Burst, Setup, Walker, run_burst

#: What bursts in this process share, if it is a worker: the setup, unpickled once.
_setups: dict[int, Setup] = {}
#: Seconds between looks of a worker at whether the process that started it is still there.
WATCH = 1.0


class Executor(Protocol):
    """Runs the bursts of a round."""

    def run(self, posterior: Posterior, reference: float, walkers: Sequence[Walker]) -> list[Burst]:
        """Run one burst of each walker; return them in the order of the walkers."""
        ...


class Here:
    """Runs bursts one after the other in this process."""

    def __init__(self, setup: Setup):
        self._setup = setup

    def run(self, posterior: Posterior, reference: float, walkers: Sequence[Walker]) -> list[Burst]:
        """Run one burst of each walker."""
        surrogate = self._setup.surrogate.learned(posterior)
        return [run_burst(self._setup, surrogate, reference, walker) for walker in walkers]


class Processes:
    """Runs bursts in processes of this machine.

    Parameters
    ----------
    pool : ProcessPoolExecutor
        The processes, which hold the setup.
    """

    def __init__(self, pool: ProcessPoolExecutor):
        self._pool = pool

    def run(self, posterior: Posterior, reference: float, walkers: Sequence[Walker]) -> list[Burst]:
        """Run one burst of each walker."""
        data = pickle.dumps(posterior)
        futures = [self._pool.submit(_burst_in_worker, data, reference, walker) for walker in walkers]
        return [future.result() for future in futures]


class Cluster:
    """Runs bursts on the workers of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
        The cluster.
    setup : Setup
        What is the same for all walkers.
    """

    def __init__(self, client: Any, setup: Setup):
        self._client = client
        self._setup = client.scatter(pickle.dumps(setup), broadcast=True, hash=False)

    def run(self, posterior: Posterior, reference: float, walkers: Sequence[Walker]) -> list[Burst]:
        """Run one burst of each walker; those of workers that are lost run again elsewhere."""
        data = pickle.dumps(posterior)
        futures = [
            self._client.submit(_burst_on_cluster, self._setup, data, reference, walker, pure=False)
            for walker in walkers
        ]
        found: list[Burst] = self._client.gather(futures)
        return found


@contextlib.contextmanager
def executor(setup: Setup, n_workers: int, client: Any = None) -> Iterator[Executor]:
    """Provide what runs the bursts of a run.

    Parameters
    ----------
    setup : Setup
        What is the same for all walkers.
    n_workers : int
        Number of processes; 1 is this process.
    client : distributed.Client, optional
        A Dask cluster, instead of processes.

    Raises
    ------
    InvalidInputError
        The base or the dynamics cannot be sent to other processes.
    """
    if client is None and n_workers == 1:
        yield Here(setup)
        return
    try:
        data = pickle.dumps(setup)
    except Exception as error:
        raise InvalidInputError(
            f"workers: expected a base, a surrogate and dynamics that other processes can be given, got: {error}. Give "
            "a function of a module as the base, or take one worker"
        ) from error
    if client is not None:
        yield Cluster(client, setup)
        return
    # A fork would copy locks of threads that do not exist in the child.
    n_threads = max(1, thread_count() // n_workers)
    pool = ProcessPoolExecutor(n_workers, get_context("spawn"), _begin_worker, (data, os.getpid(), n_threads))
    try:
        yield Processes(pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker(data: bytes, parent: int, n_threads: int) -> None:
    """Take the setup and a share of the processors; leave Ctrl-C to the parent, and end when that has ended."""
    os.environ["MLIPSELECT_NUM_THREADS"] = str(n_threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _setups[0] = pickle.loads(data)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH)
    os._exit(1)


def _burst_in_worker(posterior: bytes, reference: float, walker: Walker) -> Burst:
    setup = _setups[0]
    return run_burst(setup, setup.surrogate.learned(pickle.loads(posterior)), reference, walker)


def _burst_on_cluster(data: bytes, posterior: bytes, reference: float, walker: Walker) -> Burst:
    setup: Setup = pickle.loads(data)
    return run_burst(setup, setup.surrogate.learned(pickle.loads(posterior)), reference, walker)
