"""The command `mlipselect`, outside the package, whose imports take a second: Ctrl-C ends these in one line, too."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> int:
    """Import the package, run the command, and return its exit code."""
    try:
        from mlipselect.cli import main as run

        return run()
    except KeyboardInterrupt:
        print("mlipselect: interrupted", file=sys.stderr)
        return INTERRUPTED
