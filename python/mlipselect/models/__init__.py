"""Models that are fitted to labels: the potential that a selection is for."""

from mlipselect.models.linear import LinearPotential

__all__ = ["LinearPotential"]
