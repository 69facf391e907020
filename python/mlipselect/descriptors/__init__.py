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

__all__ = [
    "ACE",
    "BatchDescriptor",
    "Descriptor",
    "Design",
    "DesignDescriptor",
    "DifferentiableDescriptor",
    "Prediction",
]
