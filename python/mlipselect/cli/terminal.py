"""What a terminal can do, its width and colours; and how errors are told."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from typing import Literal, TextIO

Style = Literal["bold", "dim", "green", "red", "yellow"]
_CODES: dict[Style, str] = {"bold": "1", "dim": "2", "green": "32", "red": "31", "yellow": "33"}


def is_coloured(stream: TextIO) -> bool:
    """Tell whether what is written to a stream may have colours.

    `NO_COLOR <https://no-color.org>`_ forbids them, ``FORCE_COLOR`` asks for them, and else a terminal that is not
    ``dumb`` has them.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def styled(text: str, style: Style, stream: TextIO | None = None) -> str:
    """Give a text a style where the stream, by default the standard output, has colours."""
    return f"\033[{_CODES[style]}m{text}\033[0m" if is_coloured(stream or sys.stdout) else text


def width_of(stream: TextIO) -> int | None:
    """Return the number of columns of a terminal; None where the stream is none, as a file has no end of a line."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def tell_error(error: BaseException, text: str | None = None, *, trace: bool = False) -> None:
    """Write an error, or a text for it, in one line to the standard error; before it the traceback, if asked for."""
    if trace:
        traceback.print_exception(error)
    text = str(error) if text is None else text
    if isinstance(error, MemoryError):
        text = f"not enough memory: {text or 'try fewer features or --dtype float32'}"
    print(f"mlipselect: {styled('error', 'red', sys.stderr)}: {' '.join(text.split())}", file=sys.stderr)
