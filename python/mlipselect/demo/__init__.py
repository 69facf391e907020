"""The embedded example: structures made on the spot, and what choosing them is worth."""

from mlipselect.demo.compare import Comparison, Worth, compare_with_random
from mlipselect.demo.silicon import silicon_core, silicon_pool

__all__ = ["Comparison", "Worth", "compare_with_random", "silicon_core", "silicon_pool"]
