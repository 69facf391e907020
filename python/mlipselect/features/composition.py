"""Columns of element fractions, so that offsets between compositions do not count as information.

The energies of free atoms differ between elements by far more than the energy of an atom differs between surroundings.
A linear model takes these offsets up with one weight per element, which multiplies the fraction of that element in the
structure. The fractions sum to one, so a common intercept is included. Without such columns the descriptor has to
imitate the offsets, and structures of an unusual composition look informative for their composition alone.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from mlipselect.exceptions import InvalidInputError, StructureError
from mlipselect.features.container import Features

BLOCK_ROWS = 4096


def one_hot(numbers: NDArray[np.int64], elements: tuple[str, ...]) -> NDArray[np.float64]:
    """Mark the element of each atom.

    Parameters
    ----------
    numbers : ndarray of shape (n_atoms,)
        Atomic numbers.
    elements : tuple of str
        One column each.

    Returns
    -------
    ndarray of shape (n_atoms, n_elements)
        One in the column of the element of the atom, else zero. The means over atoms are element fractions.

    Raises
    ------
    StructureError
        An element of the structure is not among `elements`.
    """
    marks: NDArray[np.bool_] = numbers[:, None] == np.array([atomic_numbers[symbol] for symbol in elements])
    if not marks.any(axis=1).all():
        unknown = sorted({chemical_symbols[number] for number in numbers} - set(elements))
        raise StructureError(f"unknown element {', '.join(unknown)}: expected only {', '.join(elements)}")
    return marks.astype(np.float64)


def balance_composition(*features: Features) -> float:
    r"""Scale the columns of element fractions, in place, to the size of the descriptor's columns.

    All element columns are multiplied by one number, chosen so that the mean square of their entries over all given
    structures equals that of the descriptor's entries. An isotropic prior then allows an average element column as much
    energy as an average descriptor column, and treats the elements alike. The mean square entry of the matrix, to which
    `ridge` refers, is that of the matrix without these columns.

    Parameters
    ----------
    *features : Features
        The sets of one selection (pool and core), made with the same `composition`. An earlier scale is replaced.

    Returns
    -------
    float
        The scale: the entry of a pure element in its column.

    Raises
    ------
    InvalidInputError
        Sets with different element columns, or with none.

    Notes
    -----
    With :math:`x` the descriptor's entries and :math:`f` the fractions, the scale is
    :math:`\sqrt{\langle x^2\rangle / \langle f^2\rangle}`.

    Examples
    --------
    >>> import numpy as np, ase.build, mlipselect as ms
    >>> pool = [ase.build.bulk(name, "fcc", a=4.0) for name in ("Cu", "Ag", "Cu")]
    >>> X = ms.featurize(pool, lambda atoms: np.full((len(atoms), 6), 3.0), composition=["Cu", "Ag"])
    >>> round(ms.balance_composition(X), 3)
    4.243
    >>> X.per_structure[0, 6:].round(3)
    array([4.243, 0.   ])
    """
    elements = {item.composition for item in features}
    if len(elements) != 1 or elements == {()}:
        given = "; ".join(", ".join(names) or "none" for names in sorted(elements)) or "none"
        raise InvalidInputError(f"expected features with the same element columns, got {given}")
    width = len(elements.pop())
    descriptor_sum, fraction_sum = np.sum([composition_sums(item) for item in features], axis=0).tolist()
    scale = balanced_scale(descriptor_sum, features[0].shape[1] - width, fraction_sum, width)
    for item in features:
        scale_composition(item, scale)
    return scale


def composition_sums(features: Features) -> tuple[float, float]:
    """Return the sums of the squares of the descriptor's entries, and of the element fractions without their scale."""
    n_described = features.shape[1] - len(features.composition)
    descriptor_sum = fraction_sum = 0.0
    for start in range(0, len(features), BLOCK_ROWS):
        block = features.per_structure[start : start + BLOCK_ROWS].astype(np.float64)
        described, fractions = block[:, :n_described], block[:, n_described:] / features.composition_scale
        descriptor_sum += float(np.einsum("ij,ij->", described, described))
        fraction_sum += float(np.einsum("ij,ij->", fractions, fractions))
    return descriptor_sum, fraction_sum


def balanced_scale(descriptor_sum: float, n_described: int, fraction_sum: float, n_elements: int) -> float:
    """Return the scale of element columns; see `balance_composition`.

    Parameters
    ----------
    descriptor_sum : float
        Sum of the squares of the descriptor's entries over all structures.
    n_described : int
        Number of the descriptor's columns.
    fraction_sum : float
        Sum of the squares of the element fractions over all structures.
    n_elements : int
        Number of element columns.
    """
    if descriptor_sum == 0.0 or fraction_sum == 0.0:
        return 1.0
    return float(np.sqrt((descriptor_sum / n_described) / (fraction_sum / n_elements)))


def scale_composition(features: Features, scale: float) -> None:
    """Multiply the element columns by a scale, in place of an earlier one."""
    n_described = features.shape[1] - len(features.composition)
    features.per_structure[:, n_described:] *= scale / features.composition_scale
    if features.per_atom is not None:
        features.per_atom[:, n_described:] *= scale / features.composition_scale
    features.composition_scale = scale


def with_composition(features: Features, elements: tuple[str, ...]) -> Features:
    """Return the structure rows of features with the fractions of some elements, not scaled, as their last columns.

    Raises
    ------
    InvalidInputError
        Elements are asked for, and the features do not know the compositions of their structures.
    """
    n_described = features.shape[1] - len(features.composition)
    described = features.per_structure[:, :n_described]
    if elements and features.counts is None:
        raise InvalidInputError(
            "features that do not know the compositions of their structures cannot have columns of element fractions: "
            "featurize again, or give composition=False (--no-composition)"
        )
    columns = [] if features.counts is None else [features.counts.fractions(elements, features.dtype)]
    return dataclasses.replace(
        features,
        per_structure=np.ascontiguousarray(np.hstack([described, *columns])),
        per_atom=None,
        offsets=None,
        composition=elements,
        composition_scale=1.0,
    )
