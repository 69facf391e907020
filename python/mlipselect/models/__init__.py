"""Models that are fitted to labels."""

from mlipselect.models.errors import Errors, prediction_errors
from mlipselect.models.force_variance import force_variance
from mlipselect.models.linear import LinearPotential

__all__ = ["Errors", "LinearPotential", "force_variance", "prediction_errors"]
