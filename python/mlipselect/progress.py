"""When progress bars are shown, the same everywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any


def progress_bar(show: bool | None, **options: Any) -> Any:
    """Make a bar on the standard error, or in a notebook, that appears after one second.

    Parameters
    ----------
    show : bool or None
        Whether to show it at all; None shows it in a notebook, and where the standard error is a terminal.
    **options
        What `tqdm` takes.
    """
    # Even a disabled bar of tqdm sets up locks, which takes longer than a small selection.
    return new_bar(delay=1.0, **options) if shown(show) else _NoBar(options.get("iterable", ()))


def new_bar(**options: Any) -> Any:
    """Make a bar of tqdm, one of a notebook in a notebook."""
    if in_notebook():
        from tqdm.auto import tqdm
    else:
        from tqdm import tqdm
    return tqdm(**options)


def in_notebook() -> bool:
    """Tell whether this runs in the kernel of a notebook."""
    # Asked of what is there already: importing IPython takes longer than a small selection.
    ipython = sys.modules.get("IPython")
    return ipython is not None and type(ipython.get_ipython()).__name__ == "ZMQInteractiveShell"


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
    """Decide whether bars are shown: as asked, or in a notebook and where the standard error is a terminal."""
    return sys.stderr.isatty() or in_notebook() if show is None else show
