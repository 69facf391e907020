"""The biased potential as an ASE calculator: the base minus tau times the standard deviation of the surrogate."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from numpy.typing import NDArray

from mlipselect.descriptors.base import DescriptorLike, ForwardPass, HasForwardPass, parameters_of
from mlipselect.exceptions import InvalidInputError
from mlipselect.hal.base import BaseLike, BaseResults, SharesPass, evaluate, fresh, of_prediction, stress_of
from mlipselect.hal.surrogate import Deviation, Surrogate
from mlipselect.hal.tau import Schedule, Tau, as_tau, mean_length
from mlipselect.utils.told import counted

_LOGGER = logging.getLogger("mlipselect")

MAX_BIAS = 10.0
"""Largest length of the bias force on an atom, in mean lengths of the forces of the base."""


class BiasedCalculator(Calculator):
    r"""Energy, forces and stress of a base potential, biased towards what a surrogate is uncertain about.

    Parameters
    ----------
    base : LinearPotential, MacePotential, ase.calculators.calculator.Calculator or callable
        The potential that is biased, or a function without arguments that returns it.
    surrogate : Surrogate
        Its standard deviation is the bias.
    tau : float, callable or RelativeTau, optional
        Strength of the bias: a number, a function of the step, or relative to the forces; by default ``RelativeTau()``.
        A `RelativeTau` remembers the forces of this calculator, so each calculator needs its own.
    unbiased : sequence of int or ndarray of bool, shape (n_atoms,), optional
        Atoms without a bias force, such as those of a solvent. The bias energy and stress are those of all atoms.
    max_bias : float or None, default=10.0
        Largest bias force on an atom, in mean lengths of the forces of the base. Longer ones are shortened and counted.
        None sets no limit.
    step : int, default=0
        Number of the step that the first structure belongs to; each further structure is a further step.

    Attributes
    ----------
    results : dict
        ``energy``, ``free_energy``, ``forces`` and ``stress`` with the bias; ``base_energy``, ``base_forces``,
        ``bias_energy`` and ``bias_forces``, which sum up to them; ``uncertainty``, the standard deviation of the energy
        in the unit of the surrogate, ``uncertainty_per_atom``, and ``tau``.
    n_capped : int
        Number of steps at which a bias force was shortened.

    Raises
    ------
    InvalidInputError
        A base that is no potential, or a limit that is not positive.

    Notes
    -----
    :math:`E = E_\mathrm{base} - \tau\sigma` and :math:`F = F_\mathrm{base} + \tau\nabla\sigma` [1]_, [2]_. While
    :math:`\tau` is constant, no force is shortened and no atom is without a bias, the forces conserve :math:`E` and the
    kinetic energy.

    References
    ----------
    .. [1] C. van der Oord, M. Sachs, D. P. Kovács, C. Ortner, G. Csányi, npj Comput. Mater. 9, 168 (2023).
    .. [2] T. Rocke, J. Kermode, arXiv:2502.21165 (2025).

    Examples
    --------
    >>> import mlipselect as ms
    >>> from mlipselect.demo import silicon_core, silicon_pool
    >>> from mlipselect.demo.tersoff import silicon_tersoff
    >>> surrogate = ms.Surrogate(ms.ACE(["Si"], totaldegree=6), core=silicon_core())
    >>> atoms = silicon_pool()[0]
    >>> atoms.calc = ms.BiasedCalculator(silicon_tersoff(), surrogate, tau=0.5)
    >>> energy = atoms.get_potential_energy()
    >>> bool(energy == atoms.calc.results["base_energy"] - 0.5 * atoms.calc.results["uncertainty"])
    True
    """

    implemented_properties: ClassVar[list[str]] = [  # type: ignore[misc]
        "energy",
        "free_energy",
        "forces",
        "stress",
        "base_energy",
        "base_forces",
        "bias_energy",
        "bias_forces",
        "uncertainty",
        "uncertainty_per_atom",
        "tau",
    ]

    def __init__(
        self,
        base: BaseLike,
        surrogate: Surrogate,
        tau: Tau | Schedule | None = None,
        *,
        unbiased: Sequence[int] | NDArray[Any] | None = None,
        max_bias: float | None = MAX_BIAS,
        step: int = 0,
    ):
        super().__init__()  # type: ignore[no-untyped-call]
        if max_bias is not None and not max_bias > 0.0:
            raise InvalidInputError(f"max_bias: expected a number above 0, or None, got {max_bias}")
        self.base = fresh(base)
        self.surrogate = surrogate
        self.tau = as_tau(tau)
        self.unbiased = unbiased
        self.max_bias = max_bias
        self.step = step
        self.n_capped = 0
        self._is_first = True
        self._wants_stress = False
        #: Whether base and surrogate have the same descriptor; None before that is looked at.
        self._is_shared: bool | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute all properties; the stress of a calculator only from the first time on that it is asked for."""
        is_same = not system_changes and not self._is_first
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        structure: Any = self.atoms
        if not (self._is_first or is_same):
            self.step += 1
        self._is_first = False
        with_stress = "stress" in (properties or [])
        self._wants_stress |= with_stress
        if with_stress and structure.cell.rank < 3:
            raise PropertyNotImplementedError("stress: expected a cell with three vectors")
        forward = self._shared_pass(structure)
        if forward is None:
            base = evaluate(self.base, structure, with_stress=self._wants_stress)
            deviation = self.surrogate.deviation(structure)
        else:
            sigma, weights = self.surrogate.weights(forward.row, len(structure))
            of_base, of_deviation = self.base.predict_beside(structure, forward, weights)
            base, deviation = of_prediction(of_base, structure), Deviation.of(sigma, of_deviation)
        self.results = self._combined(base, deviation, structure)
        if with_stress and "stress" not in self.results:
            raise PropertyNotImplementedError(
                f"stress: {type(self.surrogate.descriptor).__name__} has no virials: expected a descriptor with "
                "`predictions` or `design`"
            )

    def _shared_pass(self, atoms: Atoms) -> ForwardPass | None:
        """Visit the atoms once for base and surrogate, where both are of the same descriptor."""
        descriptor = self.surrogate.descriptor
        if not (isinstance(self.base, SharesPass) and isinstance(descriptor, HasForwardPass)):
            return None
        if self._is_shared is None:
            own: DescriptorLike = self.base.descriptor
            self._is_shared = own is descriptor or is_same_descriptor(own, descriptor)
        return descriptor.forward(atoms, n_threads=self.surrogate.n_threads) if self._is_shared else None

    def _combined(self, base: BaseResults, deviation: Deviation, atoms: Atoms) -> dict[str, Any]:
        """Add the bias to the base; without a bias, everything is that of the base to the last bit."""
        tau = self.tau.at(self.step, base.forces, deviation.gradient)
        results: dict[str, Any] = {
            "base_energy": base.energy,
            "base_forces": base.forces,
            "uncertainty": deviation.sigma,
            "uncertainty_per_atom": deviation.sigma / len(atoms),
            "tau": tau,
        }
        if tau == 0.0:
            results |= {"bias_energy": 0.0, "bias_forces": np.zeros_like(base.forces)}
            results |= {"energy": base.energy, "free_energy": base.energy, "forces": base.forces.copy()}
            return results if base.stress is None else results | {"stress": base.stress}
        bias_energy = -tau * deviation.sigma
        bias_forces = self._limited(tau * deviation.gradient, base.forces)
        energy = base.energy + bias_energy
        results |= {"bias_energy": bias_energy, "bias_forces": bias_forces}
        results |= {"energy": energy, "free_energy": energy, "forces": base.forces + bias_forces}
        if base.stress is not None and deviation.virial is not None:
            of_deviation = stress_of(deviation.virial, atoms)
            if of_deviation is not None:
                results["stress"] = base.stress - tau * of_deviation
        return results

    def _limited(self, forces: NDArray[np.float64], base_forces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Remove the bias from atoms that have none, and shorten forces that are too long."""
        if self.unbiased is not None:
            forces[np.asarray(self.unbiased)] = 0.0
        if self.max_bias is None:
            return forces
        limit = self.max_bias * mean_length(base_forces)
        lengths = np.sqrt((forces**2).sum(axis=1))
        too_long = lengths > limit
        if too_long.any():
            self.n_capped += 1
            if self.n_capped == 1:
                _LOGGER.info(
                    "the bias force on %s is limited to %g times the mean force of the base at step %d; further "
                    "steps are counted",
                    counted(int(too_long.sum()), "atom"), self.max_bias, self.step,
                )  # fmt: skip
            forces[too_long] *= (limit / lengths[too_long])[:, None]
        return forces


def is_same_descriptor(one: DescriptorLike, other: DescriptorLike) -> bool:
    """Tell whether two descriptors are of the same kind and have the same parameters."""
    parameters = parameters_of(one)
    return type(one) is type(other) and parameters is not None and parameters == parameters_of(other)
