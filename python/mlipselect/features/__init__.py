"""From structures to the matrix that selectors work on."""

from mlipselect.features.composition import balance_composition
from mlipselect.features.container import Features
from mlipselect.features.design import Designs
from mlipselect.features.matrix import featurize

__all__ = ["Designs", "Features", "balance_composition", "featurize"]
