"""Notice files of molecular dynamics whose frames have lost their cell."""

from __future__ import annotations

from ase import Atoms

from mlipselect.io.notes import Notes

#: Words in comments that programs write in each step of a run.
_STEPS = frozenset({"i", "time", "step", "timestep", "timestep:", "step:", "md_step", "iteration", "bead:"})
_CELLS = ("cell", "box", "lattice", "unitcell")


class CellWatch:
    """Goes through the frames of a file, and warns where none has a cell and all seem steps of one run."""

    def __init__(self) -> None:
        self._count = 0
        self._formula: str | None = None
        self._is_run = True

    def see(self, atoms: Atoms) -> None:
        """Look at the next frame."""
        self._count += 1
        if not self._is_run:
            return
        if atoms.cell.any() or self._count > 2:
            self._is_run = self._is_run and not atoms.cell.any()
            return
        words = {str(key).lower() for key in atoms.info}
        is_step = bool(words & _STEPS) or any(word.startswith(_CELLS) for word in words)
        formula = str(atoms.symbols.formula.reduce()[0])
        self._is_run = is_step and self._formula in (None, formula)
        self._formula = formula

    def tell(self, notes: Notes) -> None:
        """Note that no frame has a cell, if there was more than one."""
        if self._is_run and self._count > 1:
            notes.say(
                "no frame has a cell, and its comments are those of a run: it is described as a molecule in vacuum; "
                "if it is periodic, give --cell"
            )
