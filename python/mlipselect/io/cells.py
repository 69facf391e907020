"""Notice files of molecular dynamics whose frames have lost their cell."""

from __future__ import annotations

from typing import Any

from mlipselect.io.frame import Frame
from mlipselect.io.notes import Notes
from mlipselect.utils.as_array import as_array

#: Words in comments that programs write in each step of a run.
_STEPS = frozenset({"i", "time", "step", "timestep", "timestep:", "step:", "md_step", "iteration", "bead:"})
_CELLS = ("cell", "box", "lattice", "unitcell", "unit_cell")


def _is_cell(key: Any, value: Any) -> bool:
    """Tell a key that names a cell, and has the numbers of one."""
    numbers = as_array(value)
    return str(key).lower().startswith(_CELLS) and numbers.dtype.kind in "fi" and numbers.size in (3, 6, 9)


class CellWatch:
    """Goes through the frames of a file, and warns where none has a cell and all seem steps of one run."""

    def __init__(self) -> None:
        self._count = 0
        self._formula: str | None = None
        #: Key of the first frame that names a cell.
        self._key: str | None = None
        #: Whether all frames so far may be steps of a run without a cell.
        self.is_undecided = True

    def see(self, frame: Frame) -> None:
        """Look at the next frame."""
        self._count += 1
        if self._count == 1 and not frame.cell.any():
            self._key = next((str(key) for key, value in frame.info.items() if _is_cell(key, value)), None)
        if not self.is_undecided:
            return
        if self._count > 2 or frame.cell.any():
            self.is_undecided = not frame.cell.any()
            return
        atoms = frame.atoms
        words = {str(key).lower() for key in atoms.info}
        is_step = bool(words & _STEPS) or any(word.startswith(_CELLS) for word in words)
        formula = str(atoms.symbols.formula.reduce()[0])
        self.is_undecided = is_step and self._formula in (None, formula)
        self._formula = formula

    def tell(self, notes: Notes) -> None:
        """Note a cell that is not read, or that no frame has a cell, if there was more than one."""
        if self._key is not None:
            notes.say(
                f"the cell is not read, as it stands in {self._key}=, which extended XYZ calls Lattice: frames without "
                "Lattice are described as molecules in vacuum; rename the key, or give --cell"
            )
        elif self.is_undecided and self._count > 1:
            notes.say(
                "no frame has a cell, and its comments are those of a run: it is described as a molecule in vacuum; "
                "if it is periodic, give --cell"
            )
