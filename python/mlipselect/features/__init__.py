"""The matrix that selectors work on: rows of structures and atoms, and rows of forces and stresses."""

from mlipselect.features.composition import balance_composition
from mlipselect.features.container import Features
from mlipselect.features.design import Designs

__all__ = ["Designs", "Features", "balance_composition"]
