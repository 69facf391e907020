"""The options of labels, each declared once: `LinearPotential.fit` and `mlipselect fit` have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.isolated import Isolated
from mlipselect.labels.names import Kind, resembles_forces, understand
from mlipselect.utils.option import option

CALCULATOR = "calculator"
"""Key of the results of a calculator, where ASE puts ``energy``, ``forces`` and ``stress`` of a file."""

ABSENT = "none"
"""Key of labels that are not used."""

Keys: TypeAlias = str | Sequence[str] | None
"""A key, or several of which each structure has one."""


@dataclass(frozen=True)
class LabelOptions:
    """Where the labels of structures are, and which of them are used.

    A key is one of `Atoms.info` (energy, virial, stress) or `Atoms.arrays` (forces), or the name of a result of a
    calculator (``"energy"``, ``"free_energy"``, ``"forces"``, ``"stress"``), where ASE puts what a file has under
    these names. ``"calculator"`` are the results alone, and ``"none"`` leaves the label out. Of several keys each
    structure is read under the first that it has. By default keys are guessed, see `mlipselect.labels.read_labels`.
    """

    energy_key: Keys = option(
        None, "keys of energies in eV, such as dft_energy or free_energy", metavar="KEY", nargs="+"
    )
    forces_key: Keys = option(None, "keys of forces in eV/Å", metavar="KEY", nargs="+")
    virial_key: Keys = option(None, "keys of virials in eV: minus the derivative by strain", metavar="KEY", nargs="+")
    stress_key: Keys = option(
        None,
        "keys of stresses in eV/Å^3 with ASE's sign, 6 numbers (xx yy zz yz xz xy) or 9: minus the virial over the "
        "volume",
        metavar="KEY",
        nargs="+",
    )
    isolated: Keys = option(
        None,
        "marks isolated atoms, whose energies are reference energies; may be given several times (known without: "
        "config_type=isolated_atom and its spellings)",
        metavar="KEY=VALUE",
        action="append",
    )
    unconverged: Literal["drop", "keep"] = option(
        "drop",
        "labels of structures whose electronic steps did not converge, which OUTCAR, vasprun.xml and keys such as "
        "converged tell (default: %(default)s)",
        choices=["drop", "keep"],
    )

    def keys(self, kind: Kind) -> tuple[str, ...] | None:
        """Return the given keys of a label; empty for ``"none"``, None where they are to be guessed.

        Raises
        ------
        InvalidInputError
            A key whose name says that it is another quantity.
        """
        given = getattr(self, f"{kind}_key")
        if given is None:
            return None
        keys = (given,) if isinstance(given, str) else tuple(given)
        if not keys or not all(isinstance(key, str) and key for key in keys):
            raise InvalidInputError(f"{kind}_key: expected keys, got {given!r}")
        for key in keys:
            _check_quantity(kind, key)
        return () if keys == (ABSENT,) else tuple(key for key in keys if key != ABSENT)

    def marks(self) -> list[Isolated]:
        """Return the given marks of isolated atoms."""
        given = (self.isolated,) if isinstance(self.isolated, str) else self.isolated or ()
        return [Isolated.parse(text) for text in given]


def _check_quantity(kind: Kind, key: str) -> None:
    name = understand(key)
    if name is not None and {name.kind, kind} == {"virial", "stress"}:
        raise InvalidInputError(
            f"{kind}_key: expected a {kind}, but {key!r} is a {name.kind}, of another sign and unit: "
            f"give it as --{name.kind}-key ({name.kind}_key=)"
        )
    if kind == "forces" and resembles_forces(key):
        raise InvalidInputError(f"forces_key: expected forces, but {key!r} is a gradient, of the other sign")
    if kind == "energy" and name is not None and "per atom" in name.mark.replace("peratom", "per atom"):
        raise InvalidInputError(f"energy_key: expected energies of whole structures, but {key!r} is one per atom")
