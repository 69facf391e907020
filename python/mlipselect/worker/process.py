"""A process that answers messages, and is ended when it is no longer needed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from typing import IO, Any

import numpy.typing as npt

from mlipselect.exceptions import InvalidInputError, MlipselectError
from mlipselect.worker.messages import receive, send


class Process:
    """A process that answers messages of the process that started it.

    Parameters
    ----------
    command : sequence of str
        What starts it.
    timeout : float
        Seconds to wait for an answer.
    owner : str
        Name of the descriptor, for messages.
    """

    def __init__(self, command: Sequence[str], timeout: float, owner: str):
        self._timeout, self._owner, self._starter = timeout, owner, os.getpid()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._worker = ThreadPoolExecutor(1)
        try:
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, bufsize=-1
            )
        except OSError as error:
            self._log.close()
            raise InvalidInputError(f"{owner}: {command[0]} cannot be started: {error.strerror}") from error
        self._finalizer = weakref.finalize(self, _end, self._child, self._log, self._starter)

    @property
    def is_own(self) -> bool:
        """Whether the current process started it, rather than one that this process was forked from."""
        return self._starter == os.getpid()

    def ask(
        self, head: dict[str, Any], arrays: Sequence[npt.NDArray[Any]] = ()
    ) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
        """Send a message and wait for the answer; an error ends the process.

        Raises
        ------
        MlipselectError
            The process ended, did not answer in time, or sent something else than a message.
        """
        try:
            return self._worker.submit(self._exchange, head, arrays).result(self._timeout)
        except TooLate:
            problem = f"no answer in {self._timeout:g} s: raise timeout"
        except (EOFError, OSError):
            problem = self._ended()
        except ValueError as error:
            problem = str(error)
        self.stop()
        raise MlipselectError(f"{self._owner}: {problem}")

    def _exchange(
        self, head: dict[str, Any], arrays: Sequence[npt.NDArray[Any]]
    ) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        send(self._child.stdin, head, arrays)
        return receive(self._child.stdout)

    def _ended(self) -> str:
        try:
            return f"the process ended with code {self._child.wait(1)}{self._last_words()}"
        except subprocess.TimeoutExpired:
            return f"the process closed the connection{self._last_words()}"

    def stop(self) -> None:
        """End the process."""
        self._finalizer()
        self._worker.shutdown(wait=False)

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""


def _end(child: subprocess.Popen[bytes], log: IO[bytes], starter: int) -> None:
    if os.getpid() != starter:
        return
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout, log):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):  # what was not sent yet
                stream.close()
