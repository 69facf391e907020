"""Selectors: which rows of a pool are worth having."""

from mlipselect.selectors.base import Selector
from mlipselect.selectors.bayesian import BayesianSelector

__all__ = ["BayesianSelector", "Selector"]
