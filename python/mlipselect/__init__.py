"""Choose the atomic structures worth a DFT calculation."""

from mlipselect._core import __version__
from mlipselect.descriptors import ACE

__all__ = ["ACE", "__version__"]
