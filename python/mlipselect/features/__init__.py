"""From structures to the matrix that selectors work on."""

from mlipselect.features.composition import balance_composition
from mlipselect.features.container import Features
from mlipselect.features.design import Designs
from mlipselect.features.matrix import featurize
from mlipselect.features.store import FeatureStore

__all__ = ["Designs", "FeatureStore", "Features", "balance_composition", "featurize"]
