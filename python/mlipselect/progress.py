"""When progress bars are shown, the same everywhere."""

from __future__ import annotations

import sys
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
    return tqdm(delay=1.0, disable=not shown(show), **options)


def shown(show: bool | None) -> bool:
    """Decide whether bars are shown: as asked, or where the standard error is a terminal."""
    return sys.stderr.isatty() if show is None else show
