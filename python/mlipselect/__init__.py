"""Choose the atomic structures worth a DFT calculation."""

from mlipselect._core import Posterior, __version__
from mlipselect.descriptors import (
    ACE,
    MACE,
    Cached,
    CHGNet,
    FromCalculator,
    JuliaACE,
    Metatomic,
    PerElement,
    Remote,
    SevenNet,
)
from mlipselect.exceptions import (
    InvalidInputError,
    MemoryLimitError,
    MissingExtraError,
    MlipselectError,
    NotFittedError,
    StructureError,
)
from mlipselect.features import Designs, Features, balance_composition
from mlipselect.featurize import featurize
from mlipselect.hal import BiasedCalculator, Hal, Ramp, RelativeTau, Surrogate
from mlipselect.io import Frame, Reading, iter_frames, read
from mlipselect.models import LinearPotential, force_variance
from mlipselect.selection import Selection, merge, select
from mlipselect.selectors import (
    CUR,
    FPS,
    BayesianSelector,
    Budget,
    Constraint,
    FacilityLocation,
    KMedoids,
    MinDistance,
    Quota,
    RandomSelector,
)
from mlipselect.stores import FeatureStore

__all__ = [
    "ACE",
    "CUR",
    "FPS",
    "MACE",
    "BayesianSelector",
    "BiasedCalculator",
    "Budget",
    "CHGNet",
    "Cached",
    "Constraint",
    "Designs",
    "FacilityLocation",
    "FeatureStore",
    "Features",
    "Frame",
    "FromCalculator",
    "Hal",
    "InvalidInputError",
    "JuliaACE",
    "KMedoids",
    "LinearPotential",
    "MemoryLimitError",
    "Metatomic",
    "MinDistance",
    "MissingExtraError",
    "MlipselectError",
    "NotFittedError",
    "PerElement",
    "Posterior",
    "Quota",
    "Ramp",
    "RandomSelector",
    "Reading",
    "RelativeTau",
    "Remote",
    "Selection",
    "SevenNet",
    "StructureError",
    "Surrogate",
    "__version__",
    "balance_composition",
    "featurize",
    "force_variance",
    "iter_frames",
    "merge",
    "read",
    "select",
]
