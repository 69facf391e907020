"""Selectors, which pick rows of a pool."""

from mlipselect.selectors.base import Selector
from mlipselect.selectors.bayesian import BayesianSelector
from mlipselect.selectors.constraints import Budget, Constraint, MinDistance, Quota
from mlipselect.selectors.cur import CUR
from mlipselect.selectors.facility_location import FacilityLocation
from mlipselect.selectors.fps import FPS
from mlipselect.selectors.greedy import GreedySelector
from mlipselect.selectors.kmedoids import KMedoids
from mlipselect.selectors.random import RandomSelector

__all__ = [
    "CUR",
    "FPS",
    "BayesianSelector",
    "Budget",
    "Constraint",
    "FacilityLocation",
    "GreedySelector",
    "KMedoids",
    "MinDistance",
    "Quota",
    "RandomSelector",
    "Selector",
]
