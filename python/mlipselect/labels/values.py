"""Read one value of a structure: numbers of the right shape, in eV and Å."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlipselect.exceptions import StructureError
from mlipselect.io.exact import is_stale
from mlipselect.io.formats.labels import voigt
from mlipselect.io.formats.text import as_floats
from mlipselect.io.frame import Frame
from mlipselect.labels.named_units import NamedUnits, named_units
from mlipselect.labels.names import PLACES, RESULTS, Kind, Name, Place, understand
from mlipselect.utils.as_array import as_array

Array = NDArray[np.float64]

_MATRICES: list[tuple[int, ...]] = [(6,), (9,), (3, 3), (1, 6), (1, 9)]


COMPONENTS = "fx fy fz"
"""What forces are called that stand in three columns of these names."""


def has_components(keys: Collection[Any]) -> bool:
    """Tell whether arrays of these names hold the three components of forces."""
    return all(key in keys for key in COMPONENTS.split())


@dataclass(frozen=True)
class Candidate:
    """A value that may be a label: its name, and where the structure keeps it."""

    name: Name
    place: Place


class Labelled:
    """A structure and the values in it that may be labels.

    Attributes
    ----------
    frame : Frame
        The structure.
    results : dict
        Results of its calculator that are labels, whether or not the structure has changed since.
    candidates : tuple of Candidate
        The values that may be labels.
    """

    def __init__(self, frame: Frame):
        self.frame = frame
        atoms = frame.atoms
        known = getattr(atoms.calc, "results", None) or {}
        self.results = {
            key: value for kind in RESULTS.values() for key in kind if (value := known.get(key)) is not None
        }
        self._are_stale = bool(self.results) and is_stale(atoms)
        self.candidates = _candidates(tuple(atoms.info), tuple(atoms.arrays), tuple(self.results))

    @functools.cached_property
    def units(self) -> NamedUnits:
        """The units that the structure names."""
        return named_units(self.frame.atoms.info)

    def find(self, kind: Kind, key: str) -> list[Candidate]:
        """Find the values under a given key; info and results may both have it."""
        name = understand(key)
        if name is None or name.kind != kind:
            name = Name(key, kind, "", "", True, None)
        places: Mapping[Place, Mapping[str, Any]] = {
            PLACES[kind]: self.frame.atoms.arrays if kind == "forces" else self.frame.atoms.info,
            "results": self.results if key in RESULTS[kind] else {},
        }
        if key == COMPONENTS and has_components(self.frame.atoms.arrays):
            return [Candidate(name, "arrays")]
        return [Candidate(name, place) for place, values in places.items() if values.get(key) is not None]

    def raw(self, candidate: Candidate) -> Any:
        """Return a value as it is in the structure.

        Raises
        ------
        StructureError
            A result of a structure that has changed since.
        """
        if candidate.place == "results":
            if self._are_stale:
                problem = f"the structure has changed since its {candidate.name.key} was computed"
                raise self.error(f"{problem}: compute it again, or leave it out")
            return self.results[candidate.name.key]
        held = getattr(self.frame.atoms, candidate.place)
        if candidate.name.key == COMPONENTS:
            return np.column_stack([held[key] for key in COMPONENTS.split()])
        return held[candidate.name.key]

    def read(self, candidate: Candidate) -> Array | None:
        """Read a value in eV and Å; None for a value of NaN alone, the placeholder for a label that is missing.

        Returns
        -------
        ndarray or None
            Of shape () for an energy, (n_atoms, 3) for forces, (6,) for a virial or a stress.

        Raises
        ------
        StructureError
            A value that is not finite or no number, of the wrong shape, in an unknown unit, or out of date.
        """
        name = candidate.name
        array = self._numbers(name, self.raw(candidate))
        if not np.isfinite(array).all():
            if np.isnan(array).all():
                return None
            raise self.error(f"{name.key}: expected finite numbers, got {array[~np.isfinite(array)].ravel()[0]}")
        try:
            self.units.check_length()
            factor = self.units.factor(name.kind, name.mark, name.key) if name.unit is None else name.unit.factor
        except StructureError as error:
            raise self.error(error.problem) from None
        return (_voigt(array) if name.kind in ("virial", "stress") else array) * factor

    def error(self, problem: str) -> StructureError:
        """Make the error that names the file and the frame."""
        return StructureError(problem, self.frame.index, self.frame.source)

    def _numbers(self, name: Name, value: Any) -> Array:
        shapes = _MATRICES
        if name.kind in ("energy", "forces"):
            shapes = [(), (1,)] if name.kind == "energy" else [(len(self.frame.atoms), 3)]
        value = _listed(value)
        if np.ma.is_masked(value):
            raise self.error(f"{name.key}: expected numbers that are all known, got masked ones")
        try:
            if np.asarray(value).dtype.kind in "bcSU":
                raise TypeError
            array = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            held = as_array(value)
            shown = f"values such as {held.ravel()[0]!r}" if held.ndim > 0 else repr(value)
            raise self.error(f"{name.key}: expected numbers, got {shown}") from None
        if array.shape not in shapes:
            expected = " or ".join(str(shape) for shape in shapes[:3])
            raise self.error(f"{name.key}: expected an array of shape {expected}, got {array.shape}")
        return array.reshape(()) if name.kind == "energy" else array


@functools.lru_cache(maxsize=1024)
def _candidates(info: tuple[Any, ...], arrays: tuple[Any, ...], found: tuple[str, ...]) -> tuple[Candidate, ...]:
    """Find the values that may be labels by their keys."""
    out = []
    for place, keys in (("info", info), ("arrays", arrays), ("results", found)):
        for key in keys:
            name = understand(key) if isinstance(key, str) and not key.startswith("mlipselect_") else None
            if name is not None and place in (PLACES[name.kind], "results"):
                out.append(Candidate(name, place))  # type: ignore[arg-type]
    if has_components(arrays):
        out.append(Candidate(Name(COMPONENTS, "forces", "", "", True, None), "arrays"))
    return tuple(out)


def _listed(value: Any) -> Any:
    """Return the numbers of a text such as ``[[1, 2, 3], [2, 4, 5], [3, 5, 6]]``; any other value as it is."""
    if not isinstance(value, str) or not value.strip().startswith(("[", "{", "(")):
        return value
    numbers = as_floats(re.findall(r"[^\s,;\[\]{}()]+", value))
    return value if numbers is None or len(numbers) < 6 else numbers


def _voigt(matrix: Array) -> Array:
    """Return the six components xx, yy, zz, yz, xz, xy of a matrix that is given in full or by these."""
    if matrix.size == 6:
        return matrix.ravel()
    return voigt(matrix.reshape(3, 3))


def has_volume(frame: Frame) -> bool:
    """Tell whether a structure is periodic in three directions that span a volume, as a stress needs."""
    return bool(frame.atoms.pbc.all()) and frame.atoms.cell.rank == 3
