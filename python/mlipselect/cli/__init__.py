"""The command `mlipselect`: one verb, one file."""

from mlipselect.cli.main import main

__all__ = ["main"]
