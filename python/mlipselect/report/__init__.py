"""Results for people to read."""

from mlipselect.report.table import selection_table

__all__ = ["selection_table"]
