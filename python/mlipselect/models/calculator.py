"""A linear potential as an ASE calculator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes

if TYPE_CHECKING:
    from mlipselect.models.linear import LinearPotential


class LinearCalculator(Calculator):
    """Energies, forces and stress of a `LinearPotential`, for relaxations and molecular dynamics.

    ``get_property("energy_std", atoms)`` and ``get_property("forces_std", atoms)`` are the standard deviations of the
    predictions. They cost more than the predictions and are computed only when asked for.

    Parameters
    ----------
    potential : LinearPotential
        A fitted potential.
    """

    implemented_properties: ClassVar[list[str]] = [  # type: ignore[misc]
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
        "energy_std",
        "forces_std",
    ]

    def __init__(self, potential: LinearPotential):
        super().__init__()  # type: ignore[no-untyped-call]
        self.potential = potential

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute all properties; standard deviations only if they are among those asked for."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        wanted = properties or ["energy"]
        structure: Any = self.atoms
        results: dict[str, Any] = {}
        prediction = self.potential.predict(structure)
        results["energy"] = results["free_energy"] = prediction.energy
        results["energies"], results["forces"] = prediction.site_energies, prediction.forces
        if structure.cell.rank == 3:
            results["stress"] = -prediction.virial / abs(np.linalg.det(np.asarray(structure.cell)))
        elif "stress" in wanted:
            raise PropertyNotImplementedError("stress: expected a cell with three vectors")
        if "energy_std" in wanted:
            results["energy_std"] = self.potential.energy_std(structure)
        if "forces_std" in wanted:
            results["forces_std"] = self.potential.forces_std(structure)
        self.results.update(results)
