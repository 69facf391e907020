"""CIF: crystals, symmetry expanded by ASE; sites that are occupied in part are refused or made whole."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.io.cif import parse_cif
from ase.spacegroup.spacegroup import parse_sitesym

from mlipselect.exceptions import InvalidInputError
from mlipselect.io.compression import open_for_reading
from mlipselect.io.formats.format import Format
from mlipselect.io.reading import Reading
from mlipselect.io.species import renamed

_FULL = 0.999
"""Smallest occupancy that counts as full."""
#: Names of the symmetry operations.
_OPERATIONS = ("_space_group_symop_operation_xyz", "_space_group_symop.operation_xyz", "_symmetry_equiv_pos_as_xyz")
_SAME_SITE = 0.01
"""Largest distance in Å between two entries of one site."""


def recognises(path: str, head: bytes) -> bool:
    """Tell a CIF by its first block and its cell, or by its name."""
    return path.removesuffix(".gz").lower().endswith(".cif") or (b"data_" in head and b"_cell_length_a" in head)


def read(path: str, reading: Reading) -> Iterator[Atoms]:
    """Yield the crystal of each block that has one.

    Raises
    ------
    InvalidInputError
        A site without coordinates, or one that is occupied in part, unless the options say what stands there.
    """
    with open_for_reading(path) as stream:
        block: Any
        for block in parse_cif(stream):
            if not block.has_structure():
                continue
            _refuse_unknown_places(block)
            partial = _partial(block)
            if partial and reading.occupancy is None:
                label, occupancy = partial[0]
                more = f" and {len(partial) - 1} more" if len(partial) > 1 else ""
                raise InvalidInputError(
                    f"site {label}{more} is occupied in part ({occupancy:g}), so it is no single structure: order it, "
                    "or put the most frequent element there with --occupancy majority"
                )
            if partial:
                reading.used.add("occupancy")
                sites = f"{len(partial)} partly occupied sites"
                reading.notes.add(f"{sites} are given to their most frequent element, or left empty where most are")
                block = _by_majority(block)
            yield renamed(_structure(block), reading)


def _structure(block: Any) -> Atoms:
    """Return the crystal; where the space group is unknown, by the symmetry operations that the block lists."""
    try:
        atoms: Atoms = block.get_atoms(fractional_occupancies=False)
        return atoms
    except Exception as error:  # ASE fails in many ways
        operations = next((found for name in _OPERATIONS if (found := block.get(name))), None)
        if operations is None:
            raise InvalidInputError(f"{error}; it lists no symmetry operations either") from error
        operations = [operations] if isinstance(operations, str) else operations
        return _by_operations(block.get_unsymmetrized_structure(), operations)


def _by_operations(sites: Atoms, operations: Sequence[str]) -> Atoms:
    """Return the crystal that symmetry operations such as ``x,y+1/2,-z`` make of sites."""
    rotations, translations = parse_sitesym(operations)  # type: ignore[no-untyped-call]
    numbers: list[int] = []
    positions = np.empty((0, 3))
    places = sites.cell.scaled_positions(sites.positions)
    for number, site in zip(sites.numbers.tolist(), places, strict=True):
        for image in np.einsum("nij,j->ni", rotations, site) + translations:
            image = image % 1.0 % 1.0
            steps = positions - image
            distances = np.linalg.norm((steps - np.round(steps)) @ sites.cell.array, axis=1)
            if (distances < _SAME_SITE).any():
                if numbers[int(np.argmin(distances))] != number:
                    raise InvalidInputError("its symmetry operations put different elements on one site")
                continue
            numbers.append(number)
            positions = np.vstack([positions, image])
    return Atoms(numbers=numbers, scaled_positions=positions, cell=sites.cell, pbc=True)


def _refuse_unknown_places(block: Any) -> None:
    """Refuse sites whose coordinates are no numbers, such as ``?``."""
    labels = _column(block, "label") or _column(block, "type_symbol")
    kinds = [kind for kind in ("fract", "Cartn") if _column(block, f"{kind}_x")]
    columns = [_column(block, f"{kind}_{axis}") for kind in kinds[:1] for axis in "xyz"]
    for label, *place in zip(labels, *columns, strict=False):
        if unknown := [value for value in place if not isinstance(value, (int, float))]:
            raise InvalidInputError(
                f"site {label} has no coordinates, only {unknown[0]!r}: remove the site from the file, or complete it"
            )


def _column(block: Any, name: str) -> list[Any]:
    value = block.get(f"_atom_site_{name}")
    return value if isinstance(value, list) else [] if value is None else [value]


def _occupancies(block: Any) -> list[float]:
    return [float(value) if isinstance(value, (int, float)) else 1.0 for value in _column(block, "occupancy")]


def _partial(block: Any) -> list[tuple[str, float]]:
    """Return label and occupancy of each entry that is occupied in part."""
    labels = _column(block, "label") or _column(block, "type_symbol")
    return [(str(label), share) for label, share in zip(labels, _occupancies(block), strict=False) if share < _FULL]


def _by_majority(block: Any) -> Any:
    """Return a block with the most frequent entry of each site only, none where most of the sites are empty."""
    shares = _occupancies(block)
    sites = block.get_unsymmetrized_structure()
    kept, seen = [], set()
    for index in range(len(shares)):
        if index in seen:
            continue
        vectors = sites.cell.scaled_positions(sites.positions - sites.positions[index])
        distances = np.linalg.norm((vectors - np.round(vectors)) @ np.asarray(sites.cell), axis=1)
        together = np.flatnonzero(distances < _SAME_SITE).tolist()
        seen.update(together)
        best = max(together, key=lambda entry: shares[entry])
        if shares[best] > 1 - sum(shares[entry] for entry in together):
            kept.append(best)
    if not kept:
        raise InvalidInputError("most of every site is empty")
    chosen = copy.copy(block)
    tags = {name: block[name] for name in block}
    for name, value in tags.items():
        if name.startswith("_atom_site_") and isinstance(value, list) and len(value) == len(shares):
            tags[name] = [value[entry] for entry in kept]
    chosen._tags = tags
    return chosen


CIF = Format("cif", "crystals in CIF", recognises, read)
