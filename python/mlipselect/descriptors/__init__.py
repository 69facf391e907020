"""Descriptors, which turn a structure into one row of features per atom."""

from mlipselect.descriptors.ace import ACE
from mlipselect.descriptors.base import (
    BatchDescriptor,
    Descriptor,
    Design,
    DesignDescriptor,
    DifferentiableDescriptor,
    Prediction,
)
from mlipselect.descriptors.cached import Cached
from mlipselect.descriptors.julia_ace import JuliaACE
from mlipselect.descriptors.learned.calculator import FromCalculator
from mlipselect.descriptors.learned.chgnet import CHGNet
from mlipselect.descriptors.learned.sevennet import SevenNet
from mlipselect.descriptors.mace.descriptor import MACE
from mlipselect.descriptors.metatomic import Metatomic
from mlipselect.descriptors.per_element import PerElement
from mlipselect.descriptors.remote import Remote

__all__ = [
    "ACE",
    "MACE",
    "BatchDescriptor",
    "CHGNet",
    "Cached",
    "Descriptor",
    "Design",
    "DesignDescriptor",
    "DifferentiableDescriptor",
    "FromCalculator",
    "JuliaACE",
    "Metatomic",
    "PerElement",
    "Prediction",
    "Remote",
    "SevenNet",
]
