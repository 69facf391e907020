"""Choose the atomic structures worth a DFT calculation."""

from mlipselect._core import __version__

__all__ = ["__version__"]
