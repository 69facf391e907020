"""Design rows for energies, forces and stresses, computed on demand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlipselect.descriptors.base import Design, DesignDescriptor, HasDesigns
from mlipselect.exceptions import InvalidInputError, StructureError


class Designs:
    """The designs of structures, computed on demand and kept while there is room.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        The structures.
    descriptor : DesignDescriptor
        A descriptor with `design`, such as `ACE` with its elements given.
    max_memory : int, default=512 MiB
        Limit in bytes for the designs that are kept.
    n_threads : int, optional
        Threads to use, by default `MLIPSELECT_NUM_THREADS` or one for each processor.

    Examples
    --------
    >>> import ase.build, mlipselect as ms
    >>> pool = [ase.build.bulk("Si", a=a) for a in (5.3, 5.4)]
    >>> designs = ms.Designs(pool, ms.ACE(["Si"], totaldegree=6))
    >>> [rows.shape for rows in designs.forces([0, 1])]
    [(6, 25), (6, 25)]
    """

    def __init__(
        self,
        structures: Sequence[Atoms],
        descriptor: DesignDescriptor,
        *,
        max_memory: int = 512 << 20,
        n_threads: int | None = None,
    ):
        if not isinstance(descriptor, DesignDescriptor):
            raise InvalidInputError(
                f"expected a descriptor with `design`, the rows of forces and virials, but {type(descriptor).__name__} "
                "has none"
            )
        self.structures = structures
        self.descriptor = descriptor
        self.max_memory = max_memory
        self.n_threads = n_threads
        self._kept: dict[int, Design] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.structures)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the designs, which are computed again on demand."""
        return {**self.__dict__, "_kept": {}, "_bytes": 0}

    def forces(self, indices: Iterable[int]) -> Iterator[NDArray[np.floating[Any]]]:
        """Give the rows of the forces of some structures, each of shape (3 n_atoms, d)."""
        return (design.forces for _, design in self._made(list(indices)))

    def stress(self, indices: Iterable[int]) -> Iterator[NDArray[np.floating[Any]]]:
        """Give the rows of the stress of some structures, each of shape (6, d), up to their sign.

        Raises
        ------
        StructureError
            A structure whose cell has no volume.
        """
        return (design.virial / self._volume(index) for index, design in self._made(list(indices)))

    def _made(self, indices: Sequence[int]) -> Iterator[tuple[int, Design]]:
        missing = [index for index in indices if index not in self._kept]
        fresh = self._make(missing)
        for index in indices:
            yield index, self._kept[index] if index in self._kept else next(fresh)

    def _make(self, indices: Sequence[int]) -> Iterator[Design]:
        made = iter_designs([self.structures[index] for index in indices], self.descriptor, self.n_threads)
        try:
            for index, design in zip(indices, made, strict=True):
                self._keep(index, design)
                yield design
        except StructureError as error:
            raise StructureError(error.problem, indices[error.index or 0], error.source) from None

    def _keep(self, index: int, design: Design) -> None:
        size = design.forces.nbytes + design.virial.nbytes + design.energy.nbytes
        if self._bytes + size <= self.max_memory:
            # Copies, since a view would keep the rows of the whole batch in memory.
            self._kept[index] = Design(design.energy.copy(), design.forces.copy(), design.virial.copy())
            self._bytes += size

    def _volume(self, index: int) -> float:
        cell = self.structures[index].cell
        volume = float(abs(np.linalg.det(np.asarray(cell))))
        if volume == 0.0:
            raise StructureError("expected a cell with three vectors: there is no stress without a volume", index)
        return volume


def iter_designs(
    structures: Sequence[Atoms], descriptor: DesignDescriptor, n_threads: int | None = None
) -> Iterator[Design]:
    """Compute the designs of structures in their order, in parallel if the descriptor can.

    Parameters
    ----------
    structures : sequence of ase.Atoms
        The structures.
    descriptor : DesignDescriptor
        A descriptor with `design`; its `designs(structures, n_threads=)` is used if it has one.
    n_threads : int, optional
        Threads to use.

    Raises
    ------
    StructureError
        A structure that cannot be described, with its index.
    """
    if isinstance(descriptor, HasDesigns):
        yield from descriptor.designs(structures, n_threads=n_threads)
        return
    for index, atoms in enumerate(structures):
        try:
            design = descriptor.design(atoms)
        except StructureError as error:
            raise StructureError(error.problem, index) from None
        if any(np.ma.is_masked(rows) for rows in (design.energy, design.forces, design.virial)):
            raise StructureError("expected a design that is all known, got masked values", index)
        yield design


def padded(rows: NDArray[Any], width: int) -> NDArray[Any]:
    """Append columns of zeros to derivatives, since element fractions do not change with displacement or strain."""
    return np.ascontiguousarray(np.pad(rows, ((0, 0), (0, width - rows.shape[1]))))


def needed(designs: Designs | None, name: str) -> Designs:
    """Return designs, or refuse their absence."""
    if designs is None:
        raise InvalidInputError(
            f"scores, updates and objectives of forces and stress need {name}=Designs(structures, descriptor)"
        )
    return designs
