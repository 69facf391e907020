"""From a pool to picks: one job, whatever the pool is and whoever asks."""

from mlipselect.selection.expected_error import ExpectedError
from mlipselect.selection.merge import merge
from mlipselect.selection.result import Selection
from mlipselect.selection.select import select

__all__ = ["ExpectedError", "Selection", "merge", "select"]
