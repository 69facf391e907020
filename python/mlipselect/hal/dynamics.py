"""The dynamics that walkers run: ASE's Langevin at constant volume or pressure, or any other of ASE."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin

from mlipselect.exceptions import InvalidInputError

MakeDynamics: TypeAlias = Callable[[Atoms, float, np.random.Generator], Any]
"""A function of a structure, a temperature in K and a generator that returns dynamics of ASE."""

CARRIED = ("p_eps",)
"""What dynamics keep beside the structure: the momentum of the cell of ASE's `LangevinBAOAB`."""


class LangevinDynamics:
    """Langevin dynamics of ASE at constant temperature, and with a pressure also at that.

    Parameters
    ----------
    timestep : float
        In fs.
    friction : float
        In 1/fs.
    pressure : float, optional
        In GPa. The volume changes, the shape of the cell does not.

    Raises
    ------
    InvalidInputError
        A step or friction that is not positive, or a pressure with an ASE that has no `LangevinBAOAB`.
    """

    def __init__(self, timestep: float, friction: float, pressure: float | None = None):
        if not (timestep > 0.0 and friction > 0.0):
            raise InvalidInputError(f"timestep and friction: expected numbers above 0, got {timestep} and {friction}")
        self.timestep, self.friction, self.pressure = timestep, friction, pressure
        if pressure is not None:
            _langevin_baoab()

    def __call__(self, atoms: Atoms, temperature: float, rng: np.random.Generator) -> Any:
        """Make the dynamics of a structure."""
        step, friction = self.timestep * units.fs, self.friction / units.fs
        if self.pressure is None:
            return Langevin(atoms, step, temperature_K=temperature, friction=friction, fixcm=False, rng=rng)
        with warnings.catch_warnings():
            # It tells the mass of the cell that it chooses, and that constraints were not tried.
            warnings.simplefilter("ignore", UserWarning)
            return _langevin_baoab()(
                atoms,
                step,
                temperature_K=temperature,
                externalstress=-self.pressure * units.GPa,
                hydrostatic=True,
                T_tau=1.0 / friction,
                P_tau=20.0 / friction,
                rng=rng,
            )


def _langevin_baoab() -> Any:
    try:
        from ase.md.langevinbaoab import LangevinBAOAB
    except ImportError:
        raise InvalidInputError(
            "pressure: needs LangevinBAOAB of a newer ASE: pip install -U ase, or give `dynamics`"
        ) from None
    return LangevinBAOAB


def thermalize(atoms: Atoms, temperature: float, rng: np.random.Generator) -> None:
    """Draw momenta of a temperature in K, with the centre of mass at rest where nothing is fixed."""
    masses = atoms.get_masses()[:, None]
    momenta = np.sqrt(masses * units.kB * temperature) * rng.standard_normal((len(atoms), 3))
    if not atoms.constraints and len(atoms) > 1:
        momenta -= masses * momenta.sum(axis=0) / masses.sum()
    atoms.set_momenta(momenta)  # type: ignore[no-untyped-call]
