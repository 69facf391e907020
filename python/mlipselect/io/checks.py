"""The options of the look at structures before they are described, each declared once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from mlipselect.exceptions import InvalidInputError
from mlipselect.utils.option import option

MIN_BOND = 0.5
"""Fraction of the sum of covalent radii below which nothing stable is: bonds of hydrogen have 1.2, those of water 1.0,
and copper at a million bar 0.9."""


@dataclass(frozen=True)
class Checks:
    """What is looked for in structures before they are described, and what becomes of those that have it.

    Raises
    ------
    InvalidInputError
        A number that is not positive, or negative for `min_bond`.
    """

    title: ClassVar[str] = "checks of the pool"

    min_bond: float | None = option(
        None,
        f"refuse structures with atoms closer than this fraction of the sum of their covalent radii, images included "
        f"(default: warn below {MIN_BOND}; 0: do not look)",
        type=float, metavar="FRACTION",
    )  # fmt: skip
    max_force: float | None = option(
        None, "refuse structures with a larger force on an atom, in eV/Å, in any array of forces that they have",
        type=float, metavar="FORCE",
    )  # fmt: skip
    skip_bad: bool = option(
        False,
        "pass over structures that cannot be read or described, that --min-bond (or its default) or --max-force "
        "refuses, and write them beside the output, to NAME.rejected.xyz, with the reason",
        action="store_true",
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.min_bond is not None and not 0.0 <= self.min_bond < float("inf"):
            raise InvalidInputError(f"min_bond: expected a fraction such as {MIN_BOND}, or 0, got {self.min_bond}")
        if self.max_force is not None and not 0.0 < self.max_force < float("inf"):
            raise InvalidInputError(f"max_force: expected a positive number in eV/Å, got {self.max_force}")

    @property
    def limit(self) -> float:
        """Fraction of the sum of covalent radii below which atoms are too close."""
        return MIN_BOND if self.min_bond is None else self.min_bond

    def of_a_core(self) -> Checks:
        """Return the checks of a core: short bonds and large forces teach repulsion, so they belong there."""
        return replace(self, min_bond=0.0, max_force=None)

    def recorded(self) -> dict[str, float | bool]:
        """Return what was asked for, ready for JSON."""
        return {name: value for name, value in vars(self).items() if value is not None and value is not False}
