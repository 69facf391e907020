"""The base potential of biased dynamics: a linear potential, any ASE calculator, or what makes one."""

from __future__ import annotations

import copy
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect.descriptors.base import Prediction
from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.mace_potential import MacePotential
from mlipselect.models import LinearPotential
from mlipselect.utils.unmasked import unmasked

BaseLike: TypeAlias = Any
"""A `LinearPotential`, a `MacePotential`, an ASE calculator, or a function without arguments that returns one."""


@runtime_checkable
class SharesPass(Protocol):
    """A potential that is computed in the same pass over the atoms as features, as a `LinearPotential` is."""

    descriptor: Any

    def predict(self, atoms: Atoms) -> Prediction:
        """Predict energy, forces, virial and the energy of each site."""
        ...

    def predict_beside(self, atoms: Atoms, forward: Any, weights: NDArray[np.float64]) -> tuple[Prediction, Prediction]:
        """Predict by the potential and by a linear model of the features that `forward` of the descriptor found."""
        ...


MACE_PREFIX = "mace:"
"""What the name of a base begins with if it is a model of MACE."""


@dataclass(frozen=True)
class BaseResults:
    """What the base potential says of a structure.

    Attributes
    ----------
    energy : float
        Energy in eV.
    forces : ndarray of shape (n_atoms, 3)
        Forces in eV/Å.
    stress : ndarray of shape (6,) or None
        Stress in eV/Å^3 with ASE's order and sign; None if it was not asked for and does not come for free.
    """

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None


def fresh(base: BaseLike) -> Any:
    """Return a base potential that remembers nothing: one that is no calculator as it is, or a new calculator.

    Of a calculator a copy is made, so it should be given before its first use.

    Raises
    ------
    InvalidInputError
        It is none of these.
    """
    if isinstance(base, SharesPass):
        return base
    if hasattr(base, "get_property"):
        return copy.deepcopy(base)
    if callable(base):
        made = base()
        if isinstance(made, SharesPass) or hasattr(made, "get_property"):
            return made
        raise InvalidInputError(f"base: expected a function that returns an ASE calculator, got {type(made).__name__}")
    raise InvalidInputError(
        f"base: expected a LinearPotential, an ASE calculator or a function that returns one, got {type(base).__name__}"
    )


def evaluate(base: Any, atoms: Atoms, *, with_stress: bool) -> BaseResults:
    """Compute energy, forces and, if asked for or for free, stress of the base potential.

    Parameters
    ----------
    base : LinearPotential, MacePotential or ase.calculators.calculator.Calculator
        The potential.
    atoms : ase.Atoms
        The structure.
    with_stress : bool
        Whether to ask a calculator for the stress.
    """
    if isinstance(base, SharesPass):
        return of_prediction(base.predict(atoms), atoms)
    forces = unmasked("forces of the base", base.get_property("forces", atoms), np.float64).copy()
    energy = float(base.get_property("energy", atoms))
    stress = unmasked("stress of the base", base.get_property("stress", atoms), np.float64) if with_stress else None
    return BaseResults(energy, forces, stress)


def of_prediction(prediction: Prediction, atoms: Atoms) -> BaseResults:
    """Return the results of a prediction of a `LinearPotential`."""
    return BaseResults(prediction.energy, prediction.forces, stress_of(prediction.virial, atoms))


def stress_of(virial: NDArray[np.float64], atoms: Atoms) -> NDArray[np.float64] | None:
    """Return minus a virial over the volume; None without a cell of three vectors."""
    if atoms.cell.rank < 3:
        return None
    volume: float = abs(np.linalg.det(np.asarray(atoms.cell)))
    return -virial / volume


def load_base(name: str | os.PathLike[str], **how: Any) -> BaseLike:
    """Load a base potential by the name that the command line has for it.

    Parameters
    ----------
    name : str or path
        The file of a `LinearPotential`; ``mace:FILE``, a model of MACE, or ``mace:NAME`` with the name of a foundation
        model such as ``mp:medium-mpa-0``; or ``MODULE:CALLABLE``, a function without arguments that returns an ASE
        calculator. MODULE is importable, or a file such as ``calculators.py`` in the current folder.
    **how
        ``device`` and ``dtype`` of a model of MACE.

    Raises
    ------
    InvalidInputError
        There is no such file, module or function.
    """
    text = os.fspath(name)
    if Path(text).exists():
        return LinearPotential.load(text)
    if text.startswith(MACE_PREFIX):
        return MacePotential(text.removeprefix(MACE_PREFIX), **how)
    module, _, function = text.rpartition(":")
    if not module:
        return LinearPotential.load(text)
    found = _imported(module.removesuffix(".py"), text)
    made: Callable[[], Any] | None = getattr(found, function, None)
    if not callable(made):
        raise InvalidInputError(f"base: {text}: expected a function {function!r} in {module}, got none")
    return made


def _imported(module: str, text: str) -> Any:
    here = os.fspath(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InvalidInputError(f"base: {text}: cannot be imported: {error}") from error
