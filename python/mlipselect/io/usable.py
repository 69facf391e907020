"""What every frame has to have before it is worked with: atoms that are elements, and the cell that was asked for."""

from __future__ import annotations

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.reading import Reading
from mlipselect.io.species import no_element


def usable(atoms: Atoms, reading: Reading) -> Atoms:
    """Return the structure, with the cell of the options if it has none.

    Raises
    ------
    InvalidInputError
        No atoms, or ghost atoms.
    """
    if len(atoms) == 0:
        raise InvalidInputError("the frame holds no atoms")
    if not atoms.numbers.all():
        raise InvalidInputError(no_element("X"))
    if reading.cell is not None and not atoms.cell.any():
        reading.used.add("cell")
        calculator = atoms.calc
        atoms.cell[:] = reading.lattice
        atoms.pbc = True
        if calculator is not None:  # whose results are those of the periodic structure
            atoms.calc = SinglePointCalculator(atoms, **calculator.results)  # type: ignore[no-untyped-call]
    return atoms
