"""Choose the atomic structures worth a DFT calculation."""

from mlipselect._core import Posterior, __version__
from mlipselect.descriptors import ACE
from mlipselect.selectors import BayesianSelector

__all__ = ["ACE", "BayesianSelector", "Posterior", "__version__"]
