"""Find the parts of a structure that keep a file from being written or read, and remove them."""

from __future__ import annotations

from collections.abc import Callable

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mlipselect.io.changes import Change


def remove_misfits(atoms: Atoms, fits: Callable[[Atoms], bool]) -> list[Change]:
    """Remove kinds of constraints, keys of `info`, arrays and results with which a structure does not fit.

    Parameters
    ----------
    atoms : ase.Atoms
        The structure, which is changed if it does not fit.
    fits : callable
        Tells whether a structure can be written and read.

    Returns
    -------
    list of Change
        What was removed.
    """
    if fits(atoms):
        return []
    kept = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    results = {} if atoms.calc is None else atoms.calc.results
    changes = []
    for kind in dict.fromkeys(map(type, atoms.constraints)):
        before = kept.constraints
        kept.set_constraint([*before, *(c for c in atoms.constraints if type(c) is kind)])  # type: ignore[no-untyped-call]
        if not fits(kept):
            changes.append(Change(kind.__name__))
            kept.set_constraint(before)  # type: ignore[no-untyped-call]
    for place, held in (("info", atoms.info), ("arrays", atoms.arrays)):
        target = getattr(kept, place)
        for key in [key for key in held if key not in ("numbers", "positions")]:
            target[key] = held[key]
            if not fits(kept):
                del target[key]
                changes.append(Change(f"{place}[{key!r}]"))
    known: dict[str, object] = {}
    for key, value in results.items():
        kept.calc = SinglePointCalculator(kept, **known, **{key: value})  # type: ignore[no-untyped-call]
        if fits(kept):
            known[key] = value
        else:
            changes.append(Change(f"the result {key}"))
    atoms.set_constraint(kept.constraints)  # type: ignore[no-untyped-call]
    atoms.info = kept.info
    for key in atoms.arrays.keys() - kept.arrays.keys():
        del atoms.arrays[key]
    atoms.calc = SinglePointCalculator(atoms, **known) if known else None  # type: ignore[no-untyped-call]
    return changes
