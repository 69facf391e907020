"""Check that a descriptor or a selector of your own keeps the promises of the package.

A check raises `AssertionError` with the promise and the finding, so any test can call it.
"""

from mlipselect.testing.descriptors import check_descriptor
from mlipselect.testing.report import Check, Report
from mlipselect.testing.selectors import check_selector

__all__ = ["Check", "Report", "check_descriptor", "check_selector"]
