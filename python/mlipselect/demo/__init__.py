"""The embedded example: structures made by ASE, and a comparison of selections with random sets."""

from mlipselect.demo.compare import Comparison, Worth, compare_with_random
from mlipselect.demo.silicon import silicon_core, silicon_pool

__all__ = ["Comparison", "Worth", "compare_with_random", "silicon_core", "silicon_pool"]
