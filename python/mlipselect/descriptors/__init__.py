"""Descriptors: what turns a structure into one row of features per atom."""

from mlipselect.descriptors.ace import ACE
from mlipselect.descriptors.base import (
    BatchDescriptor,
    Descriptor,
    Design,
    DesignDescriptor,
    DifferentiableDescriptor,
    Prediction,
)
from mlipselect.descriptors.mace import MACE
from mlipselect.descriptors.metatomic import Metatomic

__all__ = [
    "ACE",
    "MACE",
    "BatchDescriptor",
    "Descriptor",
    "Design",
    "DesignDescriptor",
    "DifferentiableDescriptor",
    "Metatomic",
    "Prediction",
]
