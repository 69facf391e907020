"""MACE models as descriptors, with modules of our own that are faster on a CPU."""

from mlipselect.descriptors.mace.descriptor import MACE

__all__ = ["MACE"]
