"""Structures in batches of a bounded number of atoms, and one structure in the place of many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ase import Atoms

from mlipselect.exceptions import StructureError


def in_batches(
    structures: Sequence[Atoms], batch_atoms: int, check: Callable[[Atoms, int], None] | None = None
) -> Iterator[tuple[int, list[Atoms]]]:
    """Yield structures in batches, each with the index of its first structure.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        The structures.
    batch_atoms : int
        Largest number of atoms of a batch of several structures.
    check : callable, optional
        Is called with each structure and its index before the structure enters a batch.
    """
    batch: list[Atoms] = []
    n_atoms = 0
    for index, atoms in enumerate(structures):
        if check is not None:
            check(atoms, index)
        if batch and n_atoms + len(atoms) > batch_atoms:
            yield index - len(batch), batch
            batch, n_atoms = [], 0
        batch.append(atoms)
        n_atoms += len(atoms)
    if batch:
        yield len(structures) - len(batch), batch


def alone(method: Callable[..., Any], *arguments: Any) -> Any:
    """Call a method for many structures with one structure, and drop the index from its errors."""
    try:
        return method(*arguments)
    except StructureError as error:
        raise StructureError(error.problem) from error.__cause__
