"""Conformance kits: check that a descriptor or a selector of your own keeps the promises of the package.

Each check raises `AssertionError` with what was promised and what was found, so it can be called from any test.
"""

from mlipselect.testing.descriptors import check_descriptor
from mlipselect.testing.report import Check, Report
from mlipselect.testing.selectors import check_selector

__all__ = ["Check", "Report", "check_descriptor", "check_selector"]
