"""Show results to people."""

from mlipselect.report.table import selection_table

__all__ = ["selection_table"]
