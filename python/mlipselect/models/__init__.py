"""Models that are fitted to labels."""

from mlipselect.models.calibration import Calibration, Coverage, conformal_factor
from mlipselect.models.errors import Errors, prediction_errors
from mlipselect.models.force_variance import force_variance
from mlipselect.models.linear import LinearPotential

__all__ = [
    "Calibration",
    "Coverage",
    "Errors",
    "LinearPotential",
    "conformal_factor",
    "force_variance",
    "prediction_errors",
]
