"""Choose the atomic structures worth a DFT calculation."""

try:
    from mlipselect._core import Posterior, __version__
except ImportError as error:
    # Interpreters with a GIL of their own do not let the compiled module say it.
    if "does not support loading in subinterpreters" not in str(error):
        raise
    raise ImportError(
        "mlipselect works in the main interpreter of a process only, not in a subinterpreter: start a process instead"
    ) from error
from mlipselect.descriptors import (
    ACE,
    MACE,
    NEP,
    ORB,
    UMA,
    Cached,
    CHGNet,
    FromCalculator,
    JuliaACE,
    MatGL,
    MatterSim,
    Metatomic,
    NequIP,
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
    "NEP",
    "ORB",
    "UMA",
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
    "MatGL",
    "MatterSim",
    "MemoryLimitError",
    "Metatomic",
    "MinDistance",
    "MissingExtraError",
    "MlipselectError",
    "NequIP",
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
