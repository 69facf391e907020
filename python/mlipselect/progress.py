"""When progress bars are shown, the same everywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm import tqdm


def progress_bar(show: bool | None, **options: Any) -> Any:
    """Make a bar on the standard error that appears after one second.

    Parameters
    ----------
    show : bool or None
        Whether to show it at all; None shows it where the standard error is a terminal.
    **options
        What `tqdm` takes.
    """
    # Even a disabled bar of tqdm sets up locks, which takes longer than a small selection.
    return tqdm(delay=1.0, **options) if shown(show) else _NoBar(options.get("iterable", ()))


class _NoBar:
    """Does what a bar does, but shows nothing."""

    def __init__(self, iterable: Iterable[Any]):
        self._iterable = iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self._iterable)

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def update(self, count: int) -> None:
        pass


def shown(show: bool | None) -> bool:
    """Decide whether bars are shown: as asked, or where the standard error is a terminal."""
    return sys.stderr.isatty() if show is None else show
