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
from mlipselect.descriptors.learned.matgl import MatGL
from mlipselect.descriptors.learned.mattersim import MatterSim
from mlipselect.descriptors.learned.nep import NEP
from mlipselect.descriptors.learned.nequip import NequIP
from mlipselect.descriptors.learned.orb import ORB
from mlipselect.descriptors.learned.sevennet import SevenNet
from mlipselect.descriptors.learned.uma import UMA
from mlipselect.descriptors.mace.descriptor import MACE
from mlipselect.descriptors.metatomic import Metatomic
from mlipselect.descriptors.per_element import PerElement
from mlipselect.descriptors.remote import Remote

__all__ = [
    "ACE",
    "MACE",
    "NEP",
    "ORB",
    "UMA",
    "BatchDescriptor",
    "CHGNet",
    "Cached",
    "Descriptor",
    "Design",
    "DesignDescriptor",
    "DifferentiableDescriptor",
    "FromCalculator",
    "JuliaACE",
    "MatGL",
    "MatterSim",
    "Metatomic",
    "NequIP",
    "PerElement",
    "Prediction",
    "Remote",
    "SevenNet",
]
