"""A copy of a structure that carries all that is known of it, without the program that computed it."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mlipselect.io.as_text import with_text
from mlipselect.io.changes import Change
from mlipselect.io.exact import further_results, is_stale, results

IN_INFO = "kept in info or arrays"


def detached(atoms: Atoms) -> tuple[Atoms, list[Change]]:
    """Copy a structure with the results of its calculator, which become those of a `SinglePointCalculator`.

    Results that belong to other positions are left out. Results under names that ASE does not know go to `info`, or to
    `arrays` if they have a row for each atom, unless something else is there.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure, which stays as it is.

    Returns
    -------
    atoms : ase.Atoms
        The copy.
    changes : list of Change
        What is left out or has another place.
    """
    copy: Atoms = atoms.copy()  # type: ignore[no-untyped-call]
    changes = []
    if is_stale(atoms):
        changes.append(Change("results of a calculator that belong to other positions, cell or species"))
    known: dict[str, Any] = {}
    for key, value in results(atoms).items():
        if _is_numeric(value):
            known[key] = value
        else:
            changes.append(Change(f"the result {key}"))
    if known:
        copy.calc = SinglePointCalculator(copy, **known)  # type: ignore[no-untyped-call]
    for key, value in further_results(atoms).items():
        if not _has_text(value):
            changes.append(Change(f"the result {key}"))
            continue
        array = np.asarray(value) if isinstance(value, (np.ndarray, list, tuple)) else None
        per_atom = array is not None and array.ndim > 0 and len(array) == len(atoms) and array.dtype.kind in "fiub"
        held = copy.arrays if per_atom else copy.info
        if key in held:
            changes.append(Change(f"the result {key}"))
        else:
            held[key] = array.copy() if per_atom and array is not None else value
            changes.append(Change(f"the result {key}", IN_INFO))
    return copy, changes


def _has_text(value: Any) -> bool:
    """Tell whether numbers or a text stand for a value."""
    try:
        with_text(value)
    except ValueError:
        return False
    return True


def _is_numeric(value: Any) -> bool:
    """Tell whether a calculator can hold a value among its results; a text that stands for a number counts."""
    try:
        np.array(value, float)
    except (TypeError, ValueError):
        return isinstance(value, str)
    return True
