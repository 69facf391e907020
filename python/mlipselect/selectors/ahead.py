"""Reading and writing while something else is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(items: Iterable[Item], make: Callable[[Item], Made]) -> Iterator[tuple[Item, Made]]:
    """Give each item with what is made of it, which happens in a thread while the one before is in use.

    Parameters
    ----------
    items : iterable
        The items.
    make : callable
        Makes something of an item, such as by reading it. An error is raised where its result would have been given.

    Yields
    ------
    tuple
        An item, and what was made of it.
    """
    with ThreadPoolExecutor(1) as thread:
        waiting: tuple[Item, Future[Made]] | None = None
        for item in items:
            following = thread.submit(make, item)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = item, following
        if waiting is not None:
            yield waiting[0], waiting[1].result()


class Behind:
    """Does things one after the other in a thread, of which at most one is waited for at a time."""

    def __init__(self) -> None:
        # Nobody has to end the thread: it does so when nothing refers to this any more.
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[Any] | None = None

    def do(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Begin something when what was begun before is done; an error of that is raised here."""
        self.wait()
        self._last = self._thread.submit(work, *arguments)

    def wait(self) -> None:
        """Wait until everything is done."""
        last, self._last = self._last, None
        if last is not None:
            last.result()
